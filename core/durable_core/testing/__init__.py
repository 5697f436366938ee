"""The testing kit: a pytest plugin, a store in memory, and a clock that moves when it is told."""

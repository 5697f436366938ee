"""The terminal studio: watch, steer and answer executions from a terminal."""

"""Measures the engine against the raw limit of its stores and against peers, all in one run on one machine."""

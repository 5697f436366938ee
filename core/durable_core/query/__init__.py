"""Reads for people: executions, steps, logs, counts. Nothing here writes."""

"""Executions as they run: a view of one moment, kept up to date by what the bus tells, right by what the store says."""

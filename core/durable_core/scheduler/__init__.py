"""Schedules: when workflows start by themselves, and the thread that starts them."""

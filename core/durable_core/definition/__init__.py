"""Definitions as frozen data, and the pure interpreter over them. No I/O on this floor."""

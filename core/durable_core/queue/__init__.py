"""Queues: which token a worker takes next, behind one small protocol."""

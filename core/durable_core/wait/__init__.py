"""Waits of nodes and of bodies: sleeps, events, human input, children, and effects that must not repeat."""

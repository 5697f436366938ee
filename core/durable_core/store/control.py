"""Flags of an execution that keep its tokens off the fast path; zero means nothing stands in the way."""

from __future__ import annotations

from typing import Final

PAUSED: Final = 1
"""No further step begins until it is resumed."""
STOPPING: Final = 2
"""It is being cancelled, timed out or given up: running bodies are asked to stop, nothing follows them."""
BLOCKED: Final = 4
"""It cannot go on as it is (drift, or a definition it does not fit); the reason says what would help."""

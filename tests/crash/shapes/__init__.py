"""The shapes of workflows that are run, killed and run on; every body writes to the ledger."""

from __future__ import annotations

from tests.crash.shapes import families, hostile, plain, steered, undone, waiting
from tests.crash.shapes.shape import AUX, Shape, State, allowed

SHAPES: dict[str, Shape] = {
    **plain.SHAPES,
    **undone.SHAPES,
    **waiting.SHAPES,
    **families.SHAPES,
    **steered.SHAPES,
}
"""Those that every enumeration of crash points and every soak runs."""

ALL = {**SHAPES, **hostile.SHAPES}

FOLLOWERS = {**families.CHILDREN, "ticked": "completed", "forked": "completed"}
"""How executions end that others brought about, by workflow: children, ticks, forks."""

__all__ = ["ALL", "AUX", "FOLLOWERS", "SHAPES", "Shape", "State", "allowed"]

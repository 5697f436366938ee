"""What a step sees and changes: the context, its changes as data, and the join of changes of parallel branches."""

from __future__ import annotations

from durable_core.context.attempt import AttemptInfo, ContextServices
from durable_core.context.changes import Delta, apply_changes, diff, merge_deltas
from durable_core.context.context import Context, ReadOnlyContext, encode_items

__all__ = [
    "AttemptInfo",
    "Context",
    "ContextServices",
    "Delta",
    "ReadOnlyContext",
    "apply_changes",
    "diff",
    "encode_items",
    "merge_deltas",
]

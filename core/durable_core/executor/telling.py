"""What the bus is told of a record: all of it where it is a plain move, so that no reader has to ask the store."""

from __future__ import annotations

from typing import Final

from durable_core.bus.messages import Advance, Finished, Message
from durable_core.executor.plan import Plan
from durable_core.ids import iteration_key

_TOLD: Final = frozenset({"step", "decision", "switch", "loop"})
"""Types of nodes whose completed attempts touch nothing but their own row: no wait, no items, no answer."""


def moved_message(plan: Plan, revision: int) -> Message:
    """A token went on to the next node of its sequence."""
    claim, rows, token = plan.claim, plan.rows, plan.token
    last = rows[-1]
    advance = None
    if not plan.logs and all(
        row["type"] in _TOLD and row["error"] is None and row["pass_number"] == 1 and row["status"] == "completed"
        for row in rows
    ):
        advance = Advance(
            before=revision - len(rows),
            finished=tuple(
                Finished(
                    seq=row["seq"],
                    path=row["path"],
                    type=row["type"],
                    iteration=row["iteration"],
                    attempt=row["attempt"],
                    status=row["status"],
                    choice=row["choice"],
                    started_at=row["started_at"],
                    completed_at=row["completed_at"],
                )
                for row in rows
            ),
            token_id=claim.token_id,
            path=token.path or "",
            iteration=iteration_key(token.iterations) if token.iterations else "",
            since=last["completed_at"],
        )
    return Message("step", claim.execution_id, revision, last["path"], last["status"], advance)

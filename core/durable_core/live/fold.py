"""One event more: fold(view, event) is the next view, or says that only the store knows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from durable_core.bus.messages import Finished, Message
from durable_core.clock import from_us
from durable_core.ids import parse_iteration_key
from durable_core.live.recorded import Recorded
from durable_core.live.view import ExecutionView


@dataclass(frozen=True, slots=True)
class Stale:
    """The view cannot be brought up to date by this event: look at the store once."""

    reason: str


_UNTOLD: Final = Stale("the event does not tell everything that changed")
_LINES: Final = Stale("lines were written")


def fold(view: ExecutionView, event: Message) -> ExecutionView | Stale:
    """The view after one event. Pure; events that are old, doubled or of another execution change nothing.

    Whatever order events come in, and however many are lost: the result is a state that the store has had, never a
    newer one, and never an older one than `view`.
    """
    if event.execution_id != view.id:
        return view
    advance = event.advance
    if advance is None or not event.revision:
        if event.kind == "logs":
            return _LINES
        # Old only when strictly older: what changed without a number of its own may have come with the present one.
        return view if 0 < event.revision < view.revision and event.kind != "ended" else _UNTOLD
    if event.revision <= view.revision:
        return view
    if advance.before != view.revision:
        return Stale(f"the view is of revision {view.revision}, the event follows {advance.before}")
    here = next((number for number, one in enumerate(view.positions) if one.token_id == advance.token_id), None)
    if here is None or view.is_terminal:
        return _UNTOLD
    moved = replace(
        view.positions[here],
        path=advance.path,
        status="running",
        mode="run",
        iteration=parse_iteration_key(advance.iteration),
        attempt=1,
        due_at=None,
        since=from_us(advance.since),
    )
    return replace(
        view,
        revision=event.revision,
        attempts=view.attempts.followed_by([_recorded(one) for one in advance.finished]),
        positions=(*view.positions[:here], moved, *view.positions[here + 1 :]),
        at=max(view.at, from_us(advance.since)),
    )


def _recorded(one: Finished) -> Recorded:
    return Recorded(
        seq=one.seq,
        path=one.path,
        type=one.type,
        status=one.status,
        iteration=parse_iteration_key(one.iteration),
        attempt=one.attempt,
        choice=one.choice,
        started_at=None if one.started_at is None else from_us(one.started_at),
        completed_at=from_us(one.completed_at),
    )

"""Every status word, and the one table that says which execution status may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from durable_core.errors import InvalidStateError

__all__ = ["TERMINAL", "TRANSITIONS", "AttemptStatus", "ExecutionStatus", "TokenStatus", "check_transition"]


@unique
class ExecutionStatus(StrEnum):
    """Where an execution is as a whole; paused, cancelling and blocked are flags beside it."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing runs or waits any more."""
        return self in TERMINAL


@unique
class AttemptStatus(StrEnum):
    """What became of one attempt of one step."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    WAITING = "waiting"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    UNCERTAIN = "uncertain"


@unique
class TokenStatus(StrEnum):
    """Where one token of an execution is."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    RETRY = "retry"
    JOINING = "joining"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = ExecutionStatus

TERMINAL: Final[frozenset[ExecutionStatus]] = frozenset(
    {_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.COMPENSATED, _S.COMPENSATION_FAILED}
)

_OPEN_TO: Final = frozenset(
    {
        # Back to pending: woken, or its lease handed back, and no worker has taken it up yet.
        _S.PENDING,
        _S.RUNNING,
        _S.WAITING,
        _S.COMPLETED,
        _S.FAILED,
        _S.CANCELLED,
        _S.COMPENSATING,
    }
)

TRANSITIONS: Final[Mapping[ExecutionStatus, frozenset[ExecutionStatus]]] = MappingProxyType(
    {
        _S.PENDING: _OPEN_TO,
        _S.RUNNING: _OPEN_TO,
        _S.WAITING: _OPEN_TO,
        _S.COMPENSATING: frozenset({_S.COMPENSATING, _S.COMPENSATED, _S.COMPENSATION_FAILED, _S.CANCELLED}),
        _S.COMPLETED: frozenset(),
        _S.CANCELLED: frozenset(),
        _S.COMPENSATED: frozenset(),
        # The two exceptions to "terminal rows never change" (S-10), both made by `retry`.
        _S.FAILED: frozenset({_S.PENDING}),
        _S.COMPENSATION_FAILED: frozenset({_S.COMPENSATING}),
    }
)


def check_transition(old: ExecutionStatus | str, new: ExecutionStatus | str, where: str) -> ExecutionStatus:
    """Return ``new`` when it may follow ``old``; raise InvalidStateError naming ``where`` otherwise."""
    before, after = ExecutionStatus(old), ExecutionStatus(new)
    allowed = TRANSITIONS[before]
    if after in allowed:
        return after
    follows = [status.value for status in ExecutionStatus if status in allowed and status is not before]
    raise InvalidStateError(
        f"{where} is {before.value} and cannot become {after.value}",
        state=before.value,
        allowed=follows,
        hint=f"From {before.value} it can become: {', '.join(follows)}." if follows else "It has ended for good.",
    )

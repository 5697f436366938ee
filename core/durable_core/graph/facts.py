"""What a picture of an execution needs to know: plain values, as a query reads them from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Iteration = tuple[int, ...]
"""One number per loop and foreach around a node, outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFact:
    """One recorded attempt of one node. Only the last attempt of each pass is needed; earlier ones do no harm."""

    path: str
    status: str
    """An `AttemptStatus`."""
    iteration: Iteration = ()
    attempt: int = 1
    choice: str | None = None
    """Label of the branch a decision or switch chose in this pass."""
    error_type: str | None = None
    error_message: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    answered_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFact:
    """One open token: where the execution is now."""

    path: str
    status: str
    """A `TokenStatus`: ready, running, waiting, retry, joining, paused, failed or cancelled."""
    iteration: Iteration = ()
    attempt: int = 1
    """The attempt under way, or the last one before a retry."""
    due_at: datetime | None = None
    """Of a token in retry or asleep."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFact:
    """One open wait."""

    path: str
    kind: Literal["sleep", "event", "input", "child"]
    iteration: Iteration = ()
    due_at: datetime | None = None
    """When a sleep ends, or when the wait times out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompensationFact:
    """One compensation that ran, runs or failed. `order` is its place among all of the execution, from 1."""

    path: str
    status: str
    """An `AttemptStatus`."""
    order: int
    iteration: Iteration = ()
    error_type: str | None = None
    error_message: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFacts:
    """An execution at one moment (`now`, by the store's clock).

    `attempts` are those of every node with a body and of every wait node (sleep, event, input, call); composites need
    none, theirs is concluded from what is inside and behind them, but where one is recorded it is believed.
    `items` says how many items a foreach has, by (path, iteration of the foreach).
    """

    execution_id: str
    status: str
    """An `ExecutionStatus`."""
    now: datetime
    version: str = ""
    attempts: tuple[AttemptFact, ...] = ()
    tokens: tuple[TokenFact, ...] = ()
    waits: tuple[WaitFact, ...] = ()
    compensations: tuple[CompensationFact, ...] = ()
    items: Mapping[tuple[str, Iteration], int] = field(default_factory=dict)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_step: str | None = None
    error_type: str | None = None
    error_message: str = ""

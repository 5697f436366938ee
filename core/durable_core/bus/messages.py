"""What travels on a bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["started", "step", "tokens", "ended", "control", "logs"]


@dataclass(frozen=True, slots=True)
class Finished:
    """One recorded attempt, without its values. Times are microseconds since 1970."""

    seq: int
    path: str
    type: str
    iteration: str
    attempt: int
    status: str
    choice: str | None
    started_at: int | None
    completed_at: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Everything that a plain move of one token changed: who knew revision `before` knows the next one by it."""

    before: int
    finished: tuple[Finished, ...]
    token_id: str
    path: str
    """Where the token stands now, and is worked on."""
    iteration: str
    since: int


@dataclass(frozen=True, slots=True)
class Message:
    """Something about an execution was committed; `revision` says which state of it (0: unknown)."""

    kind: Kind
    execution_id: str
    revision: int = 0
    path: str = ""
    status: str = ""
    advance: Advance | None = None
    """Present where it tells all; without it a reader looks at the store."""

"""What became of one attempt, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Done(NamedTuple):
    """The body returned."""

    output: Any
    """Encoded."""
    ops: list[list[Any]]
    """Context operations, encoded."""
    choice: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Broke:
    """The body failed, or could not be run; `again` says whether its retry options allow another attempt."""

    error: Mapping[str, Any]
    again: bool


@dataclass(frozen=True, slots=True)
class Suspended:
    """The body waits: register `wait` and re-enter it when that is over."""

    wait: Any


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The body was stopped because its token was asked to stop."""


@dataclass(frozen=True, slots=True)
class Drifted:
    """The body made other waits than recorded: the execution is parked."""

    error: Mapping[str, Any]


Outcome = Done | Broke | Suspended | Interrupted | Drifted

"""What a shape is: one workflow, and what is true of it in the end however often its workers were killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from durable_core.dsl import Workflow
from durable_core.engine.engine import Engine
from tests.crash.ledger import VARIABLE

AUX = "aux"
"""A queue besides the default one."""


class State(NamedTuple):
    """How an execution stands."""

    status: str
    paused: bool = False


Steer = Callable[[Engine, str, State], bool]
"""Do to an execution what a person would do now; True while there is more to come, even if it has ended."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One workflow, and what is true of it in the end."""

    workflow: Workflow
    status: str | tuple[str, ...] = "completed"
    input: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    """What the final context holds besides the input; None where the moment of the crash may be seen in it."""
    steady: bool = True
    """Exactly the same steps complete in every run."""
    steer: Steer | None = None
    passes: Mapping[str, int] = field(default_factory=dict)
    """By step: passes of its body that end in a wait, and so leave no row."""
    children: Mapping[str, int] = field(default_factory=dict)
    """By workflow: how many children it has in the end."""
    in_order: bool = True
    """Its compensations run in one go, in reverse order."""
    cut: bool = False
    """A body may be cut off without a trace: its execution was terminated."""

    @property
    def statuses(self) -> tuple[str, ...]:
        return (self.status,) if isinstance(self.status, str) else self.status


def allowed(execution_id: str) -> Path:
    """The file that lets a failed execution succeed when it is retried."""
    return Path(f"{os.environ[VARIABLE]}.{execution_id}.allowed")


_done: set[str] = set()


def first_time(what: str) -> bool:
    """True once in each process: what is safe to repeat need not be repeated at every look."""
    if what in _done:
        return False
    _done.add(what)
    return True

"""ExecutionView: one execution at one moment, as every screen draws it. Screens hold no other facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from durable_core.definition.model import Definition
from durable_core.definition.nodes import unescape_part
from durable_core.live.recorded import Attempts, Iteration
from durable_core.status import TERMINAL, ExecutionStatus

COMPOSITES = frozenset({"parallel", "loop", "foreach"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One place where the execution stands: an open token."""

    token_id: str
    path: str
    status: str
    """A `TokenStatus`: ready, running, waiting, retry, joining, paused, failed or cancelled."""
    mode: str = "run"
    """What is done there: run, join or compensate."""
    iteration: Iteration = ()
    attempt: int = 1
    due_at: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """One open wait; of kind `input` it is a question to a person."""

    id: str
    path: str
    kind: str
    """sleep, event, any, all, input or call."""
    name: str
    iteration: Iteration = ()
    event: str | None = None
    type: str | None = None
    """Of a question: form, single_choice, multi_choice, approval or free_text."""
    prompt: str = ""
    created_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One captured line of a step."""

    id: int
    at: datetime
    level: str
    source: str
    step: str
    path: str
    message: str
    iteration: Iteration = ()
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionView:
    """One execution at one moment (`at`, by the store's clock). Equal views show the same."""

    id: str
    workflow: str
    definition_hash: str
    definition: Definition | None = field(default=None, compare=False, repr=False)
    """The structure it is pinned to, as stored; no user code is needed for it."""
    status: str
    flags: tuple[str, ...] = ()
    """Which of paused, cancelling and blocked hold."""
    reason: str | None = None
    """Why it is paused, cancelling or blocked."""
    revision: int = 0
    attempts: Attempts = field(default_factory=Attempts, repr=False)
    positions: tuple[Position, ...] = ()
    waits: tuple[OpenWait, ...] = ()
    items: Mapping[tuple[str, Iteration], int] = field(default_factory=dict, repr=False)
    """How many items an open foreach has, by path and iteration."""
    answered: Mapping[tuple[str, Iteration], str] = field(default_factory=dict, repr=False)
    """Who answered which question."""
    error: Mapping[str, Any] | None = None
    """Why it failed: type, message, step ..."""
    crashes: int = 0
    parent_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    lines: tuple[Line, ...] = field(default=(), repr=False)
    """The last lines that its steps wrote, oldest first."""
    at: datetime = field(compare=False)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return ExecutionStatus(self.status) in TERMINAL

    @property
    def questions(self) -> tuple[OpenWait, ...]:
        """The open questions to people."""
        return tuple(wait for wait in self.waits if wait.kind == "input")

    @property
    def current_steps(self) -> tuple[str, ...]:
        """Names of the nodes where something runs or waits now, each once."""
        leaves = [one for one in self.positions if one.status not in ("joining", "failed", "cancelled")]
        return tuple(dict.fromkeys(self.name_of(one.path) for one in leaves or self.positions))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many nodes, each iteration for itself, are in which state: `completed`, `running`, `waiting` ..."""
        last: dict[tuple[str, Iteration], str] = {}
        for one in self.attempts:
            if one.type not in COMPOSITES:
                status = "compensated" if one.type == "compensation" and one.status == "completed" else one.status
                last[one.path, one.iteration] = status
        for place in self.positions:
            if place.status != "joining":
                shown = place.status if place.status in ("running", "waiting", "failed", "cancelled") else "pending"
                last[place.path, place.iteration] = shown
        found: dict[str, int] = {}
        for status in last.values():
            found[status] = found.get(status, 0) + 1
        return found

    def name_of(self, path: str) -> str:
        """The name of a node."""
        place = None if self.definition is None else self.definition.places.get(path)
        return unescape_part(path.rpartition("/")[2]) if place is None else place.node.name

    def graph(self, now: datetime | None = None) -> Any:
        """The workflow's graph with a state on every node that was reached; reads nothing.

        `now` is the moment up to which running steps are shown to have run; the view's own when it is left out.
        """
        if not _graph_of:
            raise RuntimeError("The engine's floor is not loaded: import durable_core.engine.watching first.")
        return _graph_of[0](self, now)


_graph_of: list[Callable[[ExecutionView, datetime | None], Any]] = []


def set_view_graph(factory: Callable[[ExecutionView, datetime | None], Any]) -> None:
    """Say how a view becomes a graph; the floor of pictures stands beside this one, and knows nothing of views."""
    _graph_of[:] = [factory]

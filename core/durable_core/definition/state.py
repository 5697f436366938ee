"""The position of an execution: tokens, each one thread of control.

A token stands at a node (`path`) in an iteration (`iterations`, outer loops first). A token that reaches a parallel or
a foreach waits there (`joining`) with an open `Frame`; its branches or items are tokens of their own until the join.
Everything between two forks (sequences, decisions, switches, loops) needs no state beside path and iteration vector,
so resuming costs the number of open tokens, never the number of finished steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from durable_core.ids import iteration_key
from durable_core.status import TokenStatus

ROOT = ""
"""Key of an execution's first token."""

ENDED = frozenset({TokenStatus.DONE, TokenStatus.FAILED, TokenStatus.CANCELLED})


class Frame(NamedTuple):
    """An open parallel or foreach, kept by the token that waits at it."""

    total: int
    """Branches or items there are."""
    started: int = 0
    """How many have a token, or had one."""
    open: int = 0
    """How many tokens have not ended."""
    failures: int = 0
    stopping: bool = False
    """No further branch starts: one failed under fail_fast, or the execution is being cancelled."""

    again: tuple[int, ...] = ()
    """Branches that had ended and go on once the concurrency allows it: only after a retry."""

    @property
    def settled(self) -> bool:
        """Nothing is open and nothing more will start: the join may be decided."""
        return self.open == 0 and (self.stopping or (self.started == self.total and not self.again))

    def to_json(self) -> list[int]:
        return [self.total, self.started, self.open, self.failures, int(self.stopping), *self.again]

    @classmethod
    def from_json(cls, data: list[int]) -> Frame:
        total, started, still_open, failures, stopping, *again = data
        return cls(total, started, still_open, failures, bool(stopping), tuple(again))


class Token(NamedTuple):
    """One thread of control.

    `key` is unique in the execution and the same after every restart; `branch` is the written order among its
    siblings; `path` is None before a branch begins, and once the whole flow is done. `mode` says what comes next
    when it is claimed: run the node, decide the join, or run compensations.
    """

    key: str
    path: str | None
    iterations: tuple[int, ...] = ()
    status: TokenStatus = TokenStatus.READY
    mode: Literal["run", "join", "compensate"] = "run"
    parent: str | None = None
    branch: int = 0
    frame: Frame | None = None
    stop: bool = False
    output: Any = None
    """The last finished node's output, encoded; the sequence's own output once the token has ended."""
    error: Any = None
    """Why it failed, as data."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def running(self) -> Token:
        """The same token at work: what `_replace` gives, in a quarter of its time."""
        return tuple.__new__(Token, (*self[:3], TokenStatus.RUNNING, *self[4:]))


State = Mapping[str, Token]
"""The open tokens of an execution by key (or the part of them that an event needs)."""


def child_key(path: str, iterations: tuple[int, ...], branch: int) -> str:
    """Key of the token for one branch or item: where it forked, in which iteration, which branch."""
    return f"{path}@{iteration_key(iterations)}#{branch}"

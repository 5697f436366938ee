"""What an attempt leads to: the events it stands for, the rows that record it, and where its token goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from durable_core.clock import Clock
from durable_core.codec import dump_tree
from durable_core.definition.events import Command, Event
from durable_core.definition.nodes import Node
from durable_core.definition.state import Token
from durable_core.executor.claim import Claim
from durable_core.ids import iteration_key
from durable_core.status import AttemptStatus

Row = dict[str, Any]


@dataclass
class Plan:
    """One record to be made: the events since the claim, and the finished attempts that they stand for.

    One is made for every attempt: what is seldom set, or asked for, stays with the class.
    """

    claim: Claim
    start: Token
    """The token as the store has it."""
    token: Token
    """The token after `events`, as far as this worker can tell."""
    events: list[Event] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    commands: tuple[Command, ...] = ()
    items: Any = field(default=None, init=False)
    """Encoded items of a foreach that has just been counted."""
    wait: Any = None
    """What the body waits for (`wait.spec.WaitSpec`)."""
    plain: bool = False
    """A first attempt succeeded, at a node without branches or compensation: its row says no more, nor
    holds a snapshot (`PLAIN_MOVE`)."""
    begun_at: int = field(default=0, init=False)
    """When the suspended body's first pass began."""
    blocked: Any = field(default=None, init=False)
    """Why the execution cannot go on as it is."""
    retry_after: float | None = None
    """Seconds until the next attempt, when this one failed and may be repeated."""
    ended_children: bool = False
    """The token was a join and its branches are merged: their tokens are no longer needed."""
    final_output: Any = field(default=None, init=False)
    """What `@workflow(output=)` makes of the context, once the flow has ended."""
    has_final_output: bool = field(default=False, init=False)
    hopeless: bool = field(default=False, init=False)
    """Stands for a record that was refused: when this one is refused too, the lease runs out."""
    logs: Sequence[Any] = field(default=(), init=False)


def tell_by(clock: Clock, claim: Claim, rows: list[Row]) -> int:
    """Give rows just made the time of a test's clock, which stands still while a body runs (S-4); that time.

    What began at an earlier stop of that clock (a pass that was suspended, a join) has its time already.
    """
    now = clock.now_us()
    for row in rows:
        row["completed_at"] = now
        if row["started_at"] != claim.begun_at:
            row["started_at"] = now
    return now


def json_or_none(value: Any) -> str | None:
    """The text of an encoded value; None stays NULL."""
    return None if value is None else dump_tree(value)


def step_row(
    claim: Claim,
    node: Node,
    iterations: tuple[int, ...],
    status: AttemptStatus,
    started_at: int,
    completed_at: int,
    output: str | None = None,
    change: str | None = None,
    choice: str | None = None,
    compensate: int = 0,
    snapshot: str | None = None,
    *,
    error: str | None = None,
    type_: str | None = None,
) -> Row:
    """One finished attempt, ready to be inserted; `seq` is filled in by the record."""
    return {
        "execution_id": claim.execution_id,
        "seq": 0,
        "token_key": claim.token.key,
        "path": node.path,
        "name": node.name,
        "type": type_ or node.type,
        "iteration": iteration_key(iterations) if iterations else "",
        "attempt": claim.attempt,
        "pass_number": claim.pass_number,
        "status": status._value_,  # `value` is computed at each use
        "choice": choice,
        "output": output,
        "error": error,
        "change": change,
        "snapshot": snapshot,
        "compensate": compensate,
        "worker_id": None,
        "started_at": started_at,
        "completed_at": completed_at,
        "next_path": None,
        "next_iteration": None,
    }

"""A claimed token: everything a worker needs to go on from where the token stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from durable_core.codec import dump_tree
from durable_core.context.changes import Delta, apply_changes
from durable_core.definition.model import Definition
from durable_core.definition.nodes import Node
from durable_core.definition.state import Token
from durable_core.dsl.workflow import Workflow
from durable_core.limits import LIMITS, check_limit

CHANGES_INTERVAL = 128
"""Step rows after which a token's whole change is written again: a resume reads at most this many rows (X-4)."""


def byte_size(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


@dataclass(frozen=True, slots=True)
class Item:
    """The item of one foreach around a token."""

    name: str | None
    """What the foreach calls its item (`as_`)."""
    value: Any
    """Encoded."""
    index: int


@dataclass(slots=True)
class Claim:
    """One token under this worker's lease. Only the thread that works on it touches it, but for `stopped`."""

    execution_id: str
    token_id: str
    token: Token
    workflow: Workflow
    definition: Definition
    fence: int
    queue: str
    """The queue it was claimed from."""
    home_queue: str
    """The execution's own queue."""
    context: dict[str, Any]
    """The token's whole context, encoded; `Context` copies before it writes."""
    delta: Delta | None
    """Change since the fork; None for the first token, whose change is its context."""
    input: Any
    attempt: int = 1
    pass_number: int = 1
    begun_at: int = 0
    items: tuple[Item, ...] = ()
    results: dict[str, Any] | None = None
    compared: int = -1
    """How often the holdings had been compared with the store before the token was known to be ours."""
    doubtful: bool = False
    """The holdings were compared in between, without it: the store is asked before a body starts (S-4)."""
    revision: int = 0
    """The execution's revision as this worker last knew it; a wrong guess costs one read."""
    rows_since: int = 0
    context_bytes: int = LIMITS.input_bytes
    """No less than the size of the encoded context; a fresh one is an input, and bounded as such."""
    stopped: bool = False
    """Asked to stop; a body sees it as `ctx.cancelled`."""
    abandoned: bool = False
    """Its body went over the timeout and still runs in its thread; what it returns is thrown away."""
    capture: Any = field(default=None, repr=False)
    """Captures what functions of the context print and log (`captured.Capture`)."""
    lines: list[Any] = field(default_factory=list)
    """Captured lines that go to the store with the next record."""
    interrupt: Any = field(default=None, repr=False)
    """How to stop the body that runs now, if it can be stopped."""
    parent_execution: str | None = None
    row_at: tuple[str | None, str] | None = None
    """Path and iteration in the token's own row, where its moves stand in step rows alone (`store.ahead`)."""
    scheduled_for: int | None = None
    """The tick of the schedule that started the execution."""
    waits: list[dict[str, Any]] | None = None
    """The waits recorded at the node, where they are known: read with the token, or none because nobody was there."""

    @property
    def node(self) -> Node:
        assert self.token.path is not None
        return self.definition.places[self.token.path].node

    @property
    def is_root(self) -> bool:
        return self.token.parent is None

    def admit(self, ops: list[list[Any]], text: str, where: str) -> None:
        """Refuse a change that would make the context larger than it may be (D-6); `text` is the change as written."""
        bound = self.context_bytes + byte_size(text)
        if bound > LIMITS.context_bytes:
            grown = dict(self.context)
            apply_changes(grown, ops)
            bound = byte_size(dump_tree(grown))
            check_limit(bound, LIMITS.context_bytes, f"The context after {where!r}")
        self.context_bytes = bound

    def take_in(self, ops: list[list[Any]]) -> None:
        """The token's context after `ops`."""
        apply_changes(self.context, ops)
        if self.delta is not None:
            self.delta.add(ops)

    def changes_json(self) -> Any:
        """The token's whole change relative to the fork (or to nothing, for the first token), as JSON data."""
        if self.delta is not None:
            return self.delta.to_json()
        return Delta.of_context(self.context).to_json()

"""Where an execution stood when one of its steps began, rebuilt from its step rows: the tokens of a fork.

Only tokens around the step are rebuilt: those that wait at the parallels and foreachs it is in, and their branches. A
branch is replayed from its own rows; the first token needs the last snapshot before the step, and the changes since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from durable_core.codec import load_tree
from durable_core.context.changes import Delta
from durable_core.definition.events import Chosen, Completed, Event, Joined, Tested
from durable_core.definition.interpreter import apply
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    child_sequences,
)
from durable_core.definition.reach import forks_around
from durable_core.definition.state import ROOT, Frame, Token, child_key
from durable_core.dsl.workflow import Workflow
from durable_core.errors import InvalidStateError
from durable_core.executor.claim import Claim, Item
from durable_core.executor.fold import items_at
from durable_core.ids import iteration_key, parse_iteration_key
from durable_core.status import TokenStatus
from durable_core.store.transaction import Transaction

_SNAPSHOT = """
SELECT seq, snapshot FROM steps WHERE execution_id = :execution AND token_key = '' AND seq < :before
AND status = 'completed' AND snapshot IS NOT NULL ORDER BY seq DESC LIMIT 1"""

_CHANGES = """
SELECT change FROM steps WHERE execution_id = :execution AND token_key = :key AND seq > :after AND seq < :before
AND status = 'completed' AND type <> 'compensation' AND change IS NOT NULL ORDER BY seq"""

_ROWS_UNDER = """
SELECT token_key, path, iteration, output, change, choice FROM steps
WHERE execution_id = :execution AND status = 'completed' AND type <> 'compensation' AND token_key <> '' ORDER BY seq"""

_JOINED = """
SELECT seq FROM steps WHERE execution_id = :execution AND path = :path AND iteration = :iteration
AND status = 'completed' AND type <> 'compensation'"""

FAR = 2**62
"""Later than every row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One completed attempt of a branch."""

    path: str
    iteration: str
    output: str | None
    change: str | None
    choice: str | None


@dataclass(slots=True)
class Source:
    """The execution that is forked, as far as its fork needs it."""

    tx: Transaction
    execution_id: str
    definition: Definition
    workflow: Workflow
    input: dict[str, Any]
    scheduled_for: int | None = None
    began: Mapping[str, Any] = field(default_factory=dict)
    """If it is a fork itself, the tokens it began with: path, iteration, status, output and change by key."""
    _rows: dict[str, list[Row]] | None = None

    def rows(self) -> dict[str, list[Row]]:
        """The completed attempts of all branches, by token."""
        if self._rows is None:
            self._rows = {}
            for key, *values in self.tx.fetch(_ROWS_UNDER, {"execution": self.execution_id}):
                self._rows.setdefault(key, []).append(Row(*values))
        return self._rows

    def change_of(self, key: str, before: int) -> Delta:
        """What a token changed before a row: since its fork, or since nothing for the first token."""
        after, delta = -1, Delta()
        found = self.tx.fetch_one(_SNAPSHOT, {"execution": self.execution_id, "before": before}) if not key else None
        if found is not None:
            after, delta = found[0], Delta.of_context(load_tree(found[1]))
        elif key in self.began:
            delta = Delta.from_json(self.began[key]["change"])
        elif key == ROOT:
            delta = Delta.of_context(self.input)
        params = {"execution": self.execution_id, "key": key, "after": after, "before": before}
        for (change,) in self.tx.fetch(_CHANGES, params):
            delta.add(load_tree(change))
        return delta

    def joined(self, path: str, iterations: tuple[int, ...]) -> int:
        """`seq` of the row that joined a parallel or foreach; `FAR` while it is open."""
        params = {"execution": self.execution_id, "path": path, "iteration": iteration_key(iterations)}
        found = self.tx.fetch_one(_JOINED, params)
        return FAR if found is None else int(found[0])


@dataclass(slots=True)
class Rebuilt:
    """The tokens of a fork before any of them is ready: what is not done is cancelled."""

    tokens: dict[str, Token] = field(default_factory=dict)
    changes: dict[str, Delta] = field(default_factory=dict)
    items: dict[str, list[Any]] = field(default_factory=dict)
    target: str = ROOT
    """Key of the token that stands at the step."""


def rebuild(source: Source, path: str, iterations: tuple[int, ...], seq: int, update: list[list[Any]]) -> Rebuilt:
    """The tokens as they were when the step at `path` began; `update` changes the context it begins with."""
    built = Rebuilt()
    key, parent, branch = ROOT, None, 0
    context: dict[str, Any] = {}
    around: tuple[Item, ...] = ()
    for fork, fork_iterations, number in forks_around(source.definition, path, iterations):
        change = source.change_of(key, source.joined(fork.path, fork_iterations))
        context = change.apply(context)
        token = Token(key, fork.path, fork_iterations, TokenStatus.CANCELLED, parent=parent, branch=branch)
        built.changes[key] = change
        around = _branches(source, built, token, fork, context, around, number)
        key, parent, branch = child_key(fork.path, fork_iterations, number), key, number
    change = source.change_of(key, seq)
    change.add(update)
    built.changes[key] = change
    built.tokens[key] = Token(key, path, iterations, TokenStatus.CANCELLED, parent=parent, branch=branch)
    built.target = key
    return built


def _branches(
    source: Source,
    built: Rebuilt,
    parent: Token,
    node: ParallelNode | ForeachNode,
    context: dict[str, Any],
    around: tuple[Item, ...],
    left_out: int | None,
) -> tuple[Item, ...]:
    """Rebuild the branches of a fork but the one that is `left_out`; returns the items around that one."""
    built.tokens[parent.key] = parent  # before its branches: they refer to it
    raw: list[Any] = []
    if isinstance(node, ForeachNode):
        raw = built.items[parent.key] = _items(source, parent, node, context, around)
        if left_out is not None and left_out >= len(raw):
            raise InvalidStateError(
                f"Foreach {node.path!r} has {len(raw)} items now, and had more when {left_out} was worked on.",
                state="changed",
                hint="Its items come from a function that no longer returns the same; fork from the foreach itself.",
            )
    sequences = [body for _, body in child_sequences(node)]
    if isinstance(node, ForeachNode):
        sequences *= len(raw)
    total = len(sequences)
    rows = source.rows()
    started = 0
    for branch in range(total):
        key = child_key(node.path, parent.iterations, branch)
        if branch == left_out or key in rows or key in source.began:
            started = branch + 1
    for branch in range(started):
        if branch == left_out:
            continue
        key = child_key(node.path, parent.iterations, branch)
        iterations, own = parent.iterations, around
        if isinstance(node, ForeachNode):
            iterations, own = (*iterations, branch), (*around, _item(node, raw, branch))
        token = Token(key, None, iterations, parent=parent.key, branch=branch)
        _branch(source, built, token, sequences[branch], context, own)
    built.tokens[parent.key] = parent._replace(frame=Frame(total, started))
    if left_out is None or not isinstance(node, ForeachNode):
        return around
    return (*around, _item(node, raw, left_out))


def _item(node: ForeachNode, raw: list[Any], branch: int) -> Item:
    return Item(node.as_, raw[branch], branch)


def _branch(
    source: Source,
    built: Rebuilt,
    token: Token,
    body: tuple[Node, ...],
    context: dict[str, Any],
    around: tuple[Item, ...],
) -> None:
    """Replay one branch: done with its output, or standing where it had come to."""
    key = token.key
    change = source.change_of(key, FAR)
    built.changes[key] = change
    began = source.began.get(key)
    if began is not None:
        token = token._replace(
            path=began["path"],
            iterations=parse_iteration_key(began["iteration"]),
            status=TokenStatus.DONE if began["done"] else TokenStatus.READY,
            output=began["output"],
        )
    elif body:
        first = body[0]
        at = (*token.iterations, 0) if isinstance(first, LoopNode) else token.iterations
        token = token._replace(path=first.path, iterations=at, status=TokenStatus.READY)
    else:
        token = token._replace(status=TokenStatus.DONE)
    token = _replayed(source, token, source.rows().get(key, ()))
    if token.status is TokenStatus.DONE:
        built.tokens[key] = token
        return
    built.tokens[key] = token = token._replace(status=TokenStatus.CANCELLED, mode="run", frame=None, error=None)
    node = source.definition.places[token.path or ""].node
    inner = f"{node.path}@{iteration_key(token.iterations)}#"
    if isinstance(node, ParallelNode | ForeachNode) and any(
        each.startswith(inner) for each in (*source.rows(), *source.began)
    ):
        _branches(source, built, token, node, change.apply(context), around, None)


def _replayed(source: Source, token: Token, rows: Iterable[Row]) -> Token:
    for row in rows:
        if token.path != row.path or iteration_key(token.iterations) != row.iteration:
            raise InvalidStateError(
                f"The record of {source.execution_id} does not fit its definition at {row.path!r}.",
                state="inconsistent",
                hint="`durable-studio verify` tells more.",
            )
        node = source.definition.places[row.path].node
        moved = apply(source.definition, {token.key: token}, _event(token.key, node, row)).changed[token.key]
        if moved.status is TokenStatus.FAILED:
            return token
        token = moved
    return token


def _event(key: str, node: Node, row: Row) -> Event:
    output = None if row.output is None else load_tree(row.output)
    match node:
        case LoopNode():
            return Tested(key, output is True)
        case SwitchNode():
            return Chosen(key, _choice(node, row.choice))
        case DecisionNode():
            return Completed(key, output, _choice(node, row.choice))
        case ParallelNode() | ForeachNode():
            return Joined(key, output)
        case _:
            return Completed(key, output)


def _choice(node: Node, label: str | None) -> int | None:
    labels = [each for each, _ in child_sequences(node)]
    return labels.index(label) if label in labels else None


def _items(
    source: Source, token: Token, node: ForeachNode, context: dict[str, Any], around: tuple[Item, ...]
) -> list[Any]:
    """The items of a foreach: as its open token keeps them, else from the context as it was at the fork."""
    token_id = f"{source.execution_id}:{token.key}" if token.key else source.execution_id
    found = source.tx.fetch_one(
        "SELECT items FROM tokens WHERE id = :id AND path = :path AND iteration = :iteration AND frame IS NOT NULL",
        {"id": token_id, "path": node.path, "iteration": iteration_key(token.iterations)},
    )
    if found is not None and found[0] is not None:
        stored: list[Any] = load_tree(found[0])
        return stored
    claim = Claim(
        execution_id=source.execution_id,
        token_id=token_id,
        token=token,
        workflow=source.workflow,
        definition=source.definition,
        fence=0,
        queue="",
        home_queue="",
        context=context,
        delta=None,
        input=source.input,
        items=around,
        scheduled_for=source.scheduled_for,
    )
    return items_at(claim, token, node)

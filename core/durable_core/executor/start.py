"""Starting an execution: its row, its first tokens, and, where this process works, their first claim, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from durable_core.codec import dump_tree
from durable_core.context.changes import Delta
from durable_core.definition.events import Proceed, Started
from durable_core.definition.interpreter import Transition, apply
from durable_core.definition.model import Definition
from durable_core.definition.nodes import WorkNode
from durable_core.definition.state import ROOT, Token
from durable_core.errors import ExecutionExistsError
from durable_core.executor.claim import byte_size
from durable_core.executor.definitions import Definitions
from durable_core.executor.settlement import Holder, Settlement
from durable_core.ids import iteration_key
from durable_core.limits import LIMITS, check_limit
from durable_core.store import statements as sql
from durable_core.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What an execution begins with."""

    execution_id: str
    definition: Definition
    fingerprint: str
    input: dict[str, Any]
    """Encoded."""
    idempotency_key: str | None = None
    queue: str | None = None
    priority: int | None = None
    at: int | None = None
    tags: Sequence[str] = ()
    parent_id: str | None = None
    parent_token: str | None = None
    forked_from: str | None = None
    scheduled_for: int | None = None
    """The tick of the schedule that starts it."""
    given_id: bool = False


@dataclass(slots=True)
class Begun:
    """What a start came to: the execution, whether it is new, and whether its first token is the holder's."""

    execution_id: str
    new: bool
    claimed: bool = False
    token: Token | None = None
    """The first token, when it is claimed."""
    queue: str = ""
    home_queue: str = ""
    ready: bool = False
    next_due: int | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """How an execution opens, as far as that is known without the store."""

    context: str
    queue: str
    priority: int
    tags: str | None
    transition: Transition
    root: Token
    first_queue: str

    @property
    def plain(self) -> bool:
        """The flow begins with one token; no fork, no switch, no end."""
        return self.transition.commands == (Proceed(ROOT),)


def opening_of(beginning: Beginning) -> Opening:
    """The first move of the flow; LimitError for an input that is too large."""
    definition = beginning.definition
    context = dump_tree(beginning.input)
    check_limit(
        byte_size(context),
        LIMITS.input_bytes,
        f"The input of {definition.name!r}",
        hint="Pass a reference (a path, a key) instead of the data.",
    )
    queue = beginning.queue or definition.queue
    tags = list(dict.fromkeys((*definition.tags, *beginning.tags)))
    transition = apply(definition, {}, Started())
    root = transition.changed[ROOT]
    node = definition.places[root.path or ""].node
    return Opening(
        context=context,
        queue=queue,
        priority=definition.priority if beginning.priority is None else beginning.priority,
        tags=dump_tree(tags) if tags else None,
        transition=transition,
        root=root,
        first_queue=(node.queue if isinstance(node, WorkNode) else None) or queue,
    )


def begin(tx: Transaction, beginning: Beginning, definitions: Definitions, holder: Holder | None) -> Begun:
    """Write the rows of a new execution; the same idempotency key finds the one there is (E-2)."""
    definition = beginning.definition
    now = tx.now()
    definitions.remember(tx, definition)
    opening = opening_of(beginning)
    root, queue, first_queue, plain = opening.root, opening.queue, opening.first_queue, opening.plain
    due = beginning.at if beginning.at is not None and beginning.at > now else None
    claimed = plain and due is None and holder is not None and holder.serves(first_queue)
    written = tx.execute(
        sql.INSERT_EXECUTION,
        {
            "id": beginning.execution_id,
            "workflow": definition.name,
            "definition_hash": definition.hash,
            "bodies": beginning.fingerprint,
            "status": "running" if claimed else "pending",
            "input": opening.context,
            "queue": queue,
            "priority": opening.priority,
            "tags": opening.tags,
            "idempotency_key": beginning.idempotency_key,
            "parent_id": beginning.parent_id,
            "parent_token": beginning.parent_token,
            "forked_from": beginning.forked_from,
            "scheduled_for": beginning.scheduled_for,
            "now": now,
            "started_at": now if claimed else None,
            "deadline_at": None if definition.timeout is None else (due or now) + int(definition.timeout * 1_000_000),
        },
    )
    if not written:
        return _existing(tx, beginning)
    if plain:
        row = dict.fromkeys(sql.TOKEN_COLUMNS)
        row.update(
            id=beginning.execution_id,
            execution_id=beginning.execution_id,
            key=ROOT,
            branch=0,
            path=root.path,
            iteration=iteration_key(root.iterations) if root.iterations else "",
            mode="run",
            status="running" if claimed else "ready",
            workflow=definition.name,
            queue=first_queue,
            priority=opening.priority,
            available_at=due or now,
            attempt=1,
            pass_number=1,
            fence=1 if claimed else 0,
            worker_id=holder.worker_id if claimed and holder is not None else None,
            lease_until=now + holder.lease_us if claimed and holder is not None else None,
            claimed_at=now if claimed else None,
            begun_at=now,
            stop=0,
            changes=first_changes(beginning),
            changes_seq=0,
        )
        tx.execute(sql.INSERT_TOKEN, row)
    else:
        _begin_with_fork(tx, beginning, opening.transition, due)
    return Begun(beginning.execution_id, True, claimed, root if claimed else None, first_queue, queue, not claimed, due)


def _begin_with_fork(tx: Transaction, beginning: Beginning, transition: Transition, due: int | None) -> None:
    """The flow begins with a parallel: its branches are the first tokens."""
    settlement = Settlement(tx, beginning.execution_id, beginning.definition)
    settlement.take_in(transition)
    settlement.rows[ROOT]["changes"] = first_changes(beginning)
    for row in settlement.rows.values():
        if row["status"] == "ready" and due is not None:
            row["available_at"] = due
    settlement.write()


def first_changes(beginning: Beginning) -> str:
    """The change that the first token carries: its context."""
    return dump_tree(Delta.of_context(beginning.input).to_json())


def _existing(tx: Transaction, beginning: Beginning) -> Begun:
    if beginning.idempotency_key is not None:
        found = tx.fetch_one(
            sql.SELECT_BY_KEY,
            {"workflow": beginning.definition.name, "idempotency_key": beginning.idempotency_key},
        )
        if found is not None:
            return Begun(found[0], False)
    raise ExecutionExistsError(
        f"There is an execution {beginning.execution_id!r} already.",
        hint="Leave id= out, choose another, or use idempotency_key= to get the one there is.",
    )

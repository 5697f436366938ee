"""One locked transaction on an execution: load what an event needs, interpret it, write what changed.

Everything that is not a plain move along a sequence goes through here: forks, joins, failures, retries, waits, cancel.
The execution's row is locked first, so each join is decided by exactly one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.events import (
    Event,
    Finish,
    GiveUp,
    Interrupt,
    Merge,
    Proceed,
    Reawaken,
    Rest,
    Revived,
    Spawn,
    Started,
    StopBelow,
    StopRequested,
    TellParent,
)
from durable_core.definition.interpreter import Transition, apply
from durable_core.definition.model import Definition
from durable_core.definition.nodes import ForeachNode, ParallelNode, WorkNode
from durable_core.definition.state import ROOT, Frame, Token
from durable_core.errors import ExecutionNotFoundError
from durable_core.ids import iteration_key, parse_iteration_key
from durable_core.status import TERMINAL, ExecutionStatus, TokenStatus, check_transition
from durable_core.store import statements as sql
from durable_core.store.ahead import catch_up
from durable_core.store.control import BLOCKED, PAUSED, STOPPING
from durable_core.store.transaction import Transaction

Row = dict[str, Any]

_AT_REST = frozenset({ExecutionStatus.WAITING, ExecutionStatus.COMPENSATING}) | TERMINAL
"""Statuses in which no first token runs steps ahead of its row."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who keeps a token for itself, for how long, and which queues it serves."""

    worker_id: str
    lease_us: int
    serves: Callable[[str], bool]
    definitions: Any = None
    """Where the definitions of children are remembered."""


@dataclass(slots=True)
class Settled:
    """What a settlement came to."""

    kept: str | None = None
    """Id of the token that the holder goes on with."""
    ready: bool = False
    """Other tokens wait for a worker."""
    next_due: int | None = None
    interrupts: list[str] = field(default_factory=list)
    """Ids of tokens whose bodies are to be asked to stop."""
    status: str = ""
    ended: bool = False
    revision: int = 0
    parent_id: str | None = None


class Settlement:
    """The state of one execution inside one transaction."""

    def __init__(self, tx: Transaction, execution_id: str, definition: Definition, *, behind: bool = True) -> None:
        """Lock the execution; unless it is known not to be `behind`, its rows first follow its steps."""
        self.tx = tx
        self.execution_id = execution_id
        self.definition = definition
        self.now = tx.now()
        lock = sql.SELECT_CONTROL + (" FOR UPDATE" if tx.dialect == "postgres" else "")
        head = tx.fetch_one(lock, {"execution": execution_id})
        if head is None:
            raise ExecutionNotFoundError(f"There is no execution {execution_id!r}.")
        (
            self.status,
            self.control,
            self.revision,
            self.cancel_mode,
            self.reason,
            self.error,
            self.parent_id,
            self.parent_token,
            self.definition_hash,
            self.workflow,
            self.crashes,
            self.home,
            self.priority,
        ) = head
        if behind and self.status not in _AT_REST and catch_up(tx, execution_id):
            self.revision = tx.fetch(sql.SELECT_CONTROL, {"execution": execution_id})[0][2]
        self.rows: dict[str, Row] = {}
        self.state: dict[str, Token] = {}
        self.dirty: set[str] = set()
        self.forgotten: list[tuple[str, str]] = []
        self.steps: list[Row] = []
        self.ready: list[str] = []
        self.abandoned: list[str] = []
        """Ids of tokens that ended while they waited: their waits are closed, their children cancelled."""
        self.merging: list[str] = []
        self.result = Settled(parent_id=self.parent_id)
        self.outcome: Finish | GiveUp | Rest | None = None
        self.on_fork: Callable[[Token, Row], None] | None = None

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def terminal(self) -> bool:
        return ExecutionStatus(self.status) in TERMINAL

    def token_id(self, key: str) -> str:
        return self.execution_id if key == ROOT else f"{self.execution_id}:{key}"

    def load(self, key: str) -> Token | None:
        """The token as the store has it now; None when there is none."""
        if key not in self.state:
            lock = " FOR UPDATE" if self.tx.dialect == "postgres" else ""
            found = self.tx.fetch_one(sql.SELECT_TOKEN + lock, {"id": self.token_id(key)})
            if found is None:
                return None
            self._put(found)
        return self.state[key]

    def load_all(self) -> None:
        lock = " ORDER BY id FOR UPDATE" if self.tx.dialect == "postgres" else ""
        for found in self.tx.fetch(sql.SELECT_TOKENS + lock, {"execution": self.execution_id}):
            if found[2] not in self.state:
                self._put(found)

    def _put(self, values: tuple[Any, ...]) -> None:
        row = dict(zip(sql.TOKEN_COLUMNS, values, strict=True))
        self.rows[row["key"]] = row
        self.state[row["key"]] = token_of(row)

    # --- interpreting ----------------------------------------------------------------------------------------------

    def happen(self, event: Event) -> None:
        """Interpret one event and everything that follows from it."""
        pending: list[Event] = [event]
        while pending:
            pending.extend(self._take_in(apply(self.definition, self.state, pending.pop())))

    def happen_in_turn(self, events: Sequence[Event]) -> None:
        """Interpret the events of one token: all but the last only move it, and a stop counts at its last place."""
        for event in events[:-1]:
            assert not isinstance(event, Started)
            moving = self.state[event.token]
            moved = apply(self.definition, {moving.key: moving._replace(stop=False)}, event).changed[moving.key]
            self.change(moving.key, moved._replace(stop=moving.stop))
        self.happen(events[-1])

    def take_in(self, transition: Transition) -> None:
        for event in self._take_in(transition):
            self.happen(event)

    def _take_in(self, transition: Transition) -> list[Event]:
        following: list[Event] = []
        for key, token in transition.changed.items():
            self.change(key, token)
        for command in transition.commands:
            match command:
                case Proceed(key):
                    self.ready.append(key)
                case Spawn(keys):
                    for key in keys:
                        (self.merging if self.state[key].mode == "join" else self.ready).append(key)
                case Merge(key):
                    self.merging.append(key)
                case TellParent(event):
                    self.load(event.token)
                    following.append(event)
                case StopBelow(key):
                    self.load_all()
                    following.append(StopRequested(key, inclusive=False))
                case Reawaken(key):
                    self.load_all()
                    following.append(Revived(key))
                case Interrupt(key):
                    self.result.interrupts.append(self.token_id(key))
                case Finish() | GiveUp() | Rest():
                    self.outcome = command
                case _:
                    raise AssertionError(f"unknown command {command!r}")
        return following

    def change(self, key: str, token: Token) -> None:
        row = self.rows.get(key)
        before = self.state.get(key)
        if row is None:
            parent = self.rows[token.parent] if token.parent is not None else None
            row = self._new_row(token, parent)
            self.rows[key] = row
        if before is not None and before.status is TokenStatus.WAITING and token.ended:
            self.abandoned.append(row["id"])
        moved = before is None or before.path != token.path or before.iterations != token.iterations
        self.state[key] = token
        self.dirty.add(key)
        row["path"] = token.path
        row["iteration"] = iteration_key(token.iterations) if token.iterations else ""
        row["mode"] = token.mode
        row["status"] = token.status.value
        row["stop"] = int(token.stop)
        row["frame"] = None if token.frame is None else dump_tree(token.frame.to_json())
        row["error"] = None if token.error is None else dump_tree(token.error)
        if token.ended:
            row["output"] = None if token.output is None else dump_tree(token.output)
        if moved or token.mode == "join":
            row.update(attempt=1, pass_number=1, queue=self.queue_of(token))
            if moved:  # a join goes on with the time of its fork
                row["begun_at"] = self.now
        if token.status is not TokenStatus.RUNNING:
            row.update(worker_id=None, lease_until=None)
            if token.status is TokenStatus.READY:
                row["available_at"] = self.now
            elif token.status not in (TokenStatus.RETRY, TokenStatus.WAITING):
                row["available_at"] = None
        if token.frame is not None and (before is None or before.frame is None) and self.on_fork is not None:
            self.on_fork(token, row)

    def queue_of(self, token: Token) -> str:
        """The queue whose workers run the node where the token stands."""
        if token.path is not None and token.mode == "run":
            node = self.definition.places[token.path].node
            if isinstance(node, WorkNode) and node.queue:
                return node.queue
        return str(self.home)

    def _new_row(self, token: Token, parent: Row | None) -> Row:
        row: Row = dict.fromkeys(sql.TOKEN_COLUMNS)
        label = None
        if parent is not None and token.parent is not None:
            fork = self.definition.places[self.state[token.parent].path or ""].node
            if isinstance(fork, ParallelNode):
                label = fork.branches[token.branch].label
            elif isinstance(fork, ForeachNode):
                label = str(token.branch)
        row.update(
            id=self.token_id(token.key),
            execution_id=self.execution_id,
            key=token.key,
            parent_id=None if token.parent is None else self.token_id(token.parent),
            branch=token.branch,
            branch_label=label,
            workflow=self.workflow,
            priority=self.priority,
            attempt=1,
            pass_number=1,
            fence=0,
            stop=0,
            changes_seq=0,
        )
        return row

    # --- writing ---------------------------------------------------------------------------------------------------

    def forget_children(self, key: str) -> None:
        self.forgotten.append((sql.DELETE_CHILDREN, self.token_id(key)))

    def keep(self, holder: Holder, preferred: str) -> None:
        """Let the holder go on with one of the tokens that became ready: its own, a join, or a branch."""
        if self.control & (PAUSED | STOPPING | BLOCKED) or self.outcome is not None:
            return
        candidates = [key for key in (*self.merging, *self.ready) if self.state[key].status is TokenStatus.READY]
        candidates.sort(key=lambda key: key != preferred)
        for key in candidates:
            row = self.rows[key]
            if holder.serves(row["queue"]):
                self.state[key] = self.state[key]._replace(status=TokenStatus.RUNNING)
                row.update(
                    status="running",
                    fence=row["fence"] + 1,
                    worker_id=holder.worker_id,
                    lease_until=self.now + holder.lease_us,
                    claimed_at=self.now,
                )
                self.dirty.add(key)
                self.result.kept = row["id"]
                return

    def write(self) -> None:
        """Write step rows, tokens and the execution's own row."""
        tx = self.tx
        self.revision += max(1, len(self.steps))
        first = self.revision - len(self.steps) + 1
        for offset, step in enumerate(self.steps):
            step["seq"] = first + offset
            tx.execute(sql.INSERT_STEP, step)
        for statement, parent in self.forgotten:
            tx.execute(statement, {"parent": parent})
        for key in self.dirty:
            row = self.rows[key]
            if self.control & (PAUSED | BLOCKED) and row["status"] == "ready":
                row["status"] = TokenStatus.PAUSED.value
            if row["changes_seq"] == -1:  # its change is complete as of this very transaction
                row["changes_seq"] = self.revision
            tx.execute(sql.UPSERT_TOKEN, row)
        self.result.revision = self.revision
        if self.outcome is None and not self.terminal:
            self._write_status()

    def _write_status(self) -> None:
        active, waiting = self.tx.fetch(sql.OPEN_COUNTS, {"execution": self.execution_id})[0]
        status = self.status
        if status != ExecutionStatus.COMPENSATING:
            status = "running" if active or not waiting else "waiting"
            if active and self.status == "pending":
                held = any(row["status"] == "running" for row in self.rows.values())
                status = "running" if held else "pending"
        check_transition(self.status, status, f"execution {self.execution_id}")
        self.status = status
        self.result.status = status
        steps = max(1, len(self.steps))
        self.tx.execute(
            sql.SET_STATUS, {"execution": self.execution_id, "status": status, "control": self.control, "n": steps}
        )
        self.result.ready |= any(row["status"] == "ready" for row in self.rows.values())


def token_of(row: Row) -> Token:
    """The interpreter's token from a row of the store."""
    execution_id, parent_id = row["execution_id"], row["parent_id"]
    parent = None if parent_id is None else parent_id[len(execution_id) + 1 :]
    frame = row["frame"]
    return Token(
        row["key"],
        row["path"],
        parse_iteration_key(row["iteration"]) if row["iteration"] else (),
        TokenStatus(row["status"]),
        row["mode"],
        parent,
        row["branch"],
        None if frame is None else Frame.from_json(load_tree(frame)),
        bool(row["stop"]),
        None if row["output"] is None else load_tree(row["output"]),
        None if row["error"] is None else load_tree(row["error"]),
    )

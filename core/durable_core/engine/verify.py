"""Reads the whole store and names every broken promise that can be seen in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from durable_core.codec import load_tree
from durable_core.definition.state import Frame
from durable_core.engine.surface import Surface
from durable_core.query.workers import workers
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store.control import BLOCKED, PAUSED
from durable_core.store.transaction import Transaction

SWEEP_SLACK_US: Final = 60_000_000
"""How long after the end of its lease a token may still look claimed, or a ready one may lie there, in microseconds."""

_ENDED: Final = ", ".join(f"'{status}'" for status in sorted(TERMINAL))
_STATUSES: Final = ", ".join(f"'{status}'" for status in ExecutionStatus)
_ALIVE: Final = "'ready', 'running', 'retry', 'waiting', 'paused', 'joining'"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: which one, where, and what is wrong."""

    promise: str
    """The line of the engine's promises, like ``E-3``."""
    execution_id: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.promise} {self.execution_id or 'store'}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Rule:
    promise: str
    sql: str
    """Rows that break it; the first column is the execution's id, the others fill in the message."""
    message: str


_RULES: Final = (
    _Rule(
        "S-2",
        "SELECT execution_id, path, iteration, type, COUNT(*) FROM steps WHERE status = 'completed' "
        "GROUP BY execution_id, path, iteration, type HAVING COUNT(*) > 1",
        "{0} [{1}] ({2}) is recorded as completed {3} times",
    ),
    _Rule(
        "S-1",
        "SELECT e.id, e.revision, MAX(s.seq) FROM executions e JOIN steps s ON s.execution_id = e.id "
        "WHERE NOT EXISTS (SELECT 1 FROM tokens t WHERE t.id = e.id AND t.status = 'running') "
        "GROUP BY e.id, e.revision HAVING MAX(s.seq) > e.revision",
        "its revision is {0}, yet a step is numbered {1}",
    ),
    _Rule(
        "S-10",
        f"SELECT id, status FROM executions WHERE status NOT IN ({_STATUSES})",
        "its status {0!r} is none",
    ),
    _Rule(
        "S-10",
        f"SELECT id, status FROM executions WHERE status IN ({_ENDED}) AND completed_at IS NULL",
        "it is {0} without a time",
    ),
    _Rule(
        "S-10",
        f"SELECT id, status FROM executions WHERE status NOT IN ({_ENDED}) AND completed_at IS NOT NULL",
        "it is {0}, yet has a time at which it ended",
    ),
    _Rule(
        "S-10",
        "SELECT t.execution_id, e.status, t.status, t.path FROM tokens t JOIN executions e ON e.id = t.execution_id "
        f"WHERE e.status IN ({_ENDED}) AND t.status IN ('ready', 'running', 'retry', 'waiting', 'paused')",
        "it is {0}, yet a token is {1} at {2}",
    ),
    _Rule(
        "S-10",
        "SELECT t.execution_id, e.status, COUNT(*) FROM tokens t JOIN executions e ON e.id = t.execution_id "
        "WHERE e.status IN ('completed', 'cancelled', 'compensated') GROUP BY t.execution_id, e.status",
        "it is {0}, yet {1} of its tokens are left",
    ),
    _Rule(
        "E-3",
        f"SELECT id, status FROM executions e WHERE status NOT IN ({_ENDED}) "
        f"AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.execution_id = e.id AND t.status IN ({_ALIVE}))",
        "it is {0} and has no token: nothing will ever move it",
    ),
    _Rule(
        "E-3",
        "SELECT t.execution_id, t.path FROM tokens t WHERE t.status = 'waiting' AND t.available_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.token_id = t.id AND w.status = 'open')",
        "it waits at {0} for nothing: no open wait and no due time",
    ),
    _Rule(
        "E-3",
        "SELECT e.id, COUNT(*) FROM executions e JOIN tokens t ON t.execution_id = e.id WHERE e.status = 'running' "
        "GROUP BY e.id HAVING COUNT(*) FILTER (WHERE t.status IN ('ready', 'running', 'paused')) = 0 "
        "AND COUNT(*) FILTER (WHERE t.status IN ('retry', 'waiting')) > 0",
        "it is running, yet nothing of it runs",
    ),
    _Rule(
        "E-3",
        "SELECT execution_id, path FROM tokens WHERE status = 'retry' AND available_at IS NULL",
        "its next attempt at {0} has no due time",
    ),
    _Rule(
        "E-3",
        "SELECT t.execution_id, t.path FROM tokens t JOIN executions e ON e.id = t.execution_id "
        f"WHERE t.status = 'paused' AND e.control & {PAUSED | BLOCKED} = 0",
        "its token at {0} is paused, the execution is not: `resume` cannot reach it",
    ),
    _Rule(
        "E-3",
        "SELECT execution_id, path FROM tokens WHERE status = 'running' AND (worker_id IS NULL OR lease_until IS NULL)",
        "its token at {0} is running without a worker or a lease",
    ),
    _Rule(
        "E-3",
        "SELECT w.execution_id, w.name, w.event FROM waits w JOIN executions c ON c.id = w.event "
        f"WHERE w.kind = 'call' AND w.status = 'open' AND c.status IN ({_ENDED})",
        "it waits for the call {0!r}, yet its child {1} has ended",
    ),
    _Rule(
        "E-3",
        "SELECT w.execution_id, w.name, w.event FROM waits w WHERE w.kind = 'call' AND w.status = 'open' "
        "AND NOT EXISTS (SELECT 1 FROM executions c WHERE c.id = w.event)",
        "it waits for the call {0!r}, yet there is no child {1}",
    ),
    _Rule(
        "E-1",
        "SELECT DISTINCT t.execution_id FROM tokens t "
        "WHERE NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = t.execution_id)",
        "it has tokens, yet no row of its own",
    ),
    _Rule(
        "E-1",
        "SELECT DISTINCT s.execution_id FROM steps s "
        "WHERE NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = s.execution_id)",
        "it has steps, yet no row of its own",
    ),
    _Rule(
        "E-1",
        "SELECT c.id, c.parent_id FROM executions c WHERE c.parent_id IS NOT NULL AND c.completed_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = c.parent_id)",
        "its parent {0} is not there",
    ),
    _Rule(
        "E-1",
        "SELECT e.id, e.definition_hash FROM executions e "
        "WHERE NOT EXISTS (SELECT 1 FROM definitions d WHERE d.hash = e.definition_hash)",
        "its definition {0} is not in the store",
    ),
    _Rule(
        "T-6",
        "SELECT w.execution_id, e.status, w.kind, w.name FROM waits w JOIN executions e ON e.id = w.execution_id "
        f"WHERE w.status = 'open' AND e.status IN ({_ENDED})",
        "it is {0}, yet its wait {2!r} ({1}) is open",
    ),
    _Rule(
        "T-5",
        "SELECT e.id, s.path, s.iteration FROM executions e JOIN steps s ON s.execution_id = e.id "
        "WHERE e.status = 'compensated' AND s.status = 'completed' AND s.compensate = 1",
        "it is compensated, yet the handler of {0} [{1}] has not run",
    ),
    _Rule(
        "T-5",
        "SELECT s.execution_id, s.path, s.iteration FROM steps s "
        "WHERE s.type <> 'compensation' AND s.status = 'completed' AND s.compensate = 2 AND NOT EXISTS "
        "(SELECT 1 FROM steps c WHERE c.execution_id = s.execution_id AND c.type = 'compensation' "
        "AND c.path = s.path AND c.iteration = s.iteration)",
        "{0} [{1}] is marked as compensated, yet no handler is recorded",
    ),
    _Rule(
        "W-6",
        "SELECT execution_id, name, status FROM waits WHERE status <> 'open' AND resolved_at IS NULL",
        "its wait {0!r} is {1} without a time",
    ),
)


def verify(engine: Surface) -> list[Finding]:
    """Every broken promise that the store shows, in one snapshot; an empty list is what everybody wants to see."""
    with engine.database.read() as tx:
        return [*_by_rule(tx), *(finding for look in _LOOKS for finding in look(tx))]


def _by_rule(tx: Transaction) -> Iterator[Finding]:
    for rule in _RULES:
        for execution_id, *facts in tx.fetch(rule.sql):
            yield Finding(rule.promise, execution_id, rule.message.format(*facts))


def _joins(tx: Transaction) -> Iterator[Finding]:
    """A join waits for exactly the branches that are there."""
    children: dict[str, tuple[int, int]] = {
        parent: (total, alive)
        for parent, total, alive in tx.fetch(
            "SELECT parent_id, COUNT(*), COUNT(*) FILTER (WHERE status NOT IN ('done', 'failed', 'cancelled')) "
            "FROM tokens WHERE parent_id IS NOT NULL GROUP BY parent_id"
        )
    }
    for id_, execution_id, path, frame_text in tx.fetch(
        "SELECT id, execution_id, path, frame FROM tokens WHERE status = 'joining'"
    ):
        if not frame_text:
            yield Finding("T-2", execution_id, f"it joins at {path}, yet nothing says what")
            continue
        frame = Frame.from_json(load_tree(frame_text))
        total, alive = children.get(id_, (0, 0))
        if total != frame.started:
            yield Finding("T-2", execution_id, f"{path} began {frame.started} branches, {total} of them are there")
        if alive != frame.open:
            yield Finding("E-3", execution_id, f"{path} waits for {frame.open} branches, {alive} of them can still end")
        elif frame.settled:
            yield Finding("E-3", execution_id, f"all branches of {path} have ended, yet nothing joins them")


def _compensations(tx: Transaction) -> Iterator[Finding]:
    """Handlers ran in reverse order of completion."""
    done: dict[str, dict[tuple[str, str], int]] = {}
    last: dict[str, int] = {}
    for execution_id, seq, path, iteration, type_ in tx.fetch(
        "SELECT s.execution_id, s.seq, s.path, s.iteration, s.type FROM steps s WHERE s.status = 'completed' "
        "AND s.execution_id IN (SELECT execution_id FROM steps WHERE type = 'compensation') "
        # a retried compensation begins again with what failed, whatever stood behind it
        "AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.execution_id = s.execution_id AND j.kind = 'retried') "
        "AND (s.type = 'compensation' OR s.compensate > 0) ORDER BY s.execution_id, s.seq"
    ):
        known = done.setdefault(execution_id, {})
        if type_ != "compensation":
            known[path, iteration] = seq
            continue
        undone = known.get((path, iteration))
        if undone is None:
            yield Finding("T-5", execution_id, f"{path} [{iteration}] was compensated, yet had not completed")
        elif undone > last.get(execution_id, undone):
            yield Finding("T-5", execution_id, f"{path} [{iteration}] was compensated after an earlier step")
        last[execution_id] = undone if undone is not None else 0


def _leases(tx: Transaction) -> Iterator[Finding]:
    """With a worker alive, no lease that ran out stays, and no ready token that the worker serves."""
    now = tx.now()
    alive = [worker for worker in workers(tx) if worker["status"] == "alive"]
    if not alive:
        return
    limit: dict[str, Any] = {"limit": now - SWEEP_SLACK_US}
    for execution_id, path, worker_id in tx.fetch(
        "SELECT execution_id, path, worker_id FROM tokens WHERE status = 'running' AND lease_until < :limit", limit
    ):
        yield Finding("E-3", execution_id, f"the lease of {worker_id} at {path} ran out, and nobody took over")
    for execution_id, path in tx.fetch(
        "SELECT execution_id, path FROM tokens WHERE status IN ('retry', 'waiting') AND available_at < :limit", limit
    ):
        yield Finding("E-3", execution_id, f"{path} has been due for more than a minute, and nothing woke it")


_LOOKS: Final[tuple[Callable[[Transaction], Iterator[Finding]], ...]] = (_joins, _compensations, _leases)

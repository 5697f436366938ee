"""Takes over what a dead or lost worker held, and counts the crash."""

from __future__ import annotations

import logging
from collections.abc import Callable

from durable_core.codec import dump_tree
from durable_core.definition.events import Halted, StopRequested
from durable_core.definition.model import Definition
from durable_core.definition.nodes import WorkNode
from durable_core.definition.state import ROOT
from durable_core.errors import PoisonedError
from durable_core.executor.ending import end
from durable_core.executor.oslock import holder_is_gone
from durable_core.executor.settlement import Settlement
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.status import AttemptStatus, TokenStatus
from durable_core.store import statements as sql
from durable_core.store.control import STOPPING
from durable_core.store.transaction import Transaction

log = logging.getLogger("durable_studio.executor")

MAX_CRASHES = 5
"""Lost workers that an execution survives; the next one fails it as poisoned (S-6)."""

DefinitionOf = Callable[[Transaction, str], Definition]


def dead_workers(tx: Transaction, own_id: str, host: str) -> list[str]:
    """Workers of this machine whose operating-system lock is free: they were killed."""
    found = tx.fetch(sql.OTHER_WORKERS, {"worker": own_id})
    return [worker for worker, its_host, _, lock_file, _, _ in found if its_host == host and holder_is_gone(lock_file)]


def bury(tx: Transaction, worker_id: str, definition_of: DefinitionOf) -> int:
    """Take over all tokens of a worker that is known to be dead; returns how many."""
    lost = tx.fetch(sql.TOKENS_OF_WORKER, {"worker": worker_id})
    counted: set[str] = set()
    for token_id, execution_id, key, _, fence in lost:
        take_over(tx, token_id, execution_id, key, fence, worker_id, definition_of, counted)
    if len(lost) < 200:
        tx.execute(sql.END_WORKER, {"worker": worker_id, "status": "lost", "now": tx.now()})
    return len(lost)


def take_over_expired(tx: Transaction, definition_of: DefinitionOf) -> int:
    """Take over tokens whose lease has run out; returns how many."""
    lost = tx.fetch(sql.EXPIRED_TOKENS, {"now": tx.now()})
    counted: dict[str, set[str]] = {}
    for token_id, execution_id, key, worker_id, fence in lost:
        worker = worker_id or "?"
        take_over(tx, token_id, execution_id, key, fence, worker, definition_of, counted.setdefault(worker, set()))
    return len(lost)


def take_over(
    tx: Transaction,
    token_id: str,
    execution_id: str,
    key: str,
    fence: int,
    worker_id: str,
    definition_of: DefinitionOf,
    counted: set[str],
) -> None:
    """Make one lost token ready again, end it if it was to stop, and fail its execution if it kills its workers.

    `counted` holds the executions for which this loss of a worker is counted already: it may have held many branches.
    """
    head = tx.fetch_one(sql.SELECT_BEGINNING, {"execution": execution_id})
    if head is None:
        tx.execute(sql.DELETE_TOKEN, {"id": token_id})
        return
    settlement = Settlement(tx, execution_id, definition_of(tx, head[0]))
    token = settlement.load(key)
    if token is None or token.status is not TokenStatus.RUNNING or settlement.rows[key]["fence"] != fence:
        return
    row = settlement.rows[key]
    row.update(fence=fence + 1)
    crashes = [] if execution_id in counted else tx.fetch(sql.COUNT_CRASH, {"execution": execution_id})
    counted.add(execution_id)
    settlement.revision += len(crashes)
    detail = {"worker": worker_id, "path": token.path, "attempt": row["attempt"]}
    tx.execute(
        sql.INSERT_JOURNAL,
        {"execution": execution_id, "kind": "worker_lost", "detail": dump_tree(detail), "now": settlement.now},
    )
    log.warning("execution %s: worker %s was lost at %s", execution_id, worker_id, token.path)
    if token.stop:
        settlement.steps.append(_uncertain(settlement, key, worker_id))
        settlement.happen(Halted(key))
    else:
        settlement.change(key, token._replace(status=TokenStatus.READY))
        settlement.ready.append(key)
        if crashes and crashes[0][0] > MAX_CRASHES and settlement.status != "compensating":
            _poison(settlement, crashes[0][0])
    if settlement.outcome is not None:
        end(settlement, None, None, None)
    settlement.write()
    failpoint("inside_takeover", token_id)


def give_back(tx: Transaction, token_id: str, fence: int, worker_id: str, definition_of: DefinitionOf) -> None:
    """Give a token back whose body did not end in time: no crash is counted (E-4).

    A body that was asked to stop is not repeated, and the token of a paused execution stays paused.
    """
    found = tx.fetch_one(sql.HELD_UNDER, {"id": token_id, "fence": fence})
    if found is None:
        return
    execution_id, key, control, stop, definition_hash = found
    if not control and not stop:
        tx.execute(sql.RELEASE_TOKEN, {"id": token_id, "fence": fence})
        return
    settlement = Settlement(tx, execution_id, definition_of(tx, definition_hash))
    token = settlement.load(key)
    if token is None or token.status is not TokenStatus.RUNNING or settlement.rows[key]["fence"] != fence:
        return
    settlement.rows[key].update(fence=fence + 1)
    if token.stop:
        settlement.steps.append(_uncertain(settlement, key, worker_id))
        settlement.happen(Halted(key))
    else:
        settlement.change(key, token._replace(status=TokenStatus.READY))
    if settlement.outcome is not None:
        end(settlement, None, None, None)
    settlement.write()


def _poison(settlement: Settlement, crashes: int) -> None:
    error = describe_exception(
        PoisonedError(
            f"Execution {settlement.execution_id} was lost with its worker {crashes} times.",
            hint="Look for what kills the process (memory, a native crash), then `retry` it.",
        )
    )
    settlement.control |= STOPPING
    settlement.cancel_mode, settlement.error = "fail", dump_tree(error)
    settlement.tx.execute(
        sql.SET_CONTROL,
        {
            "execution": settlement.execution_id,
            "status": settlement.status,
            "control": settlement.control,
            "cancel_mode": "fail",
            "reason": "poisoned",
            "error": settlement.error,
        },
    )
    settlement.revision += 1
    settlement.load_all()
    settlement.happen(StopRequested(ROOT))


def _uncertain(settlement: Settlement, key: str, worker_id: str) -> dict[str, object]:
    """The row of an attempt whose end nobody saw, and that will not be repeated (T-5)."""
    token, row = settlement.state[key], settlement.rows[key]
    node = settlement.definition.places[token.path or ""].node
    step = dict.fromkeys(sql.STEP_COLUMNS)
    step.update(
        execution_id=settlement.execution_id,
        token_key=key,
        path=node.path,
        name=node.name,
        type=node.type,
        iteration=row["iteration"],
        attempt=row["attempt"],
        pass_number=row["pass_number"],
        status=AttemptStatus.UNCERTAIN.value if isinstance(node, WorkNode) else AttemptStatus.CANCELLED.value,
        compensate=0,
        worker_id=worker_id,
        started_at=row["claimed_at"],
        completed_at=settlement.now,
    )
    return step

"""Takes over what a dead or lost worker held, and counts the crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from durable_core.codec import dump_tree, load_tree
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
from durable_core.store.ahead import lock_and_catch_up
from durable_core.store.control import STOPPING
from durable_core.store.transaction import Transaction

log = logging.getLogger("durable_studio.executor")

MAX_CRASHES = 5
"""Lost workers that an execution survives at one place; the next one fails it as poisoned (S-6)."""
SUSPECT_LOSSES = 3
"""Losses at one place from which on executions are tried one after the other: one of them may take the others along."""
SUSPECT_US = 1_000_000
"""Time that each suspect has for itself."""

DefinitionOf = Callable[[Transaction, str], Definition]


@dataclass(slots=True)
class Look:
    """What one look at lost tokens has come by."""

    counted: set[tuple[str, str]] = field(default_factory=set)
    """Worker and execution of each crash that is counted."""
    suspects: int = 0


def dead_workers(tx: Transaction, own_id: str, host: str) -> list[str]:
    """Workers of this machine whose operating-system lock is free: they were killed."""
    found = tx.fetch(sql.OTHER_WORKERS, {"worker": own_id})
    return [worker for worker, its_host, _, lock_file, _, _ in found if its_host == host and holder_is_gone(lock_file)]


def bury(tx: Transaction, worker_id: str, definition_of: DefinitionOf) -> int:
    """Take over all tokens of a worker that is known to be dead; returns how many."""
    lost = tx.fetch(sql.TOKENS_OF_WORKER, {"worker": worker_id})
    look = Look()
    for token_id, execution_id, key, _, fence in lost:
        take_over(tx, token_id, execution_id, key, fence, worker_id, definition_of, look)
    if len(lost) < 200:
        tx.execute(sql.END_WORKER, {"worker": worker_id, "status": "lost", "now": tx.now()})
    return len(lost)


def take_over_expired(tx: Transaction, definition_of: DefinitionOf) -> int:
    """Take over tokens whose lease has run out; returns how many."""
    lost = tx.fetch(sql.EXPIRED_TOKENS, {"now": tx.now()})
    look = Look()
    for token_id, execution_id, key, worker_id, fence, lease_until in lost:
        take_over(tx, token_id, execution_id, key, fence, worker_id or "?", definition_of, look, lease_until)
    return len(lost)


def take_over(
    tx: Transaction,
    token_id: str,
    execution_id: str,
    key: str,
    fence: int,
    worker_id: str,
    definition_of: DefinitionOf,
    look: Look,
    lease_until: int | None = None,
) -> None:
    """Make one lost token ready again, end it if it was to stop, and fail its execution if it kills its workers.

    With `lease_until`, only if the lease has not been renewed since it was read.
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
    if lease_until is not None and row["lease_until"] != lease_until:
        return
    row.update(fence=fence + 1)
    if (worker_id, execution_id) not in look.counted:  # it may have held many branches
        look.counted.add((worker_id, execution_id))
        settlement.revision += len(tx.fetch(sql.COUNT_CRASH, {"execution": execution_id}))
    # each wait of a body begins a pass, and a body that comes from wait to wait is not what kills its workers
    place: dict[str, Any] = {
        "token": key,
        "path": token.path,
        "iteration": row["iteration"],
        "pass": row["pass_number"],
    }
    handler = tx.fetch_one(sql.NEXT_COMPENSATION, {"execution": execution_id}) if token.mode == "compensate" else None
    if handler is not None:
        place = {"token": key, "path": handler[2], "iteration": handler[4], "compensates": handler[0]}
    losses = 1 + _losses_at(tx, execution_id, place)
    detail = {"worker": worker_id, **place, "attempt": row["attempt"]}
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
        if losses > MAX_CRASHES and handler is not None:
            _give_up(settlement, handler, row["attempt"], losses)
        elif losses > MAX_CRASHES and token.mode != "compensate":
            _poison(settlement, losses)
        elif losses >= SUSPECT_LOSSES:
            row["available_at"] = settlement.now + look.suspects * SUSPECT_US
            look.suspects += 1
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
        lock_and_catch_up(tx, execution_id)
        tx.execute(sql.RELEASE_TOKEN, {"id": token_id, "fence": fence})
        failpoint("inside_hand_back", token_id)
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
    failpoint("inside_hand_back", token_id)


def _losses_at(tx: Transaction, execution_id: str, place: Mapping[str, Any]) -> int:
    """How often a worker was lost at this very place since the start or the last `retry`.

    Elsewhere does not count: an execution that goes on between two crashes is not what causes them.
    """
    losses = 0
    for kind, text in tx.fetch(sql.LOSSES, {"execution": execution_id}):
        if kind == "retried":
            losses = 0
        else:
            detail = load_tree(text)
            losses += all(detail.get(name) == value for name, value in place.items())
    return losses


def _poisoned(what: str, losses: int) -> Any:
    return describe_exception(
        PoisonedError(
            f"{what} was lost with its worker {losses} times.",
            hint="Look for what kills the process (memory, a native crash), then `retry` it.",
        )
    )


def _give_up(settlement: Settlement, handler: tuple[Any, ...], attempt: int, losses: int) -> None:
    """A handler that kills its workers has failed; the chain goes on with the next."""
    seq, key, path, name, iteration = handler[:5]
    step = dict.fromkeys(sql.STEP_COLUMNS)
    step.update(
        execution_id=settlement.execution_id,
        token_key=key,
        path=path,
        name=name,
        type="compensation",
        iteration=iteration,
        attempt=attempt,
        pass_number=1,
        status=AttemptStatus.FAILED.value,
        error=dump_tree(_poisoned(f"The compensation of {path!r}", losses)),
        compensate=2,
        started_at=settlement.now,
        completed_at=settlement.now,
    )
    settlement.steps.append(step)
    settlement.tx.execute(sql.COMPENSATION_RAN, {"execution": settlement.execution_id, "seq": seq})


def _poison(settlement: Settlement, losses: int) -> None:
    error = _poisoned(f"Execution {settlement.execution_id}", losses)
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

"""What people do to an execution from outside: cancel, pause, resume, retry. Each is one locked transaction."""

from __future__ import annotations

from typing import Any, Literal

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.events import StopRequested
from durable_core.definition.interpreter import revive
from durable_core.definition.state import ROOT
from durable_core.errors import InvalidStateError
from durable_core.executor.definitions import Definitions
from durable_core.executor.ending import close, end
from durable_core.executor.parking import journal, release, set_control
from durable_core.executor.settlement import Settled, Settlement
from durable_core.status import ExecutionStatus, TokenStatus
from durable_core.store import statements as sql
from durable_core.store import wait_statements as waits
from durable_core.store.control import BLOCKED, PAUSED, STOPPING
from durable_core.store.transaction import Transaction

CancelMode = Literal["graceful", "compensate", "terminate"]


def opened(tx: Transaction, execution_id: str, definitions: Definitions) -> Settlement:
    """The execution under its lock; ExecutionNotFoundError when there is none."""
    head = tx.fetch_one(sql.SELECT_BEGINNING, {"execution": execution_id})
    definition = definitions.stored(tx, head[0]) if head is not None else None
    settlement = Settlement(tx, execution_id, definition)  # type: ignore[arg-type]  # raises itself when there is no row
    if head is not None and settlement.definition_hash != head[0]:  # adopted while this waited for the lock
        settlement.definition = definitions.stored(tx, settlement.definition_hash)
    return settlement


def cancel(
    tx: Transaction, execution_id: str, definitions: Definitions, mode: CancelMode, reason: str | None
) -> Settled:
    """Cancel an execution (T-6); InvalidStateError when it has ended."""
    settlement = opened(tx, execution_id, definitions)
    if settlement.terminal:
        raise InvalidStateError(
            f"Execution {execution_id} is {settlement.status} already and cannot be cancelled.",
            state=settlement.status,
            allowed=["pending", "running", "waiting", "compensating"],
        )
    if settlement.status == ExecutionStatus.COMPENSATING and mode != "terminate":
        raise InvalidStateError(
            f"Execution {execution_id} is compensating: its handlers run to their end.",
            state=settlement.status,
            allowed=["pending", "running", "waiting"],
            hint="Wait for it, or cancel with mode='terminate' to leave the rest undone.",
        )
    return _stop(settlement, definitions, mode, reason, None)


def stop(
    tx: Transaction, execution_id: str, definitions: Definitions, *, mode: str, reason: str | None, error: Any
) -> Settled | None:
    """Let an execution come to rest and then fail with `error`; None when it has ended or is stopping already."""
    settlement = opened(tx, execution_id, definitions)
    if settlement.terminal or settlement.control & STOPPING or settlement.status == ExecutionStatus.COMPENSATING:
        return None
    return _stop(settlement, definitions, mode, reason, error)


def _stop(settlement: Settlement, definitions: Definitions, mode: str, reason: str | None, error: Any) -> Settled:
    tx, execution_id = settlement.tx, settlement.execution_id
    settlement.load_all()
    settlement.control = (settlement.control | STOPPING) & ~(PAUSED | BLOCKED)
    settlement.cancel_mode, settlement.reason = mode, reason
    settlement.error = None if error is None else dump_tree(error)
    tx.execute(
        sql.SET_CONTROL,
        {
            "execution": execution_id,
            "status": settlement.status,
            "control": settlement.control,
            "cancel_mode": mode,
            "reason": reason,
            "error": settlement.error,
        },
    )
    settlement.revision += 1
    journal(settlement, "cancel" if error is None else "stop", {"mode": mode, "reason": reason})
    tx.execute(sql.CLOSE_WAITS, {"execution": execution_id, "status": "cancelled", "now": settlement.now})
    if mode == "terminate":
        running = [key for key, token in settlement.state.items() if token.status is TokenStatus.RUNNING]
        settlement.result.interrupts.extend(settlement.token_id(key) for key in running)
        close(settlement, ExecutionStatus.CANCELLED, None)
        _stop_children(settlement, definitions, mode, reason)
        settlement.result.revision = settlement.revision + 1
        return settlement.result
    settlement.happen(StopRequested(ROOT))
    if settlement.outcome is not None:
        end(settlement, None, None, None)
    settlement.write()
    _stop_children(settlement, definitions, mode, reason)
    return settlement.result


def _stop_children(settlement: Settlement, definitions: Definitions, mode: str, reason: str | None) -> None:
    """Children go down with their parent (T-6); what they would tell it, nobody waits for any more."""
    children = settlement.tx.fetch(waits.ACTIVE_CHILDREN, {"execution": settlement.execution_id})
    for (child,) in children:
        stop_child(settlement.tx, child, definitions, settlement.result, mode if mode != "fail" else "graceful", reason)


def stop_child(
    tx: Transaction,
    child: str,
    definitions: Definitions,
    result: Settled,
    mode: str = "graceful",
    reason: str | None = None,
) -> None:
    """Cancel a child in its parent's transaction."""
    settlement = opened(tx, child, definitions)
    if settlement.terminal or settlement.control & STOPPING or settlement.status == ExecutionStatus.COMPENSATING:
        return
    below = _stop(settlement, definitions, mode, reason or "its parent was stopped", None)
    result.interrupts.extend(below.interrupts)
    result.ready = result.ready or below.ready


def abandon_waits(settlement: Settlement, definitions: Definitions) -> None:
    """Tokens that ended while they waited: close their waits, and cancel the children they waited for."""
    tx = settlement.tx
    for token_id in settlement.abandoned:
        for (child,) in tx.fetch(waits.OPEN_CALLS_OF_TOKEN, {"token": token_id}):
            stop_child(tx, child, definitions, settlement.result)
        tx.execute(sql.CLOSE_TOKEN_WAITS, {"token": token_id, "status": "cancelled", "now": settlement.now})


def pause(tx: Transaction, execution_id: str, definitions: Definitions, reason: str | None = None) -> Settled:
    """No further step begins until `resume`; running ones end and are recorded."""
    settlement = opened(tx, execution_id, definitions)
    _must_be_open(settlement, "paused")
    if settlement.control & PAUSED:
        raise InvalidStateError(f"Execution {execution_id} is paused already.", state="paused", allowed=["resume"])
    settlement.control |= PAUSED
    settlement.load_all()
    for key, row in settlement.rows.items():
        if row["status"] == "ready":
            settlement.dirty.add(key)
    set_control(settlement, reason)
    journal(settlement, "paused", {"reason": reason})
    settlement.write()
    return settlement.result


def resume(tx: Transaction, execution_id: str, definitions: Definitions) -> Settled:
    """Let a paused or blocked execution go on; one that still cannot is blocked again."""
    settlement = opened(tx, execution_id, definitions)
    if not settlement.control & (PAUSED | BLOCKED):
        raise InvalidStateError(
            f"Execution {execution_id} is {settlement.status} and not paused.",
            state=settlement.status,
            allowed=["paused", "blocked"],
        )
    release(settlement)
    journal(settlement, "resumed", {})
    settlement.write()
    return settlement.result


def retry(tx: Transaction, execution_id: str, definitions: Definitions) -> Settled:
    """Let a failed execution go on from its failed step (or a failed compensation from its failed handlers)."""
    settlement = opened(tx, execution_id, definitions)
    if settlement.status not in (ExecutionStatus.FAILED, ExecutionStatus.COMPENSATION_FAILED):
        raise InvalidStateError(
            f"Execution {execution_id} is {settlement.status}; only a failed one can be retried.",
            state=settlement.status,
            allowed=["failed", "compensation_failed"],
        )
    failed = settlement.status == ExecutionStatus.FAILED
    settlement.load_all()
    settlement.status = "pending" if failed else "compensating"
    settlement.control = 0
    timeout = settlement.definition.timeout
    # the time since it failed does not count: its timeout begins anew
    deadline = None if timeout is None or not failed else settlement.now + int(timeout * 1_000_000)
    tx.execute(sql.REOPEN_EXECUTION, {"execution": execution_id, "status": settlement.status, "deadline": deadline})
    settlement.revision += 1
    if failed:
        _forget_lost_waits(settlement)
        settlement.take_in(revive(settlement.definition, settlement.state))
    else:
        tx.execute(sql.REOPEN_COMPENSATIONS, {"execution": execution_id})
        tx.execute(sql.FORGIVE_COMPENSATIONS, {"execution": execution_id})
    for key, row in settlement.rows.items():
        if row["status"] != TokenStatus.DONE:
            row.update(attempt=1, pass_number=1, available_at=settlement.now)
            if not failed:
                row.update(status="ready", mode="compensate")
            settlement.dirty.add(key)
    journal(settlement, "retried", {})
    settlement.write()
    return settlement.result


def _forget_lost_waits(settlement: Settlement) -> None:
    """What a step waited for in vain is waited for again: closed waits, failing timeouts, children that failed."""
    tx = settlement.tx
    for row in settlement.rows.values():
        if row["status"] == TokenStatus.DONE or row["path"] is None or row["frame"] is not None:
            continue
        place = {"execution": settlement.execution_id, "path": row["path"], "iteration": row["iteration"]}
        found = tx.fetch_one(waits.LAST_WAIT, place)
        if found is None:
            continue
        wait_id, kind, status, payload, spec = found
        lost = status in ("cancelled", "closed")
        if status == "timed_out":
            lost = (load_tree(spec) if spec else {}).get("on_timeout") == "fail"
        elif status == "satisfied" and kind == "call" and payload is not None:
            lost = load_tree(payload).get("status") not in ("completed", "started")
        if lost:
            tx.execute(waits.FORGET_WAIT, {"id": wait_id})


def _must_be_open(settlement: Settlement, verb: str) -> None:
    if settlement.terminal or settlement.control & STOPPING or settlement.status == ExecutionStatus.COMPENSATING:
        raise InvalidStateError(
            f"Execution {settlement.execution_id} is {settlement.status} and cannot be {verb}.",
            state=settlement.status,
            allowed=["pending", "running", "waiting"],
        )

"""How an execution ends: completed, failed, cancelled, or into its compensations."""

from __future__ import annotations

from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.events import Finish, GiveUp, Proceed, Rest
from durable_core.definition.interpreter import Transition
from durable_core.definition.state import ROOT, Token
from durable_core.executor.settlement import Holder, Settlement
from durable_core.failpoints import failpoint
from durable_core.status import ExecutionStatus, TokenStatus, check_transition
from durable_core.store import statements as sql
from durable_core.store.contexts import stored_context
from durable_core.store.control import STOPPING
from durable_core.wait.children import child_ended


def end(settlement: Settlement, context: dict[str, Any] | None, output: Any, holder: Holder | None) -> None:
    """Bring the execution to the end that its last command says; `context` is the first token's, where it is known."""
    match settlement.outcome:
        case Finish():
            close(settlement, ExecutionStatus.COMPLETED, context, output=output)
        case GiveUp(error) if not settlement.control & STOPPING:
            _fail(settlement, context, error, holder)
        case GiveUp() | Rest():  # a body that failed while it was asked to stop does not change why it stops
            if settlement.cancel_mode == "fail":
                _fail(settlement, context, None if settlement.error is None else load_tree(settlement.error), holder)
            elif settlement.cancel_mode == "compensate" and _compensate(settlement, None, holder):
                return
            else:
                close(settlement, ExecutionStatus.CANCELLED, context)


def _fail(settlement: Settlement, context: dict[str, Any] | None, error: Any, holder: Holder | None) -> None:
    if _compensate(settlement, error, holder):
        return
    close(settlement, ExecutionStatus.FAILED, context, error=error, keep_tokens=True)


def _compensate(settlement: Settlement, error: Any, holder: Holder | None) -> bool:
    """Begin the compensations, if any completed step has a handler; its rows of this transaction count as well."""
    tx = settlement.tx
    pending = any(row["compensate"] == 1 and row["status"] == "completed" for row in settlement.steps)
    if not pending and tx.fetch_one(sql.NEXT_COMPENSATION, {"execution": settlement.execution_id}) is None:
        return False
    check_transition(settlement.status, ExecutionStatus.COMPENSATING, f"execution {settlement.execution_id}")
    settlement.load(ROOT)
    for key in list(settlement.rows):
        if key != ROOT:
            settlement.dirty.discard(key)
            del settlement.rows[key]
    tx.execute(
        "DELETE FROM tokens WHERE execution_id = :execution AND parent_id IS NOT NULL",
        {"execution": settlement.execution_id},
    )
    root = settlement.state[ROOT]
    settlement.state = {ROOT: root}
    settlement.status = ExecutionStatus.COMPENSATING.value
    settlement.control = 0
    settlement.outcome = None
    settlement.take_in(_to_compensate(root))
    settlement.rows[ROOT].update(stop=0, attempt=1, pass_number=1, frame=None, items=None, queue=settlement.home)
    if holder is not None:
        settlement.keep(holder, preferred=ROOT)
    tx.execute(sql.CLOSE_WAITS, {"execution": settlement.execution_id, "status": "closed", "now": settlement.now})
    tx.execute(
        "UPDATE executions SET error = :error, reason = NULL WHERE id = :execution",
        {"execution": settlement.execution_id, "error": None if error is None else dump_tree(error)},
    )
    return True


def _to_compensate(root: Token) -> Transition:
    ready = root._replace(status=TokenStatus.READY, mode="compensate", frame=None, stop=False, error=None)
    return Transition({ROOT: ready}, (Proceed(ROOT),))


def close(
    settlement: Settlement,
    status: ExecutionStatus,
    context: dict[str, Any] | None,
    *,
    output: Any = None,
    error: Any = None,
    keep_tokens: bool = False,
) -> None:
    """Write the terminal row. The tokens of a failed execution stay, so that `retry` knows where to go on."""
    tx = settlement.tx
    if context is None:
        context = first_context(settlement)
    check_transition(settlement.status, status, f"execution {settlement.execution_id}")
    tx.fetch(
        sql.END_EXECUTION,
        {
            "execution": settlement.execution_id,
            "status": status.value,
            "n": max(1, len(settlement.steps)),
            "output": None if output is None else dump_tree(output),
            "context": None if context is None else dump_tree(context),
            "error": None if error is None else dump_tree(error),
            "now": settlement.now,
        },
    )
    tx.execute(sql.CLOSE_WAITS, {"execution": settlement.execution_id, "status": "closed", "now": settlement.now})
    if not keep_tokens:
        settlement.dirty.clear()
        tx.execute(sql.DELETE_TOKENS, {"execution": settlement.execution_id})
    if settlement.parent_id is not None and settlement.parent_token is not None:
        told = child_ended(tx, settlement.parent_id, settlement.execution_id, status.value, output, error)
        failpoint("inside_child", settlement.execution_id)
        settlement.result.ready = settlement.result.ready or told
    settlement.status = status.value
    settlement.result.status = status.value
    settlement.result.ended = True


def first_context(settlement: Settlement) -> dict[str, Any]:
    """The first token's context as the store has it."""
    settlement.load(ROOT)
    row = settlement.rows[ROOT]
    return stored_context(settlement.tx, settlement.execution_id, ROOT, row["changes"], row["changes_seq"], {})

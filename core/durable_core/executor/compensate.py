"""Compensation: one handler after the other, newest completed step first, each recorded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from durable_core.clock import SYSTEM_CLOCK
from durable_core.codec import dump_tree, load_tree
from durable_core.definition.nodes import WorkNode, binding_key
from durable_core.definition.state import ROOT
from durable_core.errors import FencedError, NonRetryableError
from durable_core.executor.claim import Claim, byte_size
from durable_core.executor.contexts import compensation_context, invoke_compensation
from durable_core.executor.ending import close
from durable_core.executor.fold import spread
from durable_core.executor.plan import step_row
from durable_core.executor.record import held_token
from durable_core.executor.settlement import Holder, Settled, Settlement
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.ids import parse_iteration_key
from durable_core.limits import LIMITS, check_limit
from durable_core.status import AttemptStatus, ExecutionStatus
from durable_core.store import statements as sql
from durable_core.store.commit import Unit
from durable_core.store.database import Database
from durable_core.store.transaction import Transaction

now_us = SYSTEM_CLOCK.now_us


def _captured(claim: Claim, node: WorkNode, iterations: tuple[int, ...], handler: Callable[[], Any]) -> Any:
    """Run the handler; what it writes is the step's (L-1)."""
    if claim.capture is None:
        return handler()
    scope = claim.capture.scope(claim, node, claim.token._replace(iterations=iterations))
    try:
        with scope:
            return handler()
    finally:
        claim.lines += scope.drain()


@dataclass(slots=True)
class Compensation:
    """What one handler did; no rows mean that none is left."""

    claim: Claim
    target: int | None = None
    """`seq` of the step row that was compensated."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    retry_after: float | None = None
    hopeless: bool = False


def plan_compensation(claim: Claim, database: Database, still_held: Callable[[Claim], bool]) -> Compensation | None:
    """Run the next handler, if one is left; None when the lease was lost while it was looked for (S-4)."""
    with database.read() as tx:
        found = tx.fetch_one(sql.NEXT_COMPENSATION, {"execution": claim.execution_id})
    plan = Compensation(claim)
    if found is None:
        return plan
    plan.target, _, path, _, iteration, output, snapshot = found
    node = claim.definition.places[path].node
    assert isinstance(node, WorkNode) and node.compensate is not None
    spec = node.compensate
    failpoint("before_compensation", claim.token_id)
    if not still_held(claim):
        return None
    started_at = now_us()
    error: BaseException | None = None
    result = None
    iterations = parse_iteration_key(iteration) if iteration else ()
    try:
        context = compensation_context(
            claim, node, iterations, load_tree(snapshot) if snapshot else {}, load_tree(output) if output else None
        )
        result = _captured(claim, node, iterations, lambda: invoke_compensation(claim, node, context, spec.timeout))
        check_limit(byte_size(dump_tree(result)), LIMITS.output_bytes, f"The output of the compensation of {path!r}")
    except BaseException as raised:  # a handler may call sys.exit
        error = raised
        again = claim.attempt < spec.retry.max_attempts and not isinstance(raised, NonRetryableError)
        if again and isinstance(raised, claim.workflow.retry_on.get(binding_key(path, "compensate"), Exception)):
            plan.retry_after = spec.retry.delay(claim.attempt, spread())
    failpoint("after_compensation", claim.token_id)
    plan.rows.append(
        step_row(
            claim,
            node,
            iterations,
            AttemptStatus.COMPLETED if error is None else AttemptStatus.FAILED,
            started_at=started_at,
            completed_at=now_us(),
            output=None if result is None else dump_tree(result),
            error=None if error is None else dump_tree(describe_exception(error)),
            choice=spec.name,
            type_="compensation",
            # 2 marks the failure that ends this handler's attempts
            compensate=2 if error is not None and plan.retry_after is None else 0,
        )
    )
    plan.rows[-1]["pass_number"] = 1  # handlers wait for nothing
    return plan


class CompensateUnit(Unit):
    """Records one handler, and ends the execution when none is left."""

    def __init__(self, plan: Compensation, holder: Holder) -> None:
        self.plan = plan
        self.holder = holder

    def write(self, tx: Transaction) -> Settled:
        plan, claim = self.plan, self.plan.claim
        settlement = Settlement(tx, claim.execution_id, claim.definition)
        held_token(settlement, claim)
        row = settlement.rows[ROOT]
        settlement.steps = plan.rows
        settlement.dirty.add(ROOT)
        if plan.target is None:
            self._end(settlement)
        elif plan.retry_after is not None:
            due = settlement.now + int(plan.retry_after * 1_000_000)
            row.update(status="retry", available_at=due, attempt=claim.attempt + 1, worker_id=None, lease_until=None)
            settlement.result.next_due = due
        else:
            if not tx.execute(sql.COMPENSATION_RAN, {"execution": claim.execution_id, "seq": plan.target}):
                raise FencedError(f"This compensation of execution {claim.execution_id} is recorded already.")
            row.update(attempt=1)
            settlement.result.kept = claim.token_id
        settlement.write()
        failpoint("inside_compensation", claim.token_id)
        return settlement.result

    def _end(self, settlement: Settlement) -> None:
        (failures,) = settlement.tx.fetch(sql.COMPENSATION_FAILURES, {"execution": settlement.execution_id})[0]
        status = ExecutionStatus.COMPENSATION_FAILED if failures else ExecutionStatus.COMPENSATED
        error = None if settlement.error is None else load_tree(settlement.error)
        # tokens of a failed compensation stay, so that `retry` can go on with it
        close(settlement, status, self.plan.claim.context, error=error, keep_tokens=bool(failures))
        if failures:
            settlement.rows[ROOT].update(status="failed", worker_id=None, lease_until=None)
        settlement.result.ended = True

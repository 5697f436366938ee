"""The join of a parallel or foreach: merge what the branches changed, or let their failure go up."""

from __future__ import annotations

from typing import Any

from durable_core.clock import SYSTEM_CLOCK
from durable_core.codec import decode, dump_tree, encode, load_tree
from durable_core.context.changes import Delta, merge_deltas
from durable_core.definition.events import Failed, Joined
from durable_core.definition.nodes import ForeachNode, ParallelNode
from durable_core.errors import InputValidationError, ParallelError
from durable_core.executor.claim import Claim, byte_size
from durable_core.executor.contexts import call_merge
from durable_core.executor.fold import fold_forward, located, take
from durable_core.executor.plan import Plan, step_row
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.limits import LIMITS, check_limit
from durable_core.status import AttemptStatus, TokenStatus
from durable_core.store import statements as sql
from durable_core.store.database import Database

now_us = SYSTEM_CLOCK.now_us


def plan_join(claim: Claim, database: Database) -> Plan:
    """The plan for a join whose branches have all ended."""
    node = claim.node
    assert isinstance(node, ParallelNode | ForeachNode)
    failpoint("before_join", claim.token_id)
    plan = Plan(claim, claim.token, claim.token)
    started_at = now_us()
    with database.read() as tx:
        found = tx.fetch(sql.SELECT_CHILDREN, {"parent": claim.token_id})
    children = [dict(zip(sql.TOKEN_COLUMNS, values, strict=True)) for values in found]
    failures = [child for child in children if child["status"] == TokenStatus.FAILED]
    if failures:
        failure, own = _failure(node, failures)
        if own:
            plan.rows.append(_row(claim, AttemptStatus.FAILED, started_at, error=dump_tree(failure)))
            failure = located(failure, node, claim.token)
        take(plan, Failed(claim.token.key, failure))
        return plan
    try:
        ops = _merge(claim, node, children)
    except BaseException as error:  # a merge function may call sys.exit
        failure = describe_exception(error)
        plan.rows.append(_row(claim, AttemptStatus.FAILED, started_at, error=dump_tree(failure)))
        take(plan, Failed(claim.token.key, located(failure, node, claim.token)))
        return plan
    outputs = [None if child["output"] is None else load_tree(child["output"]) for child in children]
    output: Any = outputs
    if isinstance(node, ParallelNode):
        output = {child["branch_label"]: each for child, each in zip(children, outputs, strict=True)}
    elif node.collect is not None:
        ops.append(["set", node.collect, outputs])
    change, written = dump_tree(ops) if ops else None, dump_tree(output)
    try:
        if change is not None:
            claim.admit(ops, change, node.path)
        # many small outputs make a large list: as much is allowed as in the context they would be collected into
        check_limit(byte_size(written), LIMITS.context_bytes, f"The outputs of {node.path!r} together")
    except Exception as error:
        failure = describe_exception(error)
        plan.rows.append(_row(claim, AttemptStatus.FAILED, started_at, error=dump_tree(failure)))
        take(plan, Failed(claim.token.key, located(failure, node, claim.token)))
        return plan
    claim.take_in(ops)
    plan.rows.append(_row(claim, AttemptStatus.COMPLETED, started_at, output=written, change=change))
    plan.ended_children = True
    claim.attempt = claim.pass_number = 1
    take(plan, Joined(claim.token.key, output))
    fold_forward(plan)
    return plan


def _row(claim: Claim, status: AttemptStatus, started_at: int, **more: Any) -> dict[str, Any]:
    started = claim.begun_at or started_at
    return step_row(
        claim, claim.node, claim.token.iterations, status, started_at=started, completed_at=now_us(), **more
    )


def _failure(node: ParallelNode | ForeachNode, failures: list[dict[str, Any]]) -> tuple[Any, bool]:
    """The error that goes up, and whether it is the join's own."""
    errors = {child["branch_label"]: load_tree(child["error"]) for child in failures}
    if node.on_error == "fail_fast":
        return next(iter(errors.values())), False
    told = "; ".join(f"{label}: {error['type']}: {error['message']}" for label, error in errors.items())
    count = f"{len(errors)} {'branch' if isinstance(node, ParallelNode) else 'item'}{_plural(node, len(errors))}"
    error = ParallelError(f"{count} of {node.path!r} failed: {told}", errors=errors)
    return describe_exception(error), True


def _plural(node: ParallelNode | ForeachNode, count: int) -> str:
    if count == 1:
        return ""
    return "es" if isinstance(node, ParallelNode) else "s"


def _merge(claim: Claim, node: ParallelNode | ForeachNode, children: list[dict[str, Any]]) -> list[list[Any]]:
    deltas = [Delta.from_json(load_tree(child["changes"])) if child["changes"] else Delta() for child in children]
    if node.merge != "function":
        return merge_deltas(claim.context, deltas, node.merge)
    branches = [decode(delta.apply(claim.context)) for delta in deltas]
    merged = call_merge(claim, node, decode(claim.context), branches)
    if not isinstance(merged, dict):
        raise InputValidationError(
            f"The merge function of {node.path!r} returned a {type(merged).__name__}, not a mapping.",
            hint="Return the context that the flow goes on with (or the part of it that changes) as a dict.",
        )
    encoded = encode(merged)
    return [["set", key, value] for key, value in encoded.items() if claim.context.get(key, _ABSENT) != value]


_ABSENT = object()

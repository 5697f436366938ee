"""A body or node that has to wait: its wait and the token's rest are one transaction."""

from __future__ import annotations

from durable_core.codec import dump_tree
from durable_core.definition.nodes import Node
from durable_core.executor.claim import Claim
from durable_core.executor.parking import mark_blocked
from durable_core.executor.plan import Plan
from durable_core.executor.settlement import Holder, Settlement
from durable_core.executor.start import begin
from durable_core.ids import iteration_key
from durable_core.status import TokenStatus
from durable_core.wait.rows import Place, register


def suspend(settlement: Settlement, plan: Plan, holder: Holder) -> None:
    """Register the plan's wait; a wait that is satisfied already leaves the token with its holder."""
    claim, spec = plan.claim, plan.wait
    key = claim.token.key
    row = settlement.rows[key]
    payload = None
    if spec.kind == "call":
        begin(settlement.tx, spec.child, holder.definitions, None)
        settlement.result.ready = True
        if not spec.form["wait"]:
            payload = dump_tree({"id": spec.child.execution_id, "status": "started"})
    done, due = register(settlement.tx, place_of(claim, claim.node), spec, payload=payload)
    row.update(pass_number=claim.pass_number + 1, begun_at=plan.begun_at)
    settlement.dirty.add(key)
    if done:
        settlement.result.kept = claim.token_id
        return
    settlement.change(key, settlement.state[key]._replace(status=TokenStatus.WAITING))
    row.update(available_at=due)
    settlement.result.next_due = due


def block(settlement: Settlement, plan: Plan) -> None:
    """Park the execution: the reason stands where every screen shows it, and nothing of it runs."""
    key = plan.claim.token.key
    settlement.change(key, settlement.state[key]._replace(status=TokenStatus.PAUSED))
    reason = f"{plan.blocked['type']}: {plan.blocked['message']}"
    mark_blocked(settlement, reason, plan.claim.workflow.fingerprint, plan.blocked)


def place_of(claim: Claim, node: Node) -> Place:
    """Where a wait of the claim's node stands."""
    return Place(
        execution_id=claim.execution_id,
        token_id=claim.token_id,
        workflow=claim.definition.name,
        path=node.path,
        iteration=iteration_key(claim.token.iterations),
    )

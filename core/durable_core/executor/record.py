"""Records: the fenced writes that turn a plan into facts. Nothing of the user's runs in here.

MoveUnit      the token goes on in its sequence: token, step rows, revision
FinishUnit    the last step and the end of the execution in one
SleepUnit     the only token at work goes to sleep
SettleUnit    everything else, under the execution's lock
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_core.codec import dump_tree
from durable_core.definition.events import Finish, GiveUp, Halted, Proceed, Rest, Spawn
from durable_core.definition.nodes import Node
from durable_core.errors import FencedError
from durable_core.executor.claim import Claim
from durable_core.executor.control import abandon_waits
from durable_core.executor.ending import end
from durable_core.executor.fast import FinishUnit, MoveUnit, PlanUnit
from durable_core.executor.plan import Plan
from durable_core.executor.settlement import Holder, Settled, Settlement
from durable_core.executor.sleep_unit import SleepUnit
from durable_core.executor.suspend import block, suspend
from durable_core.failpoints import failpoint
from durable_core.status import TokenStatus
from durable_core.store.commit import Unit
from durable_core.store.transaction import Transaction


class SettleUnit(PlanUnit):
    """Anything but a plain move, under the execution's lock. The result is a `Settled`."""

    def __init__(self, plan: Plan, holder: Holder, *, tried: bool = False) -> None:
        super().__init__(plan)
        self.holder = holder
        self.behind = tried or plan.claim.row_at is not None
        """Whether steps may stand ahead of the token's row: those that were `tried` before may be stored (D-3)."""

    def write(self, tx: Transaction) -> Settled:
        plan, claim = self.plan, self.plan.claim
        settlement = Settlement(tx, claim.execution_id, claim.definition, behind=self.behind)
        own = held_token(settlement, claim)
        if (own.path, own.iterations, own.mode) != (plan.start.path, plan.start.iterations, plan.start.mode):
            # recorded already, and the reply got lost: the token is still ours, and goes on from where it stands (D-3)
            return Settled(claim.token_id, status=settlement.status, revision=settlement.revision)
        key = claim.token.key
        settlement.steps = plan.rows
        row = settlement.rows[key]
        if own.stop and (plan.wait is not None or plan.blocked is not None):
            settlement.happen(Halted(key))
        elif plan.wait is not None:
            suspend(settlement, plan, self.holder)
            self._keep_changes(settlement)
        elif plan.blocked is not None:
            block(settlement, plan)
            self._keep_changes(settlement)
        elif plan.retry_after is not None and not own.stop:
            due = settlement.now + int(plan.retry_after * 1_000_000)
            row.update(status="retry", available_at=due, attempt=claim.attempt + 1, worker_id=None, lease_until=None)
            row.update(pass_number=1)
            settlement.dirty.add(key)
            settlement.result.next_due = due
            self._keep_changes(settlement)
        else:
            settlement.on_fork = lambda token, forked: self._fork(settlement, key, forked)
            if plan.ended_children:
                settlement.forget_children(key)
            if plan.events:
                settlement.happen_in_turn(plan.events)
            elif own.stop:  # it failed and would have been tried again
                settlement.happen(Halted(key))
            else:
                settlement.ready.append(key)
                settlement.state[key] = own
                row.update(status=TokenStatus.READY.value)
            self._keep_changes(settlement)
        settlement.keep(self.holder, preferred=key)
        if settlement.abandoned:
            abandon_waits(settlement, self.holder.definitions)
        if settlement.outcome is not None:
            end(settlement, claim.context if claim.is_root else None, final_output(plan), self.holder)
        settlement.write()
        failpoint(f"inside_{kind_of(plan)}", claim.token_id)
        return settlement.result

    def _fork(self, settlement: Settlement, key: str, row: dict[str, Any]) -> None:
        """The branches' context is the parent's as it stands now; the items are written once."""
        if row["key"] == key:
            row["items"] = None if self.plan.items is None else dump_tree(self.plan.items)

    def _keep_changes(self, settlement: Settlement) -> None:
        """The token leaves this worker's hands, or others build on it: its whole change goes with it."""
        row = settlement.rows[self.plan.claim.token.key]
        row["changes"] = dump_tree(self.plan.claim.changes_json())
        row["changes_seq"] = -1
        settlement.dirty.add(self.plan.claim.token.key)


def held_token(settlement: Settlement, claim: Claim) -> Any:
    """The claim's token as the store has it, if the claim still holds it."""
    token = settlement.load(claim.token.key)
    if token is None or settlement.terminal:
        raise FencedError(f"Execution {claim.execution_id} has moved on without this worker.")
    row = settlement.rows[claim.token.key]
    if row["fence"] != claim.fence or token.status is not TokenStatus.RUNNING:
        raise FencedError(f"Token {claim.token_id} was taken over by another worker.")
    return token


def kind_of(plan: Plan) -> str:
    """What a locked record is about: retry, join, fork, or (anything else) settle."""
    if plan.retry_after is not None:
        return "retry"
    if plan.wait is not None:
        return "wait"
    if plan.ended_children:
        return "join"
    return "fork" if any(type(command) is Spawn for command in plan.commands) else "settle"


def final_output(plan: Plan) -> Any:
    for command in plan.commands:
        if isinstance(command, Finish):
            return plan.final_output if plan.has_final_output else command.output
    return None


def unit_for(plan: Plan, holder_for: Callable[[Claim], Holder]) -> Unit:
    """The cheapest unit that can record the plan; a holder is made where one may be needed."""
    claim = plan.claim
    if plan.wait is not None:
        if SleepUnit.records(plan):
            return SleepUnit(plan)
    elif plan.retry_after is None and plan.rows and len(plan.commands) == 1 and not plan.ended_children:
        command = plan.commands[0]
        if type(command) is Proceed and command.token == claim.token.key:
            if queue_of(claim, claim.definition.places[plan.token.path or ""].node) == claim.queue:
                return MoveUnit(plan)
        elif type(command) is Finish and claim.parent_execution is None:
            return FinishUnit(plan, final_output(plan))
    return SettleUnit(plan, holder_for(claim))


def queue_of(claim: Claim, node: Node) -> str:
    """The queue whose workers run a node for the claim's execution."""
    return getattr(node, "queue", None) or claim.home_queue


__all__ = [
    "FinishUnit",
    "GiveUp",
    "MoveUnit",
    "PlanUnit",
    "Rest",
    "SettleUnit",
    "SleepUnit",
    "final_output",
    "held_token",
    "queue_of",
    "unit_for",
]

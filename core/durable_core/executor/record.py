"""Records: the fenced writes that turn a plan into facts. Nothing of the user's runs in here.

    MoveUnit      the token goes on in its sequence: token, step rows, revision
    FinishUnit    the last step and the end of the execution in one
    SettleUnit    everything else, under the execution's lock
"""

from __future__ import annotations

from typing import Any, ClassVar

from durable_core.codec import dump_tree
from durable_core.definition.events import Finish, GiveUp, Proceed, Rest
from durable_core.errors import FencedError
from durable_core.executor.claim import CHANGES_INTERVAL, Claim
from durable_core.executor.ending import end
from durable_core.executor.plan import Plan, json_or_none
from durable_core.executor.settlement import Holder, Settled, Settlement
from durable_core.ids import iteration_key
from durable_core.status import TokenStatus
from durable_core.store import statements as sql
from durable_core.store.commit import Unit
from durable_core.store.transaction import Transaction


class PlanUnit(Unit):
    """A unit that records one plan."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


def held(plan: Plan) -> dict[str, Any]:
    """The parameters that a fenced statement needs: whose token, which fence, and where it must still stand."""
    claim, start = plan.claim, plan.start
    return {
        "id": claim.token_id,
        "fence": claim.fence,
        "execution": claim.execution_id,
        "from_path": start.path,
        "from_iteration": iteration_key(start.iterations) if start.iterations else "",
        "n": len(plan.rows),
    }


def _insert_steps(tx: Transaction, plan: Plan, revision: int) -> None:
    seq = revision - len(plan.rows)
    for row in plan.rows:
        seq += 1
        row["seq"] = seq
        tx.execute(sql.INSERT_STEP, row)


class MoveUnit(PlanUnit):
    """The token goes on to the next node of its sequence. The result is False when the fast path is closed."""

    __slots__ = ()
    safe: ClassVar[bool] = True

    def write(self, tx: Transaction) -> bool:
        plan = self.plan
        params = held(plan)
        token = plan.token
        params["path"] = token.path
        params["iteration"] = iteration_key(token.iterations) if token.iterations else ""
        params["begun_at"] = plan.rows[-1]["completed_at"] if plan.rows else None
        claim = plan.claim
        if claim.rows_since >= CHANGES_INTERVAL:
            params["changes"] = dump_tree(claim.changes_json())
            moved = tx.execute(sql.MOVE_TOKEN_KEEPING_CHANGES, params)
        else:
            moved = tx.execute(sql.MOVE_TOKEN, params)
        if not moved:
            return False
        (revision,) = tx.fetch(sql.BUMP_REVISION, {"execution": claim.execution_id, "n": len(plan.rows)})[0]
        _insert_steps(tx, plan, revision)
        return True


class FinishUnit(PlanUnit):
    """The flow's last node and the end of the execution. The result is False when the fast path is closed."""

    __slots__ = ("output",)
    safe: ClassVar[bool] = True

    def __init__(self, plan: Plan, output: Any) -> None:
        super().__init__(plan)
        self.output = output

    def write(self, tx: Transaction) -> bool:
        plan = self.plan
        if not tx.execute(sql.FINISH_TOKEN, held(plan)):
            return False
        (revision,) = tx.fetch(
            sql.COMPLETE_EXECUTION,
            {
                "execution": plan.claim.execution_id,
                "n": max(1, len(plan.rows)),
                "output": json_or_none(self.output),
                "context": dump_tree(plan.claim.context),
                "now": tx.now(),
            },
        )[0]
        _insert_steps(tx, plan, revision)
        return True


class SettleUnit(PlanUnit):
    """Anything but a plain move, under the execution's lock. The result is a `Settled`."""

    __slots__ = ("holder",)

    def __init__(self, plan: Plan, holder: Holder) -> None:
        super().__init__(plan)
        self.holder = holder

    def write(self, tx: Transaction) -> Settled:
        plan, claim = self.plan, self.plan.claim
        settlement = Settlement(tx, claim.execution_id, claim.definition)
        own = held_token(settlement, claim)
        key = claim.token.key
        settlement.steps = plan.rows
        row = settlement.rows[key]
        if plan.retry_after is not None and not own.stop:
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
            for event in plan.events:
                settlement.happen(event)
                if settlement.state[key].ended:
                    break
            if not plan.events:
                settlement.ready.append(key)
                settlement.state[key] = own
                row.update(status=TokenStatus.READY.value)
            self._keep_changes(settlement)
        settlement.keep(self.holder, preferred=key)
        if settlement.outcome is not None:
            end(settlement, claim.context if claim.is_root else None, final_output(plan), self.holder)
        settlement.write()
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


def final_output(plan: Plan) -> Any:
    for command in plan.commands:
        if isinstance(command, Finish):
            return plan.final_output if plan.has_final_output else command.output
    return None


def unit_for(plan: Plan, holder: Holder) -> Unit:
    """The cheapest unit that can record the plan."""
    claim = plan.claim
    if plan.retry_after is None and plan.rows and len(plan.commands) == 1 and not plan.ended_children:
        command = plan.commands[0]
        if type(command) is Proceed and command.token == claim.token.key:
            if queue_after(plan) == claim.queue:
                return MoveUnit(plan)
        elif type(command) is Finish and claim.parent_execution is None:
            return FinishUnit(plan, final_output(plan))
    return SettleUnit(plan, holder)


def queue_after(plan: Plan) -> str:
    """The queue of the node where the token now stands."""
    claim = plan.claim
    node = claim.definition.places[plan.token.path or ""].node
    return getattr(node, "queue", None) or claim.home_queue


__all__ = ["FinishUnit", "GiveUp", "MoveUnit", "PlanUnit", "Rest", "SettleUnit", "final_output", "held_token", "unit_for"]

"""Records: the fenced writes that turn a plan into facts. Nothing of the user's runs in here.

MoveUnit      the token goes on in its sequence: token, step rows, revision
FinishUnit    the last step and the end of the execution in one
SettleUnit    everything else, under the execution's lock
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from durable_core.codec import dump_tree
from durable_core.definition.events import Finish, GiveUp, Halted, Proceed, Rest, Spawn
from durable_core.errors import FencedError
from durable_core.executor.claim import CHANGES_INTERVAL, Claim
from durable_core.executor.control import abandon_waits
from durable_core.executor.ending import end
from durable_core.executor.plan import Plan, json_or_none
from durable_core.executor.settlement import Holder, Settled, Settlement
from durable_core.executor.suspend import block, suspend
from durable_core.failpoints import failpoint
from durable_core.ids import iteration_key
from durable_core.status import TokenStatus
from durable_core.store import statements as sql
from durable_core.store.commit import Unit
from durable_core.store.group import RECORD, record_params
from durable_core.store.transaction import Transaction


class PlanUnit(Unit):
    """A unit that records one plan."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


class FastUnit(PlanUnit):
    """A record that needs no lock beyond its own statements.

    The result is False when the fast path is closed: the token is not this worker's any more, or something is asked of
    the execution.
    """

    __slots__ = ("revision",)
    safe: ClassVar[bool] = True
    finish: ClassVar[bool]

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.revision = 0

    def held(self) -> dict[str, Any]:
        """The parameters that a fenced statement needs: whose token, which fence, and where it must still stand."""
        claim, start = self.plan.claim, self.plan.start
        return {
            "id": claim.token_id,
            "fence": claim.fence,
            "execution": claim.execution_id,
            "from_path": start.path,
            "from_iteration": iteration_key(start.iterations) if start.iterations else "",
        }

    def write(self, tx: Transaction) -> bool:
        if tx.dialect == "postgres":
            record_group(tx, (self,))
            return bool(self.result)
        plan = self.plan
        claim = plan.claim
        count = len(plan.rows)
        before = claim.revision
        if not self.advance(tx, before, before + count):
            # another token of the execution was quicker; or the fast path is closed
            found = tx.fetch_one(sql.SELECT_REVISION, {"execution": claim.execution_id})
            if found is None or found[0] == before:
                return False
            before = found[0]
            if not self.advance(tx, before, before + count):
                return False
        seq = before
        for row in plan.rows:
            seq += 1
            row["seq"] = seq
            tx.execute(sql.INSERT_STEP, row)
        failpoint("inside_record", claim.token_id)
        self.revision = seq
        return True

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        """Move the token, if it is held and the execution's revision is still `before`."""
        raise NotImplementedError

    def as_record(self) -> dict[str, Any]:
        """The record as a row of `store.group.RECORD`."""
        return {**self.held(), "n": len(self.plan.rows), "finish": self.finish}

    def step_records(self) -> list[dict[str, Any]]:
        """The step rows for `store.group.RECORD`: `seq` counts back from the record's revision."""
        last = len(self.plan.rows) - 1
        token_id = self.plan.claim.token_id
        return [{**row, "seq": last - offset, "token_id": token_id} for offset, row in enumerate(self.plan.rows)]

    def group_writer(self) -> Callable[[Transaction, Sequence[Any]], None]:
        return record_group

    def recorded_as(self, revision: int) -> None:
        """The group's statement recorded it."""
        first = revision - len(self.plan.rows)
        for offset, row in enumerate(self.plan.rows, 1):
            row["seq"] = first + offset
        self.revision = revision
        self.result = True


class MoveUnit(FastUnit):
    """The token goes on to the next node of its sequence."""

    __slots__ = ()
    finish: ClassVar[bool] = False

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        claim = self.plan.claim
        head = {"execution": claim.execution_id, "before": before, "revision": revision}
        if not tx.execute(sql.ADVANCE_REVISION, head):
            return False
        params = self.target()
        params["revision"] = revision
        statement = sql.MOVE_TOKEN_KEEPING_CHANGES if "changes" in params else sql.MOVE_TOKEN
        if tx.execute(statement, params):
            return True
        # fenced: the revision goes back to what it was, in this same transaction
        tx.execute(sql.ADVANCE_REVISION, {**head, "before": revision, "revision": before})
        return False

    def target(self) -> dict[str, Any]:
        plan = self.plan
        params = self.held()
        token, claim = plan.token, plan.claim
        params["path"] = token.path
        params["iteration"] = iteration_key(token.iterations) if token.iterations else ""
        params["begun_at"] = plan.rows[-1]["completed_at"] if plan.rows else None
        if claim.rows_since >= CHANGES_INTERVAL:
            params["changes"] = dump_tree(claim.changes_json())
        return params

    def as_record(self) -> dict[str, Any]:
        return {**self.target(), "n": len(self.plan.rows), "finish": False}


class FinishUnit(FastUnit):
    """The flow's last node and the end of the execution."""

    __slots__ = ("output",)
    finish: ClassVar[bool] = True

    def __init__(self, plan: Plan, output: Any) -> None:
        super().__init__(plan)
        self.output = output

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        params = self.held()
        if tx.fetch_one(sql.HOLDS_TOKEN, params) is None:
            return False
        completed = tx.execute(
            sql.COMPLETE_EXECUTION,
            {
                "execution": params["execution"],
                "before": before,
                "revision": revision,
                "output": json_or_none(self.output),
                "context": dump_tree(self.plan.claim.context),
                "now": tx.now(),
            },
        )
        return bool(completed and tx.execute(sql.DELETE_TOKEN, params))

    def as_record(self) -> dict[str, Any]:
        record = super().as_record()
        record["output"] = json_or_none(self.output)
        record["context"] = dump_tree(self.plan.claim.context)
        return record


def record_group(tx: Transaction, units: Sequence[FastUnit]) -> None:
    """Record many fast units by one statement (PostgreSQL); one execution appears in it once."""
    left = list(units)
    while left:
        chosen: dict[str, FastUnit] = {}
        later: list[FastUnit] = []
        for unit in left:
            if chosen.setdefault(unit.plan.claim.execution_id, unit) is not unit:
                later.append(unit)
        by_token = {unit.plan.claim.token_id: unit for unit in chosen.values()}
        params = record_params(
            [unit.as_record() for unit in by_token.values()],
            [row for unit in by_token.values() for row in unit.step_records()],
        )
        for unit in by_token.values():
            unit.result = False
        for token_id, revision in tx.fetch_alone(RECORD, params):
            by_token[token_id].recorded_as(revision)
        failpoint("inside_record", next(iter(by_token)))
        left = later


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


__all__ = [
    "FinishUnit",
    "GiveUp",
    "MoveUnit",
    "PlanUnit",
    "Rest",
    "SettleUnit",
    "final_output",
    "held_token",
    "unit_for",
]

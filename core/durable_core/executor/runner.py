"""Drives claimed tokens: attempt, plan, record, and on to the next node, in the same thread where that can be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.clock import SYSTEM_CLOCK, Clock
from durable_core.definition.nodes import EventNode, Node, SleepNode, WorkNode
from durable_core.errors import FencedError, StoreError
from durable_core.executor.attempt import WITH_BODY, Attempts
from durable_core.executor.captured import LinesUnit
from durable_core.executor.claim import CHANGES_INTERVAL, Claim
from durable_core.executor.compensate import CompensateUnit, Compensation, plan_compensation
from durable_core.executor.fold import plan_arrival, plan_outcome
from durable_core.executor.join import plan_join
from durable_core.executor.loop import LoopThread
from durable_core.executor.outcome import Broke, Done, Outcome
from durable_core.executor.plan import Plan, tell_by
from durable_core.executor.record import (
    FinishUnit,
    MoveUnit,
    PlanUnit,
    SettleUnit,
    SleepUnit,
    kind_of,
    queue_of,
    unit_for,
)
from durable_core.executor.settlement import Holder, Settled
from durable_core.executor.slots import Slots
from durable_core.executor.telling import moved_message
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.store.commit import Committer, Unit
from durable_core.store.transaction import ConstraintError

log = logging.getLogger("durable_studio.executor")
now_us = SYSTEM_CLOCK.now_us
_RECORDS = (PlanUnit, CompensateUnit)


@dataclass(slots=True)
class Surroundings:
    """What a runner needs of the worker around it."""

    committer: Committer
    attempts: Attempts
    bus: LocalBus
    holder_for: Callable[[Claim], Holder]
    load: Callable[[str], Claim | None]
    """The claim for a token that was just kept."""
    released: Callable[[Claim], None]
    """The claim's token left this worker's hands."""
    moved: Callable[[Claim, Claim], None]
    """The slot of the first claim goes on with the second."""
    slept: Callable[[SleepUnit], None]
    """A token was put to sleep."""
    work_waits: Callable[[int | None], None]
    """Tokens became ready (None) or become due at a time."""
    interrupt: Callable[[str], None]
    still_held: Callable[[Claim], bool]
    """Whether the lease is good right now (checked right before a body starts)."""
    later: Callable[[float, Callable[[], None]], None]
    test_clock: Clock | None = None
    """What the times of records are told by, where that is not the machine's own clock."""


class Runner:
    """Takes claims and runs each as far as it goes."""

    def __init__(self, around: Surroundings, threads: int) -> None:
        self.around = around
        self.slots = Slots(self.work, threads)
        self.loop = LoopThread()
        self._finished: list[Unit] = []
        self.closed = False
        """The leases are being handed back: what bodies still come to is thrown away, and happens again elsewhere."""

    # --- entry -----------------------------------------------------------------------------------------------------

    def dispatch(self, *claims: Claim) -> None:
        """Send claims to where the next piece of work of each runs."""
        coroutines = []
        for claim in claims:
            if claim.token.mode == "run" and claim.token.path is not None and _is_coroutine(claim, claim.node):
                coroutines.append(claim)
                continue
            try:
                self.slots.submit(claim)
            except RuntimeError:  # the machine has no thread for it
                self._dropped(claim)
        if coroutines:  # they begin together, so that they can share a commit as well
            self._begin_coroutines(coroutines)

    def _begin_coroutines(self, claims: Sequence[Claim]) -> None:
        try:
            self.loop.start(*(partial(self._work_async, claim) for claim in claims))
        except RuntimeError:  # the machine has no thread for the loop
            for claim in claims:
                self._dropped(claim)

    def dispatch_all(self, claims: Sequence[Claim]) -> None:
        """The same for many that were claimed together: waits that are over share a commit."""
        over: list[Claim] = []
        others: list[Claim] = []
        for claim in claims:
            (over if len(claims) > 1 and _is_over(claim) else others).append(claim)
        self.dispatch(*others)
        units = [unit for claim in over if (unit := self._step(claim)) is not None]
        if units and not self.closed:
            self._bring(units)

    # --- threads ---------------------------------------------------------------------------------------------------

    def work(self, claim: Claim) -> None:
        """Go on with a claim in this thread as long as it is ours and has work for a thread."""
        current: Claim | None = claim
        try:
            while current is not None:
                unit = self._step(current)
                if unit is None or self.closed:
                    return
                current = self._record(unit)
        except Exception:
            self._dropped(current or claim)

    def _step(self, claim: Claim) -> Unit | None:
        """Do what comes next for the claim, and say what is to be recorded; None when that is others' to say."""
        around, token = self.around, claim.token
        if not around.still_held(claim):
            around.released(claim)
            return None
        try:
            if token.mode == "compensate":
                return self._compensate(claim)
            if token.mode == "join":
                return self.unit_for(plan_join(claim, around.committer.database))
            node = None if token.path is None else claim.definition.places[token.path].node
            if node is None or not isinstance(node, WITH_BODY):
                return self.unit_for(plan_arrival(claim))
            if not _is_coroutine(claim, node):
                failpoint("before_body", claim.token_id)
                started_at = begun(claim)
                outcome = around.attempts.run(claim, node, started_at)
                if outcome is None:  # given up on: whoever did that recorded it
                    return None
                failpoint("after_body", claim.token_id)
                return self.unit_for(self._plan(claim, node, outcome, started_at))
        except Exception as error:  # a defect of ours must end as a recorded failure, never as a lost token
            log.exception("execution %s: internal error", claim.execution_id)
            return self.unit_for(_broken(claim, error))
        self._begin_coroutines([claim])
        return None

    def _plan(self, claim: Claim, node: Node, outcome: Outcome, started_at: int) -> Plan:
        try:
            return plan_outcome(claim, node, outcome, started_at)
        except Exception as error:
            log.debug("execution %s: outcome could not be recorded", claim.execution_id, exc_info=True)
            return plan_outcome(claim, node, Broke(describe_exception(error), again=False), started_at)

    def unit_for(self, plan: Plan) -> Unit:
        """The record of a plan, by the clock that counts."""
        if self.around.test_clock is not None:
            now = tell_by(self.around.test_clock, plan.claim, plan.rows)
            if plan.begun_at != plan.claim.begun_at:
                plan.begun_at = now
        return unit_for(plan, self.around.holder_for)

    def _compensate(self, claim: Claim) -> Unit | None:
        plan = plan_compensation(claim, self.around.committer.database, self.around.still_held)
        if plan is None:
            self.around.released(claim)
            return None
        if self.around.test_clock is not None:
            tell_by(self.around.test_clock, claim, plan.rows)
        return CompensateUnit(plan, self.around.holder_for(claim))

    # --- the event loop --------------------------------------------------------------------------------------------

    async def _work_async(self, claim: Claim) -> None:
        around = self.around
        if not around.still_held(claim):
            around.released(claim)
            return
        unit: Unit
        try:
            node = claim.node
            failpoint("before_body", claim.token_id)
            started_at = begun(claim)
            outcome = await around.attempts.run_async(claim, node, started_at)
            failpoint("after_body", claim.token_id)
            unit = self.unit_for(self._plan(claim, node, outcome, started_at))
        except Exception as error:
            log.exception("execution %s: internal error", claim.execution_id)
            unit = self.unit_for(_broken(claim, error))
        if self.closed:
            return
        first = not self._finished
        self._finished.append(unit)
        if first:
            # whatever else finishes in this turn of the loop shares the commit
            self.loop.soon(self._flush)

    def _flush(self) -> None:
        units, self._finished = self._finished, []
        self._bring(units)

    def _bring(self, units: Sequence[Unit]) -> None:
        """Bring the records of several claims to the store, in one commit."""
        for unit in units:
            unit.then = self.recorded
        failpoint("before_record")
        if not self.around.committer.submit([each for unit in units for each in with_lines(unit)]):
            return
        failpoint("after_record")
        self.dispatch(*(following for unit in units if (following := self._followed(unit)) is not None))

    def move_on(self, claim: Claim) -> MoveUnit | None:
        """The move of a sleep that is over to the body after it, where its own step rows can record that."""
        node = claim.node
        following = claim.definition.places[node.path].next
        if not isinstance(node, SleepNode) or following is None or claim.token.mode != "run":
            return None
        after = claim.definition.places[following].node
        if not isinstance(after, WITH_BODY) or queue_of(claim, after) != claim.queue:
            return None  # what lies between is decided, and recorded, once the claim holds
        unit = self.unit_for(plan_outcome(claim, node, Done(None, []), begun(claim)))
        assert isinstance(unit, MoveUnit) and unit.ahead
        return unit

    def moved_on(self, unit: MoveUnit) -> None:
        """That move was recorded with the claim."""
        unit.recorded_ahead()
        self._after(unit)

    # --- recording -------------------------------------------------------------------------------------------------

    def _record(self, unit: Unit) -> Claim | None:
        """Bring a record to the store; returns what this thread goes on with, or None when others will."""
        unit.then = self.recorded
        failpoint("before_record")
        committer, units = self.around.committer, with_lines(unit)
        # where others wait for this thread it takes them first, and their records share a commit
        if self.slots.backlog or not committer.try_commit(units):
            committer.enqueue(units)
            return None
        failpoint("after_record")
        return self._after(unit)

    def recorded(self, unit: Unit) -> None:
        following = self._followed(unit)
        if following is not None:
            self.dispatch(following)

    def _followed(self, unit: Unit) -> Claim | None:
        try:
            return self._after(unit)
        except Exception:
            assert isinstance(unit, _RECORDS)
            self._dropped(unit.plan.claim)
            return None

    def _dropped(self, claim: Claim) -> None:
        """Between two steps of ours something broke: let go, and the heartbeat gives back what nobody works on."""
        log.exception("execution %s: %s was dropped", claim.execution_id, claim.token_id)
        self.around.released(claim)

    def _after(self, unit: Unit) -> Claim | None:
        """What follows from a record, once it is durable (or has failed)."""
        assert isinstance(unit, _RECORDS)
        claim = unit.plan.claim
        if unit.error is not None:
            return self._not_recorded(unit, claim, unit.error)
        if type(unit) is MoveUnit and unit.result:
            claim.token = unit.plan.token.running()
            claim.revision = unit.revision
            claim.row_at = unit.row_at
            claim.waits = []  # nobody was there before
            if claim.rows_since >= CHANGES_INTERVAL:
                claim.rows_since = 0
            if self.around.bus.listens(claim.execution_id):
                self.around.bus.publish(moved_message(unit.plan, unit.revision))
            return claim
        match unit:
            case FinishUnit() if unit.result:
                self._tell_step(unit.plan)
                self.around.released(claim)
                self._tell("ended", claim.execution_id, unit.revision, "completed")
                return None
            case SleepUnit() if unit.result:
                failpoint("after_wait", claim.token_id)
                self.around.slept(unit)
                self.around.released(claim)
                self.around.work_waits(unit.due)
                self._tell("tokens", claim.execution_id, unit.revision, "waiting")
                return None
            case MoveUnit() | FinishUnit() | SleepUnit():
                # fenced, stopping, paused or recorded before: the locked path finds out which
                self._again(SettleUnit(unit.plan, self.around.holder_for(claim), tried=True))
                return None
            case CompensateUnit():
                failpoint("compensation_recorded", claim.token_id)
                self._tell_step(unit.plan)
                return self._settled(unit.result, claim)
            case _:
                failpoint(f"after_{kind_of(unit.plan)}", claim.token_id)
                self._tell_step(unit.plan)
                return self._settled(unit.result, claim)

    def _settled(self, settled: Settled, claim: Claim) -> Claim | None:
        around = self.around
        for token_id in settled.interrupts:
            around.interrupt(token_id)
        following = None
        if settled.kept is not None:
            following = around.load(settled.kept)
        if following is not None:
            around.moved(claim, following)
        else:
            around.released(claim)
        if settled.ready or settled.next_due is not None:
            around.work_waits(None if settled.ready else settled.next_due)
        if settled.ended:
            self._tell("ended", claim.execution_id, settled.revision, settled.status)
            if settled.parent_id is not None:
                around.work_waits(None)
        else:
            self._tell("tokens", claim.execution_id, settled.revision, settled.status)
        return following

    def _again(self, unit: Unit) -> None:
        unit.then = self.recorded
        self.around.committer.enqueue((unit,))

    def _not_recorded(self, unit: Any, claim: Claim, error: BaseException) -> Claim | None:
        if isinstance(error, FencedError):
            log.info("execution %s: %s", claim.execution_id, error)
            following = self._recorded_before(claim)
            if following is None:
                self.around.released(claim)
            else:
                self.around.moved(claim, following)
            return following
        if isinstance(error, StoreError) and not isinstance(error, ConstraintError):
            log.warning("execution %s: the store does not answer, trying again: %s", claim.execution_id, error)
            unit.error = None
            self.around.later(0.5, lambda: self._again(unit))
            return None
        if getattr(unit.plan, "hopeless", False):
            log.error("execution %s cannot be recorded: %s", claim.execution_id, error)
            self.around.released(claim)
            return None
        log.error("execution %s: a record was refused: %s", claim.execution_id, error, exc_info=error)
        plan = _broken(claim, error)
        plan.hopeless = True
        self._again(SettleUnit(plan, self.around.holder_for(claim), tried=True))
        return None

    def _recorded_before(self, claim: Claim) -> Claim | None:
        """The token of a compensation that was recorded though the reply got lost (D-3): the next handler follows.

        Whatever else was stored before is found by `SettleUnit`.
        """
        following = self.around.load(claim.token_id)
        if following is None or following.fence != claim.fence or following.token.mode != "compensate":
            return None
        return following

    # --- telling ---------------------------------------------------------------------------------------------------

    def _tell_step(self, plan: Plan | Compensation) -> None:
        if not self.around.bus.listens(plan.claim.execution_id):
            return
        for row in plan.rows:
            self.around.bus.publish(Message("step", plan.claim.execution_id, row["seq"], row["path"], row["status"]))

    def _tell(self, kind: Any, execution_id: str, revision: int = 0, status: str = "") -> None:
        if kind == "ended" or self.around.bus.listens(execution_id):
            self.around.bus.publish(Message(kind, execution_id, revision, status=status))

    def close(self, held: Iterable[Claim]) -> None:
        """Begin nothing and record nothing more; the bodies of `held` that can be interrupted are."""
        self.closed = True
        for claim in held:
            interrupt = claim.interrupt
            if interrupt is not None:
                interrupt()
        self.slots.close()
        self.loop.close()


def with_lines(unit: Any) -> tuple[Unit, ...]:
    """The record, after the captured lines that belong to it."""
    claim = unit.plan.claim
    if not claim.lines:
        return (unit,)
    lines, claim.lines = claim.lines, []
    if isinstance(unit, PlanUnit):
        unit.plan.logs = lines
    return (LinesUnit(claim, lines), unit)


def _is_coroutine(claim: Claim, node: Node) -> bool:
    """Whether the node's body runs on the event loop."""
    return isinstance(node, WorkNode) and node.isolation == "thread" and claim.workflow.body(node.path).is_async


def _is_over(claim: Claim) -> bool:
    """Whether the node where the claim stands is a wait that has ended, and that no code of the user's is to judge.

    Waits that begin are left to the threads: what goes to sleep quicker than it can be woken is woken late.
    """
    if claim.pass_number == 1 or claim.token.mode != "run" or claim.token.path is None:
        return False
    node = claim.node
    return isinstance(node, EventNode) or (isinstance(node, SleepNode) and node.until is None)


def begun(claim: Claim) -> int:
    """When the node's first pass began: a later pass goes on with it."""
    return claim.begun_at if claim.pass_number > 1 and claim.begun_at else now_us()


def _broken(claim: Claim, error: BaseException) -> Plan:
    """The plan that records an error of ours, or of the store, as the node's failure."""
    return plan_outcome(claim, claim.node, Broke(describe_exception(error), again=False), now_us())

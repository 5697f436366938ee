"""A worker: claims tokens, keeps their leases, runs them, and takes over what dead workers left."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.capture import HOOKS
from durable_core.clock import SYSTEM_CLOCK, Clock
from durable_core.codec import dump_tree
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import StoreError
from durable_core.executor.alarms import Alarms
from durable_core.executor.attempt import Attempts, Waiting
from durable_core.executor.captured import Capture
from durable_core.executor.claim import Claim
from durable_core.executor.definitions import Definitions
from durable_core.executor.fold import plan_outcome
from durable_core.executor.heart import Heart, Reactions
from durable_core.executor.holdings import Holdings
from durable_core.executor.intake import Intake
from durable_core.executor.oslock import ProcessLock, host_identity, lock_path
from durable_core.executor.runner import Runner, Surroundings
from durable_core.executor.settlement import Holder
from durable_core.executor.sleep_unit import SleepUnit
from durable_core.executor.start import Beginning, Begun
from durable_core.executor.sweep import Hands, Sweeper
from durable_core.executor.takeover import give_back
from durable_core.executor.timers import Timers
from durable_core.failpoints import failpoint
from durable_core.ids import new_id
from durable_core.queue.database import DatabaseQueue
from durable_core.queue.protocol import ClaimRequest, Queue
from durable_core.status import TokenStatus
from durable_core.store import claims
from durable_core.store import statements as sql
from durable_core.store.commit import Committer
from durable_core.store.transaction import ContentionError, Transaction

log = logging.getLogger("durable_studio.executor")

DEFAULT_LEASE = 30.0
"""Seconds that a silent worker keeps its tokens; a killed one on this machine is noticed at once."""
IDLE_POLL_SECONDS = 2.0
"""How long an idle worker sleeps when nobody tells it of new work; changes are noticed much sooner as a rule."""
GATHER_SECONDS = 0.001
"""How long a full worker waits for more free slots than the first."""
GRACE_SECONDS = 10.0
"""How long running bodies may go on when a worker stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How much a worker takes on, and how long it may be silent."""

    queues: Mapping[str, int]
    lease: float = DEFAULT_LEASE
    name: str | None = None
    max_crashes: int = 5


class Worker:
    """One worker in this process. `start` it, `close` it; everything between is its own threads."""

    def __init__(
        self,
        committer: Committer,
        definitions: Definitions,
        clock: Clock,
        bus: LocalBus,
        waiting: Waiting,
        capture: Capture,
        options: WorkerOptions,
        queue: Queue | None = None,
        wake_all: Callable[[], None] | None = None,
    ) -> None:
        """`wake_all` tells every worker of this process that there may be work, in whichever queue."""
        self.id = new_id("w")
        self.options = options
        self.committer = committer
        self.database = committer.database
        self.queue: Queue = DatabaseQueue(committer, self.wake) if queue is None else queue
        self._wake_all = self.wake if wake_all is None else wake_all
        self.definitions = definitions
        self.clock = clock
        self.bus = bus
        self.lease_us = int(options.lease * 1_000_000)
        self.capture = capture
        self.timers = Timers()
        self.attempts = Attempts(self.timers, waiting, capture)
        self.attempts.on_expired = self._expired
        self.attempts.on_abandoned_end = self._abandoned_end
        self.holdings = Holdings(options.queues)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._full = False
        self._others_committed = False
        self._threads: list[threading.Thread] = []
        self._process_lock: ProcessLock | None = None
        self._stop_heart = threading.Event()
        self._intake = Intake(self.id, committer, definitions, bus, capture, self.holdings, self._work_on, self.wake)
        self._heart = Heart(
            self.id,
            options.lease,
            self.holdings,
            committer,
            clock,
            Reactions(lost=self._lost, give_back=self._give_back),
        )
        self._sweeper = Sweeper(
            self.id,
            self.lease_us,
            self.holdings,
            committer,
            definitions,
            bus,
            Hands(
                stopping=lambda: self._stopping, take_up=self._intake.take_up, interrupt=self.interrupt, wake=self.wake
            ),
        )
        self.runner = Runner(
            Surroundings(
                committer=committer,
                attempts=self.attempts,
                bus=bus,
                holder_for=self._holder_for,
                load=self._intake.load_kept,
                released=self._released,
                moved=self.holdings.replace,
                slept=self._slept,
                work_waits=self._work_waits,
                interrupt=self.interrupt,
                still_held=self._still_held,
                later=lambda seconds, function: (self.timers.after(seconds, function), None)[1],
                test_clock=None if clock is SYSTEM_CLOCK else clock,
            ),
            threads=max(1, sum(options.queues.values())),
        )
        self._alarms: Alarms | None = None
        if isinstance(self.queue, DatabaseQueue):  # another queue says by itself whose turn it is
            self._alarms = Alarms(self.id, committer, self.lease_us, self.holdings, self.runner)

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Announce the worker, take over what the dead left, and begin to claim."""
        path = lock_path(self.database.identity(), self.id)
        self._process_lock = ProcessLock(path)
        names = registry.names()

        def announce(tx: Transaction) -> None:
            tx.execute(
                sql.INSERT_WORKER,
                {
                    "id": self.id,
                    "name": self.options.name or f"{os.getpid()}",
                    "host": host_identity(),
                    "pid": os.getpid(),
                    "lock_file": str(path),
                    "queues": dump_tree(dict(self.options.queues)),
                    "workflows": dump_tree(list(names)),
                    "lease": self.options.lease,
                    "now": tx.now(),
                },
            )

        HOOKS.acquire()
        self.committer.run(announce)
        self._heart.begin()
        try:
            self._sweeper.sweep()
        except ContentionError as error:  # another worker sweeps as well: the next sweep comes in a second
            log.info("worker %s sweeps later: %s", self.id, error)
        loops: dict[str, Callable[[], None]] = {
            "claims": self._claim_loop,
            "heart": partial(self._heart.loop, self._stop_heart),
            "sweep": partial(self._sweeper.loop, self._stop_heart),
        }
        for name, loop in loops.items():
            thread = threading.Thread(target=loop, name=f"durable-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, grace: float = GRACE_SECONDS) -> None:
        """No new claims; running bodies get `grace` seconds; then leases are handed back, and no crash is counted."""
        failpoint("before_stop", self.id)
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self._wake.set()
        deadline = time.monotonic() + grace
        while not self.idle and time.monotonic() < deadline:
            time.sleep(0.005)
        self.runner.close(list(self.holdings.claims.values()))
        self._stop_heart.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=5.0)
        failpoint("before_hand_back", self.id)
        try:
            with self.database.read() as tx:
                left = tx.fetch(sql.HELD_TOKENS, {"worker": self.id})
            for token_id, fence in left:
                self.committer.run(self._return(token_id, fence))
            self.committer.run(
                lambda tx: tx.execute(sql.END_WORKER, {"worker": self.id, "status": "stopped", "now": tx.now()})
            )
        except StoreError as error:
            log.warning("worker %s could not say goodbye: %s", self.id, error)
        failpoint("after_stop", self.id)
        self.timers.close()
        HOOKS.release()
        if self._process_lock is not None:
            self._process_lock.release()

    def vanish(self) -> None:
        """End as a killed process does: nothing is handed back, and whoever sweeps next takes over what it held.

        Bodies cannot be killed: one that still runs goes on in its thread, and what it comes to is thrown away.
        """
        with self._lock:
            self._stopping = self.runner.closed = True
        self._stop_heart.set()
        self._wake.set()
        for thread in self._threads:  # the dead claim nothing: what is being claimed belongs to what it held
            if thread is not threading.current_thread():
                thread.join(timeout=5.0)
        self.holdings.clear()
        self.timers.close()
        HOOKS.release()
        if self._process_lock is not None:
            self._process_lock.lose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wake(self) -> None:
        """There may be work."""
        self._wake.set()

    def others_committed(self, executions: frozenset[str] | None) -> None:
        """Another process has committed something: look for work, and for bodies of ours that it asks to stop."""
        self._others_committed = True
        self._wake.set()

    @property
    def closed(self) -> bool:
        """Whether it claims nothing any more."""
        return self._stopping

    @property
    def idle(self) -> bool:
        """Whether it holds nothing."""
        return not self.holdings.claims

    # --- what the runner needs -------------------------------------------------------------------------------------

    def _holder_for(self, claim: Claim) -> Holder:
        def serves(queue: str) -> bool:
            if self._stopping:
                return False
            if queue == claim.queue:
                return True
            return self.holdings.room(queue) > 0

        return Holder(self.id, self.lease_us, serves, self.definitions)

    def _work_on(self, loaded: Sequence[Claim]) -> None:
        self.runner.dispatch_all([claim for claim in loaded if self.holdings.add(claim)])

    def take_begun(self, workflow: Workflow, beginning: Beginning, begun: Begun, compared: int) -> None:
        """Start on a token that was claimed in the transaction that started its execution: nothing is read.

        `compared` is `holdings.comparisons` as it was before that transaction.
        """
        assert begun.token is not None
        claim = Claim(
            execution_id=begun.execution_id,
            token_id=begun.execution_id,
            token=begun.token._replace(status=TokenStatus.RUNNING),
            workflow=workflow,
            definition=beginning.definition,
            fence=1,
            queue=begun.queue,
            home_queue=begun.home_queue,
            context=dict(beginning.input),
            delta=None,
            input=beginning.input,
            parent_execution=beginning.parent_id,
            scheduled_for=beginning.scheduled_for,
            capture=self.capture,
            waits=[],
            compared=compared,
        )
        if self.holdings.add(claim):
            self.runner.dispatch(claim)

    def room(self, queue: str) -> int:
        """How many more tokens of a queue it would take."""
        return 0 if self._stopping else self.holdings.room(queue)

    def reserve(self, queue: str) -> Holder | None:
        """Room for one more token of a queue, as the holder to start it with; None when there is none."""
        if self.room(queue) <= 0:
            return None
        return Holder(self.id, self.lease_us, lambda name: name == queue)

    def _slept(self, unit: SleepUnit) -> None:
        if self._alarms is not None:
            self._alarms.keep(unit, self.clock.now_us())

    def _released(self, claim: Claim) -> None:
        self.holdings.remove(claim)
        if self._full and not claim.abandoned:
            self._wake.set()

    def _abandoned_end(self, claim: Claim) -> None:
        self.holdings.abandoned_end(claim)
        self._wake.set()

    def _work_waits(self, due: int | None) -> None:
        if due is None:
            self._wake_all()
        else:
            self.timers.after((due - self.clock.now_us()) / 1_000_000, self._wake_all)

    def interrupt(self, token_id: str) -> None:
        """Ask the body that runs for a token to stop: async ones are cancelled, the others see `ctx.cancelled`."""
        claim = self.holdings.claims.get(token_id)
        if claim is not None:
            claim.stopped = True
            interrupt = claim.interrupt
            if interrupt is not None:
                interrupt()

    def interrupt_execution(self, execution_id: str) -> None:
        for claim in list(self.holdings.claims.values()):
            if claim.execution_id == execution_id:
                self.interrupt(claim.token_id)

    def _still_held(self, claim: Claim) -> bool:
        if self._stopping:
            return False  # the token goes back in `close`
        if claim.doubtful and not self._heart.proves(claim):
            return False
        self._heart.see_to_leases()
        return self.holdings.claims.get(claim.token_id) is claim

    def _expired(self, claim: Claim, node: object, outcome: object, started_at: int) -> None:
        self.holdings.abandon(claim)
        plan = plan_outcome(claim, node, outcome, started_at)  # type: ignore[arg-type]
        unit = self.runner.unit_for(plan)
        unit.then = self.runner.recorded
        self.committer.enqueue((unit,))

    # --- threads ---------------------------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        while not self._stopping:
            try:
                pause = self._claim_once()
            except StoreError as error:
                log.warning("worker %s cannot claim: %s", self.id, error)
                pause = 1.0
            except Exception:
                log.exception("worker %s: claiming failed", self.id)
                pause = 1.0
            if pause > 0:
                self._wake.wait(pause)
            self._wake.clear()

    def _claim_once(self) -> float:
        """Claim what there is; returns how many seconds to sleep if nobody wakes us."""
        self._intake.settle_refused()
        if self._others_committed:
            self._others_committed = False
            self._sweeper.heed_stop_requests()
        if self._full and self.holdings.nearly_full:
            time.sleep(GATHER_SECONDS)  # records come in groups: the other slots of this one are about to be free
        free = self.holdings.free()
        self._full = len(free) < len(self.options.queues)
        names = registry.names()
        if free and names and (self._wake_own(free, names) or self._claim(free, names)):
            return 0.0
        with self.database.read() as tx:
            due = claims.next_due(tx)
            now = tx.now()
        if due is None:
            return IDLE_POLL_SECONDS
        if due <= now:
            # a deadline, or work that this worker does not serve: the sweep and others see to those
            return min(IDLE_POLL_SECONDS, 0.05) if self._sweeper.deadlines() else IDLE_POLL_SECONDS
        return min(IDLE_POLL_SECONDS, (due - now) / 1_000_000)

    def _wake_own(self, free: Mapping[str, int], names: list[str]) -> bool:
        """Wake what this worker put to sleep, unless other tokens are ready: those go by priority and time."""
        now = self.clock.now_us()
        if self._alarms is None or not self._alarms.due(now):
            return False
        with self.database.read() as tx:
            if claims.any_ready(tx, list(free), names):
                return False
        woken = self._alarms.wake(now, free)
        if woken:
            self._tell_claimed({claim.execution_id for claim in woken})
            self._work_on(woken)
        return bool(woken)

    def _claim(self, free: Mapping[str, int], names: list[str]) -> int:
        request = ClaimRequest(worker_id=self.id, free=free, workflows=names, lease_us=self.lease_us)
        claimed = self.queue.claim(request)
        if not claimed:
            return 0
        taken = [each.token_id for each in claimed]
        begun = {each.execution_id for each in claimed}
        failpoint("after_claim", self.id)
        self.committer.run(lambda tx: claims.mark_running(tx, claimed))
        failpoint("after_mark", self.id)
        self._tell_claimed(begun)
        self._intake.take_up(taken)
        return len(taken)

    def _tell_claimed(self, executions: set[str]) -> None:
        for execution_id in executions:
            if self.bus.listens(execution_id):
                self.bus.publish(Message("tokens", execution_id))
        self._full = True  # more may wait than was free: look again when a slot is

    def _lost(self, claim: Claim) -> None:
        self.interrupt(claim.token_id)
        self._released(claim)

    def _give_back(self, token_id: str, fence: int) -> None:
        self.committer.run(self._return(token_id, fence))
        self._wake.set()

    def _return(self, token_id: str, fence: int) -> Callable[[Transaction], None]:
        return partial(
            give_back, token_id=token_id, fence=fence, worker_id=self.id, definition_of=self.definitions.stored
        )

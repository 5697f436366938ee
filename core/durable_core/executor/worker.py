"""A worker: claims tokens, keeps their leases, runs them, and takes over what dead workers left."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Literal, Self

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.capture import HOOKS
from durable_core.clock import Clock
from durable_core.codec import dump_tree
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import StoreError
from durable_core.executor.attempt import Attempts, Waiting
from durable_core.executor.captured import Capture
from durable_core.executor.claim import Claim
from durable_core.executor.deadlines import expire_deadlines
from durable_core.executor.definitions import Definitions
from durable_core.executor.fold import plan_outcome
from durable_core.executor.load import Loader
from durable_core.executor.oslock import ProcessLock, host_identity, lock_path
from durable_core.executor.record import unit_for
from durable_core.executor.refused import Refused
from durable_core.executor.runner import Runner, Surroundings
from durable_core.executor.settlement import Holder
from durable_core.executor.start import Beginning, Begun
from durable_core.executor.takeover import bury, dead_workers, give_back, take_over_expired
from durable_core.executor.timers import Timers
from durable_core.executor.versions import Unblocker, adopt, park, unblock
from durable_core.failpoints import failpoint
from durable_core.ids import new_id
from durable_core.query.fitness import Adopts, Misfits, Unknown
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
SWEEP_SECONDS = 1.0
"""How often dead workers and expired leases are looked for."""
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
    ) -> None:
        self.id = new_id("w")
        self.options = options
        self.committer = committer
        self.database = committer.database
        self.queue: Queue = DatabaseQueue(committer, self.wake) if queue is None else queue
        self.definitions = definitions
        self.clock = clock
        self.bus = bus
        self.lease_us = int(options.lease * 1_000_000)
        self.capture = capture
        self.timers = Timers()
        self.attempts = Attempts(self.timers, waiting, capture)
        self.attempts.on_expired = self._expired
        self.attempts.on_abandoned_end = self._abandoned_end
        self.loader = Loader(definitions.stored, self.id, capture)
        self._refused: deque[Refused] = deque()
        self._unblocker = Unblocker(definitions)
        self.held: dict[str, Claim] = {}
        self.abandoned: dict[int, Claim] = {}
        self._orphans: dict[tuple[str, int], float] = {}
        self._given_back: set[tuple[str, int]] = set()
        self._taken: dict[str, int] = dict.fromkeys(options.queues, 0)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._full = False
        self._others_committed = False
        self._lease_deadline = 0.0
        self._beating = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._process_lock: ProcessLock | None = None
        self._stop_heart = threading.Event()
        self.runner = Runner(
            Surroundings(
                committer=committer,
                attempts=self.attempts,
                bus=bus,
                holder_for=self._holder_for,
                load=self._load,
                released=self._released,
                moved=self._moved,
                work_waits=self._work_waits,
                interrupt=self.interrupt,
                still_held=self._still_held,
                later=lambda seconds, function: (self.timers.after(seconds, function), None)[1],
            ),
            threads=max(1, sum(options.queues.values())),
        )

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
        self._lease_deadline = self.clock.monotonic() + self.options.lease
        try:
            self._sweep()
        except ContentionError as error:  # another worker sweeps as well: the next sweep comes in a second
            log.info("worker %s sweeps later: %s", self.id, error)
        for name, target in (("claims", self._claim_loop), ("heart", self._heart_loop), ("sweep", self._sweep_loop)):
            thread = threading.Thread(target=target, name=f"durable-{name}", daemon=True)
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
        while self.held and time.monotonic() < deadline:
            time.sleep(0.005)
        self.runner.close(list(self.held.values()))
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
        with self._lock:
            self.held.clear()
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
        return not self.held

    # --- what the runner needs -------------------------------------------------------------------------------------

    def _holder_for(self, claim: Claim) -> Holder:
        def serves(queue: str) -> bool:
            if self._stopping:
                return False
            if queue == claim.queue:
                return True
            return self._taken.get(queue, 0) < self.options.queues.get(queue, 0)

        return Holder(self.id, self.lease_us, serves, self.definitions)

    def _load(self, token_id: str) -> Claim | None:
        with self.database.read() as tx:
            found = self.loader.load(tx, (token_id,))
        for each in found:
            if isinstance(each, Claim):
                return each
            # its transaction cannot be had here: this may be the committing thread
            self._refused.append(each)
            self._wake.set()
        return None

    def _take_up(self, ids: Iterable[str]) -> None:
        """Begin to work on tokens that were just claimed; those that do not fit the code here are adopted or parked."""
        with self.database.read() as tx:
            found = self.loader.load(tx, ids)
        self._work_on([each for each in found if isinstance(each, Claim)])
        self._settle([each for each in found if isinstance(each, Refused)])

    def _work_on(self, loaded: Sequence[Claim]) -> None:
        fresh = []
        with self._lock:
            for claim in loaded:
                before = self.held.get(claim.token_id)
                if before is not None and before.fence == claim.fence:
                    continue  # given back for want of a worker, and claimed again by this one: once is enough
                if self._hold(claim):
                    fresh.append(claim)
        self.runner.dispatch_all(fresh)

    def _hold(self, claim: Claim) -> bool:
        """Count a claim as one that is worked on; False when its token is on its way back (with the lock held)."""
        if (claim.token_id, claim.fence) in self._given_back:
            return False
        self.held[claim.token_id] = claim
        self._taken[claim.queue] = self._taken.get(claim.queue, 0) + 1
        return True

    def _settle(self, refused: Iterable[Refused]) -> None:
        for each in refused:
            adopting = False
            match each.verdict:
                case Adopts():
                    adopting = self.committer.run(partial(adopt, refused=each, definitions=self.definitions))
                    with self.database.read() as tx:
                        again = self.loader.load(tx, (each.token_id,), adopting=adopting)
                    self._work_on([one for one in again if isinstance(one, Claim)])
                    self._settle([one for one in again if isinstance(one, Refused)])
                case Misfits(reason):
                    log.warning("execution %s is blocked: %s", each.execution_id, reason)
                    settled = self.committer.run(partial(park, refused=each, definitions=self.definitions))
                    if settled is not None:
                        kind: Literal["ended", "control"] = "ended" if settled.ended else "control"
                        self.bus.publish(Message(kind, each.execution_id, settled.revision, "", settled.status))
                case Unknown():
                    held = [(each.token_id, each.fence)]
                    self.committer.run(partial(claims.hand_back, held=held))

    def take_begun(self, workflow: Workflow, beginning: Beginning, begun: Begun) -> None:
        """Start on a token that was claimed in the transaction that started its execution: nothing is read."""
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
            capture=self.capture,
            waits=[],
        )
        with self._lock:
            held = self._hold(claim)
        if held:
            self.runner.dispatch(claim)

    def room(self, queue: str) -> int:
        """How many more tokens of a queue it would take."""
        return 0 if self._stopping else self.options.queues.get(queue, 0) - self._taken.get(queue, 0)

    def reserve(self, queue: str) -> Holder | None:
        """Room for one more token of a queue, as the holder to start it with; None when there is none."""
        if self._stopping or self._taken.get(queue, 0) >= self.options.queues.get(queue, 0):
            return None
        return Holder(self.id, self.lease_us, lambda name: name == queue)

    def _released(self, claim: Claim) -> None:
        with self._lock:
            if self.held.get(claim.token_id) is claim:
                del self.held[claim.token_id]
            if claim.abandoned:
                return  # its thread is still busy: the slot is given back when the body ends
            self._taken[claim.queue] -= 1
            full = self._full
        if full:
            self._wake.set()

    def _abandoned_end(self, claim: Claim) -> None:
        with self._lock:
            self.abandoned.pop(id(claim), None)
            self._taken[claim.queue] -= 1
        self._wake.set()

    def _moved(self, claim: Claim, following: Claim) -> None:
        with self._lock:
            if self.held.get(claim.token_id) is claim:
                del self.held[claim.token_id]
            if (following.token_id, following.fence) not in self._given_back:
                self.held[following.token_id] = following
            if claim.abandoned:
                self._taken[following.queue] = self._taken.get(following.queue, 0) + 1
            elif following.queue != claim.queue:
                self._taken[claim.queue] -= 1
                self._taken[following.queue] = self._taken.get(following.queue, 0) + 1

    def _work_waits(self, due: int | None) -> None:
        if due is None:
            self._wake.set()
        else:
            self.timers.after((due - self.clock.now_us()) / 1_000_000, self._wake.set)

    def interrupt(self, token_id: str) -> None:
        """Ask the body that runs for a token to stop: async ones are cancelled, the others see `ctx.cancelled`."""
        claim = self.held.get(token_id)
        if claim is not None:
            claim.stopped = True
            interrupt = claim.interrupt
            if interrupt is not None:
                interrupt()

    def interrupt_execution(self, execution_id: str) -> None:
        for claim in list(self.held.values()):
            if claim.execution_id == execution_id:
                self.interrupt(claim.token_id)

    def _still_held(self, claim: Claim) -> bool:
        if self._stopping:
            return False  # the token goes back in `close`
        if self.clock.monotonic() >= self._lease_deadline:
            # this process was frozen, or the store was away: one thread finds out for all what is still ours
            with self._beating:
                if self.clock.monotonic() >= self._lease_deadline:
                    self._beat()
        return self.held.get(claim.token_id) is claim

    def _expired(self, claim: Claim, node: object, outcome: object, started_at: int) -> None:
        with self._lock:
            self.abandoned[id(claim)] = claim
        plan = plan_outcome(claim, node, outcome, started_at)  # type: ignore[arg-type]
        unit = unit_for(plan, self._holder_for)
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
        while self._refused:
            self._settle((self._refused.popleft(),))
        if self._others_committed:
            self._others_committed = False
            self._heed_stop_requests()
        if self._full and self._nearly_full():
            time.sleep(GATHER_SECONDS)  # records come in groups: the other slots of this one are about to be free
        with self._lock:
            free = {queue: limit - self._taken.get(queue, 0) for queue, limit in self.options.queues.items()}
            free = {queue: count for queue, count in free.items() if count > 0}
            self._full = len(free) < len(self.options.queues)
        names = registry.names()
        if free and names and self._claim(free, names):
            return 0.0
        with self.database.read() as tx:
            due = claims.next_due(tx)
            now = tx.now()
        if due is None:
            return IDLE_POLL_SECONDS
        if due <= now:
            # a deadline, or work that this worker does not serve: the sweep and others see to those
            return min(IDLE_POLL_SECONDS, 0.05) if self._deadlines() else IDLE_POLL_SECONDS
        return min(IDLE_POLL_SECONDS, (due - now) / 1_000_000)

    def _nearly_full(self) -> bool:
        """Whether so little is free that a claim would be for a few tokens of many."""
        return all(8 * self.room(queue) < limit for queue, limit in self.options.queues.items())

    def _claim(self, free: Mapping[str, int], names: list[str]) -> int:
        request = ClaimRequest(worker_id=self.id, free=free, workflows=names, lease_us=self.lease_us)
        claimed = self.queue.claim(request)
        if not claimed:
            return 0
        taken = [each.token_id for each in claimed]
        begun = {each.execution_id for each in claimed}
        failpoint("after_claim", self.id)
        self.committer.run(lambda tx: claims.mark_running(tx, begun))
        failpoint("after_mark", self.id)
        for execution_id in begun:
            if self.bus.listens(execution_id):
                self.bus.publish(Message("tokens", execution_id))
        self._full = True  # more may wait than was free: look again when a slot is
        self._take_up(taken)
        return len(taken)

    def _heart_loop(self) -> None:
        pause = max(0.05, self.options.lease / 3)
        while not self._stop_heart.wait(pause):
            try:
                with self._beating:
                    self._beat()
            except StoreError as error:
                log.warning("worker %s cannot renew its leases: %s", self.id, error)

    def _beat(self) -> None:
        failpoint("before_heartbeat", self.id)
        began = self.clock.monotonic()
        owned = self.committer.run(lambda tx: claims.renew(tx, self.id, self.lease_us))
        with self._lock:
            lost = [claim for claim in self.held.values() if owned.get(claim.token_id) != claim.fence]
            orphans = {token: fence for token, fence in owned.items() if token not in self.held}
        self._give_back(orphans)
        for claim in lost:
            if self._lost_for_good(claim):
                log.warning("execution %s: lease of %s was lost", claim.execution_id, claim.token_id)
                self.interrupt(claim.token_id)
                self._released(claim)
        self._lease_deadline = began + self.options.lease
        failpoint("after_heartbeat", self.id)

    def _give_back(self, orphans: dict[str, int]) -> None:
        """Tokens that are ours in the store, and that nobody here has worked on for a whole lease (E-3).

        What was claimed a moment ago and is still being loaded is not in `held` either, for as long as that takes.
        """
        now = self.clock.monotonic()
        young: dict[tuple[str, int], float] = {}
        for token_id, fence in orphans.items():
            since = self._orphans.get((token_id, fence), now)
            if now - since < self.options.lease:
                young[token_id, fence] = since
                continue
            with self._lock:
                if token_id in self.held:
                    continue
                self._given_back.add((token_id, fence))  # from here on, whoever loads it lets it be
            log.warning("worker %s gives %s back: nobody works on it", self.id, token_id)
            self.committer.run(self._return(token_id, fence))
            self._wake.set()
        self._orphans = young

    def _return(self, token_id: str, fence: int) -> Callable[[Transaction], None]:
        return partial(
            give_back, token_id=token_id, fence=fence, worker_id=self.id, definition_of=self.definitions.stored
        )

    def _lost_for_good(self, claim: Claim) -> bool:
        """Whether the token is no longer this claim's; it may just have moved on since the heartbeat was read."""
        with self.database.read() as tx:
            found = tx.fetch_one(sql.HOLDING, {"id": claim.token_id, "fence": claim.fence})
        return found is None and self.held.get(claim.token_id) is claim and not self._recording(claim)

    def _recording(self, claim: Claim) -> bool:
        """Give a record that is on its way the time to arrive before the claim counts as lost."""
        time.sleep(0.05)
        return self.held.get(claim.token_id) is not claim

    def _sweep_loop(self) -> None:
        while not self._stop_heart.wait(SWEEP_SECONDS):
            try:
                self._sweep()
            except StoreError as error:
                log.warning("worker %s cannot sweep: %s", self.id, error)
            except Exception:
                log.exception("worker %s: sweeping failed", self.id)

    def _sweep(self) -> None:
        with self.database.read() as tx:
            dead = dead_workers(tx, self.id, host_identity())
            expired = tx.fetch(sql.EXPIRED_TOKENS, {"now": tx.now()})
        recovered = 0
        if dead or expired:
            failpoint("before_takeover", self.id)
        for worker_id in dead:
            recovered += self.committer.run(partial(bury, worker_id=worker_id, definition_of=self.definitions.stored))
        if expired:
            recovered += self.committer.run(lambda tx: take_over_expired(tx, self.definitions.stored))
        if recovered:
            failpoint("after_takeover", self.id)
        self._heed_stop_requests()
        self._deadlines()
        self._unblock()
        if recovered:
            self._wake.set()

    def _unblock(self) -> None:
        """Take up blocked executions that fit the code of this process (again)."""
        if self._stopping:
            return
        with self.database.read() as tx:
            candidates = self._unblocker.candidates(tx)
        for candidate in candidates:
            room = {queue: self.room(queue) for queue in self.options.queues}
            settled, taken = self.committer.run(
                partial(
                    unblock,
                    candidate=candidate,
                    definitions=self.definitions,
                    worker_id=self.id,
                    lease_us=self.lease_us,
                    room=room,
                )
            )
            if settled is None:
                self._unblocker.forget(candidate)
                continue
            log.info("execution %s goes on: its definition fits again", candidate.execution_id)
            self.bus.publish(Message("control", candidate.execution_id, settled.revision, "", settled.status))
            self._take_up(taken)
            if settled.ready:
                self._wake.set()

    def _heed_stop_requests(self) -> None:
        """Another process may have cancelled something: ask the bodies it names to stop."""
        if not self.held:
            return
        with self.database.read() as tx:
            asked = tx.fetch(sql.STOP_REQUESTS, {"worker": self.id})
        for (token_id,) in asked:
            self.interrupt(token_id)

    def _deadlines(self) -> bool:
        """Let executions that ran over their workflow's timeout fail."""
        return expire_deadlines(self.committer, self.definitions, self.bus, self.interrupt, self._wake.set)


WorkerFactory = Callable[[WorkerOptions], Worker]

"""Engine: one open store, and (unless it is only a client) a worker in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.capture import CaptureOptions
from durable_core.clock import SYSTEM_CLOCK, Clock
from durable_core.definition.diff import DefinitionDiff
from durable_core.dsl.workflow import Workflow
from durable_core.engine import acting, explaining, reading
from durable_core.engine.changes import Changes
from durable_core.engine.cleanup import cleanup
from durable_core.engine.crew import Crew
from durable_core.engine.doctor import Check, doctor
from durable_core.engine.execution import Execution
from durable_core.engine.queues import Queues
from durable_core.engine.schedules import Schedules
from durable_core.engine.starting import beginning, chosen_workflow, worker_options
from durable_core.engine.verify import Finding, verify
from durable_core.engine.waiters import Waiters
from durable_core.engine.watching import DEFAULT_RATE, Watch
from durable_core.errors import ExecutionFailed, InvalidStateError
from durable_core.executor import control
from durable_core.executor.captured import Capture
from durable_core.executor.definitions import Definitions
from durable_core.executor.settlement import Settled
from durable_core.executor.waiting import Waits
from durable_core.executor.worker import DEFAULT_LEASE, Worker, WorkerOptions
from durable_core.query.entry import Entry
from durable_core.query.explain import Explanation
from durable_core.scheduler.loop import Scheduler
from durable_core.scheduler.ticks import Fired
from durable_core.store.commit import Committer
from durable_core.store.database import open_database

DEFAULT_QUEUES: Mapping[str, int] = {"default": 100}
"""Bodies that an engine's own worker runs at once, by queue."""


class Engine:
    """Runs workflows on a store; everything on it is short, thread-safe and works where an event loop runs."""

    def __init__(
        self,
        url: str | None = None,
        *,
        worker: bool = True,
        queues: Mapping[str, int] | None = None,
        lease: float | timedelta = DEFAULT_LEASE,
        clock: Clock = SYSTEM_CLOCK,
        name: str | None = None,
        log_level: int | str = "INFO",
        passthrough: bool = True,
    ) -> None:
        options = worker_options(DEFAULT_QUEUES if queues is None else queues, lease, name)
        capture = CaptureOptions(log_level=log_level, passthrough=passthrough, clock=clock)
        self.clock = clock
        self.database = open_database(url, clock=clock)
        self.committer = Committer(self.database)
        self.definitions = Definitions()
        self.bus = LocalBus()
        self.changes = Changes(self.database)
        if self.database.dialect == "postgres":  # SQLite tells other processes by itself
            self.bus.subscribe(lambda message: self.changes.announce(message.execution_id))
        self.waiters = Waiters(self.bus)
        self._waits = Waits(self.committer, clock, self.definitions, self._cancel_child)
        self._capture = Capture(self.committer, capture, self._wrote_lines)
        self.scheduler = Scheduler(self.committer, self.definitions, clock, on_fired=self._fired)
        self.crew = Crew(self._new_worker, self.scheduler.start, options, own=worker)
        self._lock = threading.Lock()
        self._closed = False

    # --- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, grace: float = 10.0) -> None:
        """Stop the workers of this engine (running bodies get `grace` seconds) and give the store back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        workers = self.crew.dismiss(closing=True)
        self.scheduler.close()
        for worker in workers:
            worker.close(grace)
        self.changes.close()
        self.committer.close()
        self.database.close()

    def worker(self, queues: Mapping[str, int] | None = None, *, name: str | None = None) -> Worker:
        """A worker in this process, for a `with` block; `start_worker` under the name of the noun."""
        return self.start_worker(queues, name=name)

    def start_worker(self, queues: Mapping[str, int] | None = None, *, name: str | None = None) -> Worker:
        """Begin to work in this process; the engine's own worker when no queues are named."""
        self._must_be_open()
        options = self.crew.options
        if queues is not None or name is not None:
            options = worker_options(options.queues if queues is None else queues, options.lease, name or options.name)
        return self.crew.start(options)

    def abandon_workers(self) -> list[Worker]:
        """Let this engine's workers vanish as if their process were killed; the next one takes over what they held."""
        workers = self.crew.dismiss()
        for worker in workers:
            worker.vanish()
        return workers

    def _new_worker(self, options: WorkerOptions) -> Worker:
        worker = Worker(
            self.committer,
            self.definitions,
            self.clock,
            self.bus,
            self._waits,
            self._capture,
            options,
            wake_all=self.crew.wake,
        )
        self.changes.subscribe(worker.others_committed)
        return worker

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _wrote_lines(self, execution_id: str) -> None:
        if self.bus.listens(execution_id):
            self.bus.publish(Message("logs", execution_id))

    def _must_be_open(self) -> None:
        if self._closed:
            raise InvalidStateError(
                "This engine is closed.", state="closed", allowed=["open"], hint="Make a new Engine."
            )

    # --- starting --------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow | str,
        input: Any = None,
        *,
        id: str | None = None,
        idempotency_key: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        at: datetime | None = None,
        tags: Sequence[str] = (),
    ) -> Execution:
        """Start an execution; once this returns it reaches an end or an open wait, whatever dies in between (E-1)."""
        self._must_be_open()
        chosen = chosen_workflow(workflow)
        begun = beginning(
            chosen,
            input,
            id=id,
            idempotency_key=idempotency_key,
            queue=queue,
            priority=priority,
            at=at,
            tags=tags,
        )
        (found,) = acting.start(self, chosen, (begun,))
        return Execution(self, found)

    def start_many(
        self,
        workflow: Workflow | str,
        inputs: Iterable[Any],
        *,
        queue: str | None = None,
        priority: int | None = None,
        at: datetime | None = None,
        tags: Sequence[str] = (),
    ) -> list[Execution]:
        """Start one execution for each input, all in few commits; the first wrong input refuses all of them."""
        self._must_be_open()
        chosen = chosen_workflow(workflow)
        beginnings = [beginning(chosen, each, queue=queue, priority=priority, at=at, tags=tags) for each in inputs]
        return [Execution(self, id) for id in acting.start(self, chosen, beginnings)]

    def run(
        self, workflow: Workflow | str, input: Any = None, *, timeout: float | None = None, **options: Any
    ) -> Execution:
        """Start and wait; ExecutionFailed for any end but completed."""
        execution = self.start(workflow, input, **options)
        execution.wait(timeout)
        record = execution.record()
        if record.status != "completed":
            error = record.error or {}
            raise ExecutionFailed(
                f"Execution {record.id} of {record.workflow!r} ended {record.status}"
                + (f": {error.get('type')}: {error.get('message')}" if error else "."),
                execution_id=record.id,
                status=record.status,
                step=error.get("step"),
                cause=error or None,
            )
        return execution

    # --- looking ---------------------------------------------------------------------------------------------------

    def get_execution(self, id: str | Execution) -> Execution:
        """The execution of that id; ExecutionNotFoundError when there is none."""
        execution = Execution(self, _id(id))
        execution.record()
        return execution

    def list_executions(
        self,
        workflow: Workflow | str | None = None,
        status: str | Sequence[str] | None = None,
        tag: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        limit: int = reading.DEFAULT_PAGE,
        after: str | Execution | None = None,
        **more: Any,
    ) -> list[Execution]:
        """One page of executions, newest first; `after` is the last one of the page before."""
        chosen = dict(workflow=workflow, status=status, tag=tag, since=since, until=until, search=search, **more)
        place = None if after is None else _id(after)
        return [Execution(self, found) for found in reading.list_ids(self, limit, place, **chosen)]

    def count_executions(self, **chosen: Any) -> int:
        """How many executions match, over all pages; the options are those of `list_executions`."""
        return reading.count(self, **chosen)

    def list_pending_inputs(
        self,
        workflow: Workflow | str | None = None,
        type: str | None = None,
        older_than: float | timedelta | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Entry]:
        """Every open question to people, longest waiting first; `after` is the `id` of the last one before."""
        return reading.pending_inputs(self, None, workflow, type, older_than, limit, after)

    def definition_diff(self, id: str | Execution) -> DefinitionDiff:
        """How the registered workflow differs from the version the execution is pinned to, seen from where it stands.

        `kind` is identical, bodies, ahead, behind or incompatible (T-7).
        """
        return explaining.definition_diff(self, _id(id))

    def explain(self, id: str | Execution) -> Explanation:
        """Why an execution is where it is, what would move it, and what comes next: facts, and plain sentences."""
        return explaining.explanation(self, _id(id))

    def get_step_logs(self, id: str | Execution, step: str) -> list[Entry]:
        """The captured lines of one step, given by name, id or path."""
        return reading.logs(self, _id(id), step)

    def graph(self, workflow: Workflow | str) -> Any:
        """The graph of a registered workflow, before anything runs."""
        return reading.workflow_graph(workflow)

    def watch(self, id: str | Execution, rate: float = DEFAULT_RATE) -> Watch:
        """Each new state of an execution until it has ended, at most `rate` a second: for `for` and for `async for`."""
        self._must_be_open()
        return Watch(self, _id(id), rate)

    def stats(self) -> dict[str, Any]:
        """How many executions there are by status and workflow, and what waits in each queue."""
        return reading.stats(self)

    def nodes(self, *, ended: bool = False) -> list[Entry]:
        """The workers of this store, newest first."""
        return reading.nodes(self, ended=ended)

    @property
    def queues(self) -> Queues:
        """The queues of this store: `list`, `pause`, `resume`."""
        return Queues(self)

    @property
    def schedules(self) -> Schedules:
        """The schedules of this store: `list`, `create`, `update`, `enable`, `disable`, `trigger_now`, `delete` ..."""
        return Schedules(self)

    @property
    def workers(self) -> Sequence[Worker]:
        """The workers that this engine runs in this process."""
        return self.crew.members

    # --- upkeep ----------------------------------------------------------------------------------------------------

    def cleanup(
        self, older_than: float | timedelta, status: str | Sequence[str] | None = None, dry_run: bool = False
    ) -> int:
        """Remove executions that ended longer ago than that; returns how many (or how many it would be)."""
        return cleanup(self, older_than, status, dry_run)

    def verify(self) -> list[Finding]:
        """Every broken promise that the store shows; an empty list when there is none."""
        return verify(self)

    def doctor(self) -> list[Check]:
        """What is well and what is not with the database, the disk, the workers and the clocks."""
        return doctor(self)

    def wake_workers(self) -> None:
        """There may be work for this engine's workers."""
        self.crew.wake()

    def wake_scheduler(self) -> None:
        """A schedule changed: this process ticks from now on, unless it is only a client."""
        self._must_be_open()
        self.crew.ensure()
        self.scheduler.wake()

    def _fired(self, fired: Fired) -> None:
        for execution_id, _ in fired.started:
            if self.bus.listens(execution_id):
                self.bus.publish(Message("started", execution_id))
        self.crew.interrupt(fired.interrupts)

    # --- acting ----------------------------------------------------------------------------------------------------

    def cancel(
        self, id: str | Execution, mode: control.CancelMode = "graceful", reason: str | None = None
    ) -> Execution:
        """Cancel an execution: gracefully, with compensation, or at once (T-6)."""
        self._must_be_open()
        acting.cancel(self, _id(id), mode, reason)
        return Execution(self, _id(id))

    def pause(self, id: str | Execution, reason: str | None = None) -> Execution:
        """No further step begins until `resume`."""
        self._must_be_open()
        acting.pause(self, _id(id), reason)
        return Execution(self, _id(id))

    def resume(self, id: str | Execution) -> Execution:
        """Let a paused execution go on."""
        return self._control(_id(id), lambda tx, key: control.resume(tx, key, self.definitions))

    def retry(self, id: str | Execution) -> Execution:
        """Let a failed execution go on from its failed step."""
        return self._control(_id(id), lambda tx, key: control.retry(tx, key, self.definitions))

    def fork(
        self,
        id: str | Execution,
        step: str,
        iteration: int | Sequence[int] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Execution:
        """A new execution whose first step to run is that one; `context` updates what it began with.

        Nothing before it is run again. `step` is a name, id or path; `iteration` is needed when it ran several times.
        """
        self._must_be_open()
        return Execution(self, acting.fork(self, _id(id), step, iteration, context))

    def _control(self, execution_id: str, action: Callable[[Any, str], Settled]) -> Execution:
        self._must_be_open()
        acting.control(self, execution_id, action)
        return Execution(self, execution_id)

    def _cancel_child(self, tx: Any, child: str) -> None:
        settled = Settled()
        control.stop_child(tx, child, self.definitions, settled, reason="its call timed out")

    def send_event(
        self,
        name: str,
        payload: Any = None,
        *,
        execution_id: str | Execution | None = None,
        id: str | None = None,
        keep_for: float | timedelta | None = None,
    ) -> int:
        """Send an event; returns how many waits it satisfied (W-5)."""
        self._must_be_open()
        addressed = None if execution_id is None else _id(execution_id)
        return acting.send_event(self, name, payload, addressed, id, keep_for)

    def provide_input(
        self, id: str | Execution, name: str, value: Any, *, by: str | None = None, through: str | None = None
    ) -> Any:
        """Answer an open question; InputValidationError with all faults at once leaves it open (W-7)."""
        self._must_be_open()
        return acting.provide_input(self, _id(id), name, value, by, through)

    # --- waiting ---------------------------------------------------------------------------------------------------

    def wait_for_end(self, execution_id: str, timeout: float | None) -> None:
        """Block until the execution has ended; TimeoutError when it has not in `timeout` seconds."""
        self.waiters.wait(self.database, execution_id, timeout)


def _id(execution: str | Execution) -> str:
    return execution if isinstance(execution, str) else execution.id

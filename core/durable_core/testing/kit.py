"""Kit: what the fixture `durable` gives. Runs workflows in a test, on a clock that moves only when it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from durable_core.clock import VirtualClock, from_us, seconds_to_us, to_us
from durable_core.definition.checks import did_you_mean
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.durations import from_parts
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import InputValidationError, InvalidStateError
from durable_core.executor.worker import Worker
from durable_core.query.entry import Entry
from durable_core.query.executions import FLAGS, Filter, page
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.testing.doubles import UNSET, StepDouble, stubbed, substituted
from durable_core.testing.quiet import Quiet
from durable_core.testing.telling import tell, waits_of

__all__ = ["Kit"]

SETTLE_SECONDS = 10.0
"""Real seconds that bodies get before the kit says which one does not end."""
SLOTS = 100
"""Bodies of one queue that run at once."""


class Kit:
    """An engine of its own, a virtual clock, and assertions that wait until the engine has done what it can."""

    def __init__(self, url: str = "sqlite://", *, start: datetime | None = None) -> None:
        self._stack = ExitStack()
        known = registry.workflows()
        self._stack.enter_context(registry.isolated())
        for workflow in known:
            registry.register(workflow)
        self.clock = VirtualClock() if start is None else VirtualClock(start)
        self.engine = Engine(url, clock=self.clock, queues={"default": SLOTS})
        self._quiet = Quiet(self.engine)
        self._lost: list[Worker] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the engine and bring the registry back to what it was before."""
        self._quiet.close()
        try:
            self.engine.close(grace=0.5)
            for worker in self._lost:
                worker.runner.close(())
        finally:
            self._stack.close()

    # --- running ---------------------------------------------------------------------------------------------------

    def start_workflow(self, workflow: Workflow | str, input: Any = None, **options: Any) -> Execution:
        """Start an execution; the options are those of `Engine.start`."""
        self._serve(options.get("queue"))
        return self.engine.start(workflow, input, **options)

    def provide_test_input(
        self, run: str | Execution, name: str, value: Any, *, by: str | None = None, timeout: float = SETTLE_SECONDS
    ) -> Any:
        """Answer a question, once it is asked; returns the accepted answer."""
        self.assert_waiting_for(run, name, timeout=timeout)
        return self.engine.provide_input(run, name, value, by=by, through="test")

    def send_test_event(self, run: str | Execution | None, name: str, payload: Any = None, **options: Any) -> int:
        """Send an event to an execution (or, with None, to all); returns how many waits it satisfied."""
        self.settle()
        return self.engine.send_event(name, payload, execution_id=run, **options)

    def simulate_crash(self) -> None:
        """Lose every worker as if its process were killed, and start again: what they held is taken over."""
        self._lost += self.engine.abandon_workers()
        self.engine.start_worker(dict.fromkeys(sorted(self._quiet.queues or {"default"}), SLOTS))

    def _serve(self, queue: str | None) -> None:
        """Work on every queue that a registered workflow names: a test is about the flow, not about where it runs."""
        wanted = {"default"} if queue is None else {"default", queue}
        for workflow in registry.workflows():
            wanted.add(workflow.definition.queue)
            nodes = (place.node for place in workflow.definition.places.values())
            wanted.update(node.queue for node in nodes if getattr(node, "queue", None))
        if missing := wanted - self._quiet.queues:
            self._quiet.queues |= missing
            self.engine.start_worker(dict.fromkeys(sorted(missing), SLOTS))

    # --- time ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return from_us(self.clock.now_us())

    def advance(
        self,
        by: float | timedelta = 0,
        /,
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
        weeks: float = 0,
        timeout: float = SETTLE_SECONDS,
    ) -> datetime:
        """Move the clock on, stopping at each due time in order; before and after each stop all bodies come to an end.

        Sleeps, timeouts, retries and schedules move with the clock; leases and step timeouts never do. `timeout` is in
        real seconds, for the bodies of one stop.
        """
        first = by.total_seconds() if isinstance(by, timedelta) else by
        span = from_parts("advance", first + seconds, minutes=minutes, hours=hours, days=days, weeks=weeks)
        return self.advance_to(from_us(self.clock.now_us() + seconds_to_us(span)), timeout=timeout)

    def advance_to(self, time: datetime, *, timeout: float = SETTLE_SECONDS) -> datetime:
        """Move the clock on to a time, like `advance`."""
        end = to_us(time, "advance_to")
        self.settle(timeout)
        self.engine.scheduler.sync()
        while (due := self._quiet.next_at()) is not None and due <= end:
            self._move_to(due, timeout)
        self._move_to(end, timeout)
        return self.now

    def _move_to(self, at_us: int, timeout: float) -> None:
        self.clock.move_to(at_us)
        self.engine.wake_workers()
        self.settle(timeout)
        while self.engine.scheduler.run_due():  # more than once, when a tick waits for its predecessor to end
            self.settle(timeout)

    def settle(self, timeout: float = SETTLE_SECONDS) -> None:
        """Wait until no body runs and nothing is due; InvalidStateError names what does not come to an end."""
        self._serve(None)
        if self._quiet.wait(timeout):
            return
        busy = self._quiet.busy()
        if busy is None:
            return
        execution_id, path, status = busy
        raise InvalidStateError(
            f"After {timeout:g} s something still moves: {path or 'the execution'} ({status}).\n"
            + self.history(execution_id),
            state="busy",
            allowed=["quiet"],
            hint="The clock stands still while bodies run: end them, or give a longer timeout.",
        )

    # --- assertions ------------------------------------------------------------------------------------------------

    def assert_workflow_completed(self, run: str | Execution, timeout: float = SETTLE_SECONDS) -> Execution:
        """The execution completes by itself, without the clock moving; returns it."""
        return self.assert_workflow_status(run, "completed", timeout=timeout)

    def assert_workflow_failed(
        self, run: str | Execution, error: str | type[BaseException] | None = None, timeout: float = SETTLE_SECONDS
    ) -> Execution:
        """The execution fails, with an error of that type (a class or its name)."""
        found = self.assert_workflow_status(run, "failed", timeout=timeout)
        wanted = error.__name__ if isinstance(error, type) else error
        is_type = None if found.error is None else found.error.get("type")
        if wanted is not None and (is_type is None or wanted != is_type.rpartition(".")[2]):
            self._fail(found, f"expected it to fail with {wanted}, and it failed with {is_type}")
        return found

    def assert_workflow_status(self, run: str | Execution, status: str, timeout: float = SETTLE_SECONDS) -> Execution:
        """The execution comes to that status and stays there as long as the clock stands; returns it."""
        wanted = _status(status)
        found = self._run(run)
        if wanted in TERMINAL:
            self._until(found, lambda: ExecutionStatus(found.status) in TERMINAL, timeout)
        else:
            self._until(found, None, timeout)
        if found.status != wanted:
            self._fail(found, f"expected it to be {status}")
        return found

    def assert_step_completed(self, run: str | Execution, step: str, timeout: float = SETTLE_SECONDS) -> Entry:
        """A step, given by name or path, has completed (in some iteration); returns its last completed attempt."""
        found = self._run(run)

        def completed() -> list[Entry]:
            return [
                each for each in found.steps() if step in (each["name"], each["path"]) and each["status"] == "completed"
            ]

        self._until(found, lambda: bool(completed()), timeout)
        steps = completed()
        if not steps:
            self._fail(found, f"expected step {step!r} to have completed")
        return steps[-1]

    def assert_step_not_run(self, run: str | Execution, step: str, timeout: float = SETTLE_SECONDS) -> None:
        """No attempt of the step was made by the time all is quiet."""
        found = self._run(run)
        self._until(found, None, timeout)
        if any(step in (each["name"], each["path"]) and each["status"] != "skipped" for each in found.steps()):
            self._fail(found, f"expected step {step!r} not to run")

    def assert_waiting_for(self, run: str | Execution, name: str, timeout: float = SETTLE_SECONDS) -> Entry:
        """The execution waits for that input, event, sleep or child; returns the wait."""
        found = self._run(run)
        self._until(found, lambda: self._open_wait(found, name) is not None, timeout)
        wait = self._open_wait(found, name)
        if wait is None:
            self._fail(found, f"expected it to wait for {name!r}")
        assert wait is not None
        return wait

    def _open_wait(self, run: Execution, name: str) -> Entry | None:
        for wait in self._waits(run.id):
            if wait["status"] == "open" and name in (wait["name"], wait["path"], *wait["events"]):
                due = wait["due_at"]
                return Entry({**wait, "due_at": None if due is None else from_us(due)})
        return None

    # --- looking ---------------------------------------------------------------------------------------------------

    def history(self, run: str | Execution) -> str:
        """What the execution is, did, waits for and holds, as failed assertions show it."""
        found = self._run(run)
        return tell(found, self._waits(found.id), self.now)

    def histories(self, limit: int) -> list[tuple[str, str]]:
        """Id and history of the newest executions of this test, oldest first: what a failed test shows."""
        return [(run.id, self.history(run)) for run in self.executions()[-limit:]]

    def executions(self, workflow: Workflow | str | None = None) -> list[Execution]:
        """Every execution of this test (of one workflow), oldest first: those that schedules and calls began, too."""
        name = workflow.name if isinstance(workflow, Workflow) else workflow
        with self.engine.database.read() as tx:
            return [Execution(self.engine, each.id) for each in reversed(page(tx, Filter(workflow=name), 10_000, None))]

    def _waits(self, execution_id: str) -> list[dict[str, Any]]:
        with self.engine.database.read() as tx:
            return waits_of(tx, execution_id)

    def _run(self, run: str | Execution) -> Execution:
        return self.engine.get_execution(run)

    def _until(self, run: Execution, done: Callable[[], bool] | None, timeout: float) -> None:
        self._serve(None)
        if not self._quiet.wait(timeout, done):
            self._fail(run, f"after {timeout:g} s bodies still run")

    def _fail(self, run: Execution, what: str) -> None:
        __tracebackhide__ = True
        raise AssertionError(f"{what}\n{self.history(run)}")

    # --- doubles ---------------------------------------------------------------------------------------------------

    def mock_step(
        self,
        step: Any,
        *,
        returns: Any = UNSET,
        raises: BaseException | type[BaseException] | Any = UNSET,
        side_effect: Callable[..., Any] | Iterable[Any] | Any = UNSET,
    ) -> AbstractContextManager[StepDouble]:
        """In the block, the step's body returns, raises or does something else, wherever a workflow uses it.

        A function as `side_effect` gets what its own parameters ask for, like any body; of a list each call takes one.
        """
        return substituted(step, returns, raises, side_effect)

    def stub(
        self,
        target: str,
        *,
        returns: Any = UNSET,
        raises: BaseException | type[BaseException] | Any = UNSET,
        side_effect: Callable[..., Any] | Iterable[Any] | Any = UNSET,
    ) -> AbstractContextManager[Any]:
        """In the block, ``package.module.name`` is a mock that returns, raises or does that; gives the mock."""
        return stubbed(target, returns, raises, side_effect)


def _status(word: str) -> ExecutionStatus:
    """The status of that name; InputValidationError for what is none."""
    words = [each.value for each in ExecutionStatus]
    if word not in words:
        flag = f"It is a flag beside the status: assert run.{word}." if word in list(FLAGS) else None
        raise InputValidationError(
            f"There is no execution status {word!r}.",
            errors={"status": ["is none"]},
            hint=flag or did_you_mean(str(word), words),
        )
    return ExecutionStatus(word)

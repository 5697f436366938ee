"""Attempts: retries with stored backoff, errors that are not retried, and timeouts of steps and workflows."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from durable_core.dsl import Retry, foreach, parallel, step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import InputValidationError, MissingContextError, NonRetryableError
from durable_core.executor.loop import LoopThread
from durable_core.executor.slots import Slots
from tests.engine.runs import PATIENCE, Held, attempts, completed, end_of, until


def flow(*nodes: Any, **options: Any) -> Any:
    @workflow(name="flow", **options)
    def flow() -> Any:
        return list(nodes)

    return flow


QUICK = Retry(max_attempts=3, base=0.0)


def test_a_step_is_tried_again_and_leaves_nothing_of_its_failed_attempts(engine: Engine) -> None:
    """S-6, S-7, X-1: failed attempts leave no context change; each begins with the context as it was."""
    seen: list[Any] = []

    @step(retry=QUICK)
    def flaky(ctx: Any) -> str:
        seen.append((ctx.attempt, ctx.get("n"), ctx.idempotency_key))
        ctx.increment("n")
        if ctx.attempt < 3:
            raise ConnectionError("again")
        return "ok"

    run = end_of(engine, flow(flaky))
    assert run.status == "completed", run.error
    assert [attempt for attempt, _, _ in seen] == [1, 2, 3]
    assert {n for _, n, _ in seen} == {None}
    assert len({key for _, _, key in seen}) == 1
    assert run.context["n"] == 1
    assert attempts(run, "flaky") == [(1, "failed"), (2, "failed"), (3, "completed")]


def test_attempts_run_out(engine: Engine) -> None:
    """S-6: the retry budget counts failed attempts; the last error is the execution's."""

    @step(retry=QUICK)
    def bad(ctx: Any) -> None:
        raise ConnectionError(f"attempt {ctx.attempt}")

    run = end_of(engine, flow(bad))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["message"] == "attempt 3"
    assert len(attempts(run, "bad")) == 3


def test_the_backoff_is_stored_and_holds_no_slot(store_url: str) -> None:
    """S-6: backoff is a stored due time and holds no worker slot."""
    ran = threading.Event()

    @step(retry=Retry(max_attempts=2, base=3600.0))
    def later(ctx: Any) -> None:
        raise ConnectionError("later")

    @step
    def other(ctx: Any) -> None:
        ran.set()

    @workflow
    def waits() -> Any:
        return [later]

    @workflow
    def runs() -> Any:
        return [other]

    with Engine(store_url, queues={"default": 1}) as engine:
        waiting = engine.start(waits)
        until(lambda: waiting.status == "waiting", "the backoff")
        assert end_of(engine, runs).status == "completed"
        assert ran.is_set()
        assert attempts(waiting, "later")[0] == (1, "failed")


@pytest.mark.parametrize(
    "error",
    [NonRetryableError("no"), MissingContextError(key="x"), InputValidationError("no"), KeyboardInterrupt("no")],
)
def test_what_another_attempt_cannot_mend_fails_at_once(engine: Engine, error: BaseException) -> None:
    """`NonRetryableError` fails at once; so do wrong inputs, and what is no Exception."""

    @step(retry=QUICK)
    def bad(ctx: Any) -> None:
        raise error

    run = end_of(engine, flow(bad))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == type(error).__name__
    assert len(attempts(run, "bad")) == 1


def test_only_the_named_errors_are_retried(engine: Engine) -> None:
    """`retry_on` says which errors are tried again."""

    @step(retry=Retry(max_attempts=3, base=0.0, retry_on=(ConnectionError,)))
    def bad(ctx: Any) -> None:
        raise ConnectionRefusedError("a") if ctx.attempt == 1 else ValueError("b")

    run = end_of(engine, flow(bad))
    assert run.error is not None
    assert run.error["type"] == "ValueError"
    assert len(attempts(run, "bad")) == 2


def test_a_wrong_type_is_refused_without_another_attempt(engine: Engine) -> None:
    """Annotated parameters are validated; failure is InputValidationError, not retried."""

    @step(retry=QUICK)
    def typed(n: int) -> int:
        return n

    run = end_of(engine, flow(typed), {"n": "many"})
    assert run.error is not None
    assert run.error["type"] == "InputValidationError"
    assert len(attempts(run, "typed")) == 1


def test_a_synchronous_body_is_abandoned_at_its_timeout(engine: Engine) -> None:
    """S-8: a sync body is abandoned and its late result is fenced."""
    held = Held()

    @step(timeout=0.05)
    def slow(ctx: Any) -> str:
        held()
        return "late"

    run = end_of(engine, flow(slow))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("StepTimeoutError", "slow")
    held.let_go()
    until(lambda: held.inside == 0)
    assert attempts(run, "slow") == [(1, "failed")]
    assert "slow" not in run.context


def test_a_timed_out_attempt_is_retried(engine: Engine) -> None:
    """`StepTimeoutError` is retried unless excluded; the attempt sees that it was asked to stop."""
    told = threading.Event()

    @step(timeout=0.1, retry=QUICK)
    def slow(ctx: Any) -> str:
        if ctx.attempt == 1:
            deadline = time.monotonic() + 10
            while not ctx.cancelled and time.monotonic() < deadline:
                time.sleep(0.005)
            if ctx.cancelled:
                told.set()
            return "late"
        return "in time"

    run = end_of(engine, flow(slow))
    assert run.status == "completed", run.error
    assert run.output == "in time"
    assert told.wait(10)
    assert attempts(run, "slow") == [(1, "failed"), (2, "completed")]


def test_an_asynchronous_body_is_cancelled_at_its_timeout(engine: Engine) -> None:
    """S-8: an async body is cancelled."""
    cancelled = threading.Event()

    @step(timeout=0.05)
    async def slow(ctx: Any) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    run = end_of(engine, flow(slow))
    assert run.error is not None
    assert run.error["type"] == "StepTimeoutError"
    assert cancelled.is_set()


def test_a_timeout_error_of_the_body_itself_is_its_own(engine: Engine) -> None:
    """`StepTimeoutError` is the step's timeout, not any TimeoutError."""

    @step(timeout=30)
    async def bad(ctx: Any) -> None:
        raise TimeoutError("mine")

    run = end_of(engine, flow(bad))
    assert run.error is not None
    assert (run.error["type"], run.error["message"]) == ("TimeoutError", "mine")


def test_asynchronous_bodies_run_side_by_side(engine: Engine) -> None:
    """`def` or `async def`; branches of a parallel run at the same time."""
    met: list[asyncio.Event] = []

    @step
    async def left(ctx: Any) -> int:
        met.append(asyncio.Event())
        await asyncio.wait_for(met[0].wait(), 10)
        return 1

    @step
    async def right(ctx: Any) -> int:
        while not met:
            await asyncio.sleep(0)
        met[0].set()
        return 2

    run = end_of(engine, flow(parallel("both", left, right)))
    assert run.status == "completed", run.error
    assert run.output == {"left": 1, "right": 2}


def test_an_asynchronous_foreach_collects(engine: Engine) -> None:
    """async bodies: items, outputs and order as with sync ones."""

    @step
    async def body(item: int) -> int:
        await asyncio.sleep(0)
        return item + 1

    run = end_of(engine, flow(foreach("all", body, items=lambda ctx: range(20), concurrency=None)))
    assert run.output == list(range(1, 21))


def test_a_workflow_timeout_fails_it_when_its_bodies_have_ended(store_url: str) -> None:
    """S-8, T-5: an execution past its deadline fails; running bodies end first and are recorded."""
    held = Held()

    @step
    def slow(ctx: Any) -> str:
        held()
        return "done"

    @step
    def never(ctx: Any) -> None:
        raise AssertionError("begun after the deadline")

    with Engine(store_url) as engine:
        run = engine.start(flow(slow, never, timeout=0.05))
        held.wait_begun()
        until(lambda: run.cancelling, "the stop")
        held.let_go()
        run.wait(15)
        assert run.status == "failed"
        assert run.error is not None
        assert run.error["type"] == "WorkflowTimeoutError"
        assert completed(run) == ["slow"]


def test_a_workflow_timeout_ends_a_backoff(engine: Engine) -> None:
    """S-8: the workflow timeout counts while a retry is due later."""

    @step(retry=Retry(max_attempts=2, base=3600.0))
    def later(ctx: Any) -> None:
        raise ConnectionError("later")

    run = end_of(engine, flow(later, timeout=0.2))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == "WorkflowTimeoutError"


def test_a_condition_that_leaves_the_program_fails_its_node(engine: Engine) -> None:
    """E-3: `sys.exit` in a function of ctx is a failure like any other; nothing is lost."""
    from durable_core.dsl import loop

    def leave(ctx: Any) -> bool:
        raise SystemExit(3)

    @step
    def body(ctx: Any) -> None: ...

    run = end_of(engine, flow(loop("again", body, while_=leave)))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("SystemExit", "again")


@pytest.mark.parametrize("where", [(LoopThread, "_ensure"), (Slots, "_add")], ids=["async", "sync"])
def test_a_thread_that_cannot_be_had_fails_no_step(
    store_url: str, where: tuple[type[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is out of threads for a moment: the token is let go, and taken up again."""
    owner, name = where
    real = getattr(owner, name)
    tried: list[bool] = []

    def flaky(self: Any) -> Any:
        tried.append(True)
        if len(tried) == 1:
            raise RuntimeError("can't start new thread")
        return real(self)

    monkeypatch.setattr(owner, name, flaky)

    @step
    def before() -> None: ...

    @step
    async def body() -> str:
        return "ran"

    @workflow
    def flow() -> Any:
        return [before, body]

    with Engine(store_url, lease=1.0) as engine:
        run = engine.start(flow).wait(PATIENCE)
        assert run.status == "completed" and attempts(run, "body") == [(1, "completed")]
    assert len(tried) > 1

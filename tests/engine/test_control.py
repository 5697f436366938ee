"""Cancel, pause, resume and retry: of running, waiting and pending executions."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from durable_core.dsl import Retry, foreach, loop, parallel, step, wait_for_event, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import DefinitionError, InputValidationError, InvalidStateError
from tests.engine.runs import Held, attempts, completed, end_of, until


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


@step
def after(ctx: Any) -> str:
    ctx["after"] = True
    return "after"


def held_step(held: Held, name: str = "slow", **options: Any) -> Any:
    @step(name=name, **options)
    def slow(ctx: Any) -> str:
        held()
        ctx[f"{name}_end"] = "recorded"
        return name

    return slow


@pytest.mark.parametrize("mode", ["graceful", "compensate"])
def test_cancel_lets_the_running_body_end_and_records_it(engine: Engine, mode: Any) -> None:
    """T-6: graceful lets running bodies finish and be recorded; no new step begins."""
    held = Held()
    run = engine.start(flow(held_step(held), after))
    held.wait_begun()
    engine.cancel(run, mode=mode, reason="no longer wanted")
    assert run.cancelling
    held.let_go()
    run.wait(15)
    assert run.status == "cancelled"
    assert completed(run) == ["slow"]
    assert run.context["slow_end"] == "recorded"
    assert "after" not in run.context


@pytest.mark.parametrize("reason", [5, {"why": "so"}, ["so"], b"so", True], ids=repr)
def test_a_reason_that_is_no_text_is_refused_before_anything_happens(engine: Engine, reason: Any) -> None:
    run = engine.start(flow(wait_for_event("go")))
    for act in (engine.pause, engine.cancel):
        with pytest.raises(InputValidationError, match=f"reason must be a string, not {type(reason).__name__}"):
            act(run, reason=reason)
    assert (run.paused, run.cancelling, run.completed_at) == (False, False, None)


def test_a_reason_that_no_store_can_hold_is_kept_readable(engine: Engine) -> None:
    run = engine.start(flow(wait_for_event("go")))
    assert engine.pause(run, reason="a\0b \udc80").reason == r"a\x00b \udc80"


def test_terminate_fences_what_the_body_returns(engine: Engine) -> None:
    """T-6: terminate revokes leases at once and fences results."""
    held = Held()
    run = engine.start(flow(held_step(held), after))
    held.wait_begun()
    engine.cancel(run, mode="terminate")
    assert run.status == "cancelled"
    held.let_go()
    until(lambda: held.inside == 0)
    assert end_of(engine, flow(after, name="other")).status == "completed"
    assert completed(run) == []
    assert run.status == "cancelled"


def test_terminate_interrupts_an_asynchronous_body(engine: Engine) -> None:
    """T-6: async bodies are cancelled at once."""
    begun, cancelled = threading.Event(), threading.Event()

    @step
    async def slow(ctx: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    run = engine.start(flow(slow))
    assert begun.wait(15)
    engine.cancel(run, mode="terminate")
    assert cancelled.wait(15)
    assert run.status == "cancelled"


def test_a_gracefully_cancelled_asynchronous_body_is_interrupted(engine: Engine) -> None:
    """T-5, T-6: interruptible bodies are cancelled; the execution comes to rest at once."""
    begun = threading.Event()

    @step
    async def slow(ctx: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    run = engine.start(flow(slow, after))
    assert begun.wait(15)
    engine.cancel(run)
    assert run.wait(15).status == "cancelled"
    assert attempts(run, "slow") == [(1, "cancelled")]


@pytest.mark.parametrize("mode", ["graceful", "compensate", "terminate"])
def test_cancel_during_a_backoff_ends_at_once(engine: Engine, mode: Any) -> None:
    """T-6: no attempt follows a cancel; what waits for a retry is cancelled at once."""

    @step(retry=Retry(max_attempts=2, base=3600.0))
    def later(ctx: Any) -> None:
        raise ConnectionError("later")

    run = engine.start(flow(later))
    until(lambda: run.status == "waiting", "the backoff")
    engine.cancel(run, mode=mode)
    assert run.status == "cancelled"
    assert attempts(run, "later") == [(1, "failed")]


@pytest.mark.parametrize("mode", ["graceful", "compensate", "terminate"])
def test_cancel_of_a_pending_execution_ends_it_before_it_began(store_url: str, mode: Any) -> None:
    """T-6: a pending execution is cancelled at once, and nothing of it runs later."""
    with Engine(store_url, worker=False) as client:
        run = client.start(flow(after))
        assert run.status == "pending"
        client.cancel(run, mode=mode)
        assert run.status == "cancelled"
    with Engine(store_url) as engine:
        engine.start_worker()
        assert end_of(engine, flow(after, name="other")).status == "completed"
        again = engine.get_execution(run.id)
        assert again.status == "cancelled"
        assert again.steps() == []


def test_a_failure_with_attempts_left_while_it_is_cancelled_is_not_repeated(engine: Engine) -> None:
    """T-6: no new attempt begins once a cancel is recorded, though the step had some left."""
    held = Held()

    @step(retry=Retry(max_attempts=5, base=0.0))
    def flaky(ctx: Any) -> None:
        held()
        raise ConnectionError("again")

    run = engine.start(flow(flaky))
    held.wait_begun()
    engine.cancel(run)
    held.let_go()
    assert run.wait(15).status == "cancelled"
    assert held.entered == 1


def test_a_failure_while_it_is_cancelled_leaves_it_cancelled(engine: Engine) -> None:
    """T-6: a cancelled execution ends cancelled; the body's failure is recorded."""
    held = Held()

    @step
    def bad(ctx: Any) -> None:
        held()
        raise ValueError("late")

    run = engine.start(flow(bad))
    held.wait_begun()
    engine.cancel(run)
    held.let_go()
    assert run.wait(15).status == "cancelled"
    assert attempts(run, "bad") == [(1, "failed")]


def test_cancel_reaches_every_branch(engine: Engine) -> None:
    """T-6: branches that run end and are recorded, those that do not are cancelled, and the rest never begins."""
    held = Held()
    branches = [held_step(held, f"slow_{n}") for n in range(3)]
    run = engine.start(flow(parallel("all", *branches, concurrency=2), after))
    held.wait_begun(2)
    engine.cancel(run)
    held.let_go()
    assert run.wait(15).status == "cancelled"
    assert sorted(completed(run)) == ["all/slow_0/slow_0", "all/slow_1/slow_1"]
    assert held.entered == 2


def test_a_cancel_that_came_too_late_says_so(engine: Engine) -> None:
    """T-6: a cancel that lost the race against completion says so."""
    run = end_of(engine, flow(after))
    with pytest.raises(InvalidStateError) as raised:
        engine.cancel(run)
    assert raised.value.state == "completed"


def test_an_unknown_mode_is_refused(engine: Engine) -> None:
    """Errors say what is allowed."""
    run = end_of(engine, flow(after))
    with pytest.raises(DefinitionError, match="graceful"):
        engine.cancel(run, mode="softly")  # type: ignore[arg-type]


# --- pause and resume ------------------------------------------------------------------------------------------------


def test_a_paused_execution_begins_no_step_until_it_is_resumed(engine: Engine) -> None:
    """pause: running bodies end and are recorded, then nothing begins until `resume`."""
    held = Held()
    run = engine.start(flow(held_step(held), after))
    held.wait_begun()
    engine.pause(run, reason="look first")
    assert run.paused
    held.let_go()
    until(lambda: completed(run) == ["slow"], "the record")
    assert end_of(engine, flow(after, name="other")).status == "completed"  # a worker is there and free
    assert run.status not in ("completed", "failed")
    assert completed(run) == ["slow"]
    engine.resume(run)
    assert run.wait(15).status == "completed"
    assert completed(run) == ["slow", "after"]
    assert not run.paused


def test_a_retry_that_falls_due_while_it_is_paused_waits_for_resume(engine: Engine) -> None:
    """pause: no attempt begins, though its backoff is over."""
    tries: list[int] = []

    @step(retry=Retry(max_attempts=2, base=0.3))
    def flaky(ctx: Any) -> str:
        tries.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ConnectionError("again")
        return "ok"

    run = engine.start(flow(flaky))
    until(lambda: attempts(run, "flaky")[:1] == [(1, "failed")], "the failure")
    engine.pause(run)

    def due() -> bool:
        with engine.database.read() as tx:
            return tx.fetch_one("SELECT 1 FROM tokens WHERE available_at > :now", {"now": tx.now()}) is None

    until(due, "the backoff's end")
    assert end_of(engine, flow(after, name="other")).status == "completed"
    assert tries == [1]
    engine.resume(run)
    assert run.wait(15).status == "completed"
    assert tries == [1, 2]


def test_a_paused_join_waits_and_then_goes_on(engine: Engine) -> None:
    """pause inside a parallel: branches that run are recorded; the join and what follows wait."""
    held = Held()
    run = engine.start(flow(parallel(held_step(held, "a"), held_step(held, "b")), after))
    held.wait_begun(2)
    engine.pause(run)
    held.let_go()
    until(lambda: len(completed(run)) == 2, "both branches")
    assert "after" not in run.context
    engine.resume(run)
    assert run.wait(15).status == "completed"
    assert run.context["after"]


def test_pause_and_resume_say_what_they_cannot_do(engine: Engine) -> None:
    """InvalidStateError says the state and what is allowed in it."""
    run = end_of(engine, flow(after))
    for act in (engine.pause, engine.resume, engine.retry):
        with pytest.raises(InvalidStateError):
            act(run)


def test_a_paused_execution_can_be_cancelled(engine: Engine) -> None:
    """T-6: cancel ends a paused execution at once when nothing of it runs."""
    held = Held()
    run = engine.start(flow(held_step(held), after))
    held.wait_begun()
    engine.pause(run)
    held.let_go()
    until(lambda: completed(run) == ["slow"], "the record")
    engine.cancel(run)
    assert run.wait(15).status == "cancelled"


# --- retry of a failed execution -------------------------------------------------------------------------------------


def failing(times: int, name: str = "flaky") -> Any:
    tries: list[int] = []

    @step(name=name)
    def flaky(ctx: Any) -> str:
        tries.append(1)
        ctx.append("trace", name)
        if len(tries) <= times:
            raise ValueError(f"time {len(tries)}")
        return name

    return flaky


def note(name: str) -> Any:
    @step(name=name)
    def body(ctx: Any) -> str:
        ctx.append("trace", name)
        return name

    return body


def test_retry_continues_from_the_failed_step(engine: Engine) -> None:
    """a failed execution continues from its failed step, with the context it had there."""
    run = end_of(engine, flow(note("a"), failing(2), note("b")), {"x": 1})
    assert run.status == "failed"
    for _ in range(2):
        engine.retry(run)
        run.wait(15)
    assert run.status == "completed", run.error
    assert run.error is None
    assert run.context["trace"] == ["a", "flaky", "b"]
    assert run.context["x"] == 1
    assert completed(run) == ["a", "flaky", "b"]


def test_retry_inside_a_parallel_repeats_only_what_failed(engine: Engine) -> None:
    """T-2: each branch commits on its own; completed branches are not repeated."""
    both = parallel("all", [note("a"), failing(1)], note("b"), on_error="complete_all")
    run = end_of(engine, flow(both, note("c")))
    assert run.status == "failed"
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["trace"] == ["a", "flaky", "b", "c"]
    assert run.output == "c"


def test_retry_inside_a_foreach_repeats_only_what_failed_within_the_limit(engine: Engine) -> None:
    """T-2, T-3: only failed items run again, and no more at once than the concurrency allows."""
    broken = {1, 3, 4}
    now = most = 0
    lock = threading.Lock()

    @step
    def body(ctx: Any, item: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.01)
        with lock:
            now -= 1
        if item in broken:
            raise ValueError(str(item))
        ctx.append("done", item)
        return item

    each = foreach("all", body, items=lambda ctx: range(6), on_error="complete_all", concurrency=1, collect="results")
    run = end_of(engine, flow(each))
    assert run.status == "failed"
    assert len(completed(run)) == 3
    broken.clear()
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["done"] == run.context["results"] == list(range(6))
    assert len(completed(run)) == 6
    assert most == 1


def test_retry_after_fail_fast_starts_what_had_not_begun(engine: Engine) -> None:
    """Branches that never started start when the execution goes on."""
    run = end_of(engine, flow(parallel("all", failing(1), note("b"), note("c"), concurrency=1)))
    assert run.status == "failed"
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert sorted(run.context["trace"]) == ["b", "c", "flaky"]


def test_a_sibling_that_completed_while_it_was_stopped_is_not_repeated(engine: Engine) -> None:
    """S-2: a running sibling of a fail-fast failure ends and is recorded; a retry goes on after it."""
    held = Held()

    @step
    def bad(ctx: Any) -> str:
        held.begun.acquire(timeout=15)  # the sibling runs
        if not held.go_on.is_set():
            raise ValueError("first time")
        return "ok"

    run = engine.start(flow(parallel("all", bad, [held_step(held), note("next")])))
    until(lambda: attempts(run, "bad")[:1] == [(1, "failed")], "the failure")
    held.let_go()
    assert run.wait(15).status == "failed"
    assert completed(run) == ["all/slow/slow"]
    held.begun.release()
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert held.entered == 1
    assert run.context["trace"] == ["next"]
    assert run.context["slow_end"] == "recorded"


def test_retry_after_a_loop_ran_too_often_asks_its_condition_again(engine: Engine) -> None:
    """MaxIterationsError: a retry tests the condition again and repeats no iteration."""
    allowed = [False]
    run = end_of(
        engine,
        flow(loop("again", note("body"), while_=lambda ctx: not allowed[0], max_iterations=2), note("end")),
    )
    assert run.status == "failed"
    engine.retry(run)
    assert run.wait(15).status == "failed"
    allowed[0] = True
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["trace"] == ["body", "body", "end"]


def test_retry_after_a_failed_output_function_runs_nothing_again(engine: Engine) -> None:
    """S-2: when only `@workflow(output=)` failed, a retry makes the output and repeats no step."""
    broken = [True]

    def output(ctx: Any) -> Any:
        if broken[0]:
            raise ValueError("no output yet")
        return {"trace": ctx["trace"]}

    run = end_of(engine, flow(note("a"), note("b"), output=output))
    assert run.status == "failed"
    broken[0] = False
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.output == {"trace": ["a", "b"]}
    assert completed(run) == ["a", "b"]


def test_retry_after_a_workflow_timeout_goes_on_after_what_was_recorded(engine: Engine) -> None:
    """S-2, S-8: the body that ran over the deadline is recorded; a retry goes on behind it."""
    held = Held()
    run = engine.start(flow(held_step(held), after, timeout=0.2))
    held.wait_begun()
    until(lambda: run.cancelling, "the deadline")
    held.let_go()
    assert run.wait(15).status == "failed"
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert held.entered == 1
    assert completed(run) == ["slow", "after"]


def test_retry_after_a_failed_merge_decides_the_join_again(engine: Engine) -> None:
    """T-2: the branches are done; only the join is decided again."""
    broken = [True]

    def merge(base: Any, branches: Any) -> Any:
        if broken[0]:
            raise ValueError("not yet")
        return {"merged": len(branches)}

    run = end_of(engine, flow(parallel("all", note("a"), note("b"), merge=merge)))
    assert run.status == "failed"
    broken[0] = False
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["merged"] == 2
    assert len(completed(run)) == 2


def test_workers_of_one_engine_hear_of_each_others_work(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each serves a queue, and a token that changes queues is not left to the poll, which is only a net."""
    monkeypatch.setattr("durable_core.executor.worker.IDLE_POLL_SECONDS", 60.0)

    @step
    def near(ctx: Any) -> None:
        ctx.increment("n")

    @step(queue="far")
    def far(ctx: Any) -> None:
        ctx.increment("n")

    @workflow(name="hops")
    def hops() -> Any:
        return [each.with_options(name=f"{each.name}{n}") for n in range(3) for each in (near, far)]

    with (
        Engine(store_url, worker=False) as engine,
        engine.worker(queues={"default": 1}),
        engine.worker(queues={"far": 1}),
    ):
        assert engine.start(hops).wait(20).context["n"] == 6

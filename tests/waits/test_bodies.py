"""Waits inside bodies: replayed from the record, one at a time, wherever the step stands (W-1, W-2, W-3)."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from durable_core.context import Context
from durable_core.dsl import Retry, decision, foreach, loop, parallel, step, switch, workflow
from durable_core.testing.kit import Kit
from tests.engine.runs import until


def test_several_waits_of_one_body_come_one_after_the_other(kit: Kit) -> None:
    passes: list[int] = []

    @step
    def ask(ctx: Context) -> dict[str, Any]:
        passes.append(1)
        ctx.sleep_for(60)
        first = ctx.wait_for_event("go")
        ctx.sleep_for(60)
        second = ctx.wait_for_event("go")
        answer = ctx.wait_for_input("fine", type="approval")
        return {"all": [first, second, answer]}

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "sleep")
    kit.advance(seconds=60)
    kit.assert_waiting_for(run, "go")
    assert kit.send_test_event(run, "go", 1) == 1
    kit.assert_waiting_for(run, "sleep")
    kit.advance(seconds=60)
    assert kit.send_test_event(run, "go", 2) == 1
    kit.provide_test_input(run, "fine", "approved")
    assert kit.assert_workflow_completed(run).context["all"] == [1, 2, "approved"]
    assert len(passes) == 6
    entry = kit.assert_step_completed(run, "ask")
    assert (entry.attempt, entry.pass_number) == (1, 6)


def test_waits_of_a_coroutine_are_plain_calls(kit: Kit) -> None:
    @step
    async def ask(ctx: Context) -> list[Any]:
        await asyncio.sleep(0)
        got = [ctx.wait_for_event("a")]
        await asyncio.sleep(0)
        ctx.sleep_for(hours=1)
        got.append(ctx.wait_for_event("b"))
        return got

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "a", 1)
    kit.advance(hours=1)
    kit.send_test_event(run, "b", 2)
    assert kit.assert_workflow_completed(run).output == [1, 2]


def test_a_suspension_wrapped_by_a_task_group_is_recognised(kit: Kit) -> None:
    @step
    async def ask(ctx: Context) -> Any:
        async def beside() -> None:
            await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(beside())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(beside())
                return ctx.wait_for_event("go")

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "go")
    kit.send_test_event(run, "go", 5)
    assert kit.assert_workflow_completed(run).output == 5


def test_except_exception_lets_a_suspension_pass_and_finally_runs_each_time(kit: Kit) -> None:
    cleaned: list[int] = []

    @step
    def ask(ctx: Context) -> Any:
        try:
            return ctx.wait_for_event("go")
        except Exception:
            return "swallowed"
        finally:
            cleaned.append(1)

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "go", "came")
    assert kit.assert_workflow_completed(run).output == "came"
    assert len(cleaned) == 2


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_body_that_swallows_its_suspension_fails(kit: Kit, kind: str) -> None:
    def swallow(ctx: Context) -> str:
        try:
            ctx.wait_for_event("go")
        except BaseException as error:
            return f"swallowed {error!r}"
        return "went on"

    async def swallow_async(ctx: Context) -> str:
        return swallow(ctx)

    @workflow
    def flow() -> Any:
        return step(swallow if kind == "def" else swallow_async)

    run = kit.start_workflow(flow)
    kit.assert_workflow_failed(run, "InvalidStateError")
    assert "caught the suspension" in run.error["message"]  # type: ignore[index]


def test_a_wait_in_another_thread_or_task_is_a_typed_error(kit: Kit) -> None:
    told: list[BaseException] = []

    @step
    def threaded(ctx: Context) -> None:
        def wait() -> None:
            try:
                ctx.wait_for_event("go")
            except BaseException as error:
                told.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()

    @step
    async def tasked(ctx: Context) -> None:
        async def wait() -> None:
            ctx.wait_for_event("go")

        try:
            await asyncio.create_task(wait())
        except BaseException as error:
            told.append(error)

    @workflow
    def flow() -> Any:
        return [threaded, tasked]

    run = kit.start_workflow(flow)
    kit.assert_workflow_completed(run)
    assert [type(error).__name__ for error in told] == ["InvalidStateError", "InvalidStateError"]
    assert all("of its own" in str(error) for error in told)


def test_waits_in_loops_have_an_iteration_each(kit: Kit) -> None:
    @step
    def one(ctx: Context) -> None:
        ctx.sleep_for(10)
        ctx.append("got", ctx.wait_for_event("tick"))

    @workflow
    def flow() -> Any:
        return loop("thrice", one, while_=lambda ctx: len(ctx.get("got", [])) < 3)

    run = kit.start_workflow(flow)
    for number in range(3):
        kit.assert_waiting_for(run, "sleep")
        kit.advance(seconds=10)
        kit.assert_waiting_for(run, "tick")
        assert kit.send_test_event(run, "tick", number) == 1
    assert kit.assert_workflow_completed(run).context["got"] == [0, 1, 2]


def test_a_wait_in_a_branch_resumes_in_that_branch_only(kit: Kit) -> None:
    ran: Counter[str] = Counter()

    @decision
    def choose() -> str:
        return "left"

    @step
    def left(ctx: Context) -> None:
        ran["left"] += 1
        ctx.wait_for_event("go")

    @step
    def right() -> None:
        ran["right"] += 1

    @step
    def after() -> None:
        ran["after"] += 1

    @workflow
    def flow() -> Any:
        return [choose.branch(left=left, right=right), switch("again", on="choose", cases={"right": right}), after]

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "go")
    kit.assert_workflow_completed(run)
    assert ran == {"left": 2, "after": 1}


def test_parallel_branches_wait_each_for_themselves(kit: Kit) -> None:
    ran: Counter[str] = Counter()

    @step
    def a(ctx: Context) -> Any:
        ran["a"] += 1
        return ctx.wait_for_event("go", name="a_went")

    @step
    def b(ctx: Context) -> str:
        ran["b"] += 1
        ctx.sleep_for(100)
        return "slept"

    @step
    def c() -> str:
        ran["c"] += 1
        return "at once"

    @workflow
    def flow() -> Any:
        return parallel("both", a, [b, c])

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "go")
    kit.advance(seconds=100)
    kit.assert_step_completed(run, "c")
    assert run.status == "waiting"
    assert ran == {"a": 1, "b": 2, "c": 1}
    kit.send_test_event(run, "go", "went")
    kit.assert_workflow_completed(run)
    assert (run.context["a"], run.context["b"], run.context["c"]) == ("went", "slept", "at once")
    assert ran == {"a": 2, "b": 2, "c": 1}


def test_items_of_a_foreach_wait_each_for_themselves(kit: Kit) -> None:
    @step
    def handle(ctx: Context, item: str) -> str:
        return f"{item} {ctx.wait_for_event('done', where={'item': item})['by']}"

    @workflow
    def flow() -> Any:
        return foreach("items", handle, items="names", concurrency=2, collect="results")

    run = kit.start_workflow(flow, {"names": ["x", "y", "z"]})
    kit.settle()
    assert kit.send_test_event(run, "done", {"item": "y", "by": "bo"}) == 1
    kit.settle()  # a place became free: the third begins
    assert kit.engine.send_event("done", {"item": "z", "by": "cy"}) == 1
    assert kit.engine.send_event("done", {"item": "x", "by": "al"}) == 1
    assert kit.assert_workflow_completed(run).context["results"] == ["x al", "y bo", "z cy"]


def test_none_is_a_value_and_not_a_missing_one(kit: Kit) -> None:
    @step
    def ask(ctx: Context) -> list[Any]:
        return [ctx.wait_for_event("e"), ctx.wait_for_input("q"), ctx.once("o", lambda: None), ctx.wait_for_event("e")]

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "e", None)
    kit.provide_test_input(run, "q", None)
    kit.send_test_event(run, "e", None)
    assert kit.assert_workflow_completed(run).output == [None, None, None, None]
    assert run.context["e"] is None


def test_keys_of_the_user_never_satisfy_a_wait(kit: Kit) -> None:
    @step
    def ask(ctx: Context) -> Any:
        ctx["payment"] = "mine"
        ctx.update({"wait:payment": 1, "$wait": {"payment": 2}})
        return ctx.wait_for_event("payment")

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow, {"payment": "input", "manager": "approved"})
    kit.assert_waiting_for(run, "payment")
    kit.send_test_event(run, "payment", "real")
    assert kit.assert_workflow_completed(run).context["payment"] == "real"


def test_a_second_wait_of_the_same_name_does_not_get_the_first_payload(kit: Kit) -> None:
    @step
    def ask(ctx: Context) -> list[Any]:
        return [ctx.wait_for_event("e"), ctx.wait_for_event("e")]

    @step
    def again(ctx: Context) -> Any:
        return ctx.wait_for_event("e")

    @workflow
    def flow() -> Any:
        return [ask, again]

    run = kit.start_workflow(flow)
    for number in range(3):
        kit.assert_waiting_for(run, "e")
        kit.send_test_event(run, "e", number)
    kit.assert_workflow_completed(run)
    assert (run.context["ask"], run.context["again"]) == ([0, 1], 2)


def test_changes_of_a_suspended_pass_happen_once(kit: Kit) -> None:
    """X-1: the pass that waits leaves nothing behind; the last one counts."""

    @step
    def ask(ctx: Context) -> None:
        ctx.increment("count")
        ctx.append("list", "x")
        ctx.wait_for_event("go")
        ctx.increment("count")
        ctx.wait_for_event("go")

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow, {"count": 10, "list": []})
    kit.assert_waiting_for(run, "go")
    assert run.context == {"count": 10, "list": []}
    kit.send_test_event(run, "go")
    kit.send_test_event(run, "go")
    kit.assert_workflow_completed(run)
    assert (run.context["count"], run.context["list"]) == (12, ["x"])


def test_values_keep_their_types_over_a_suspension(kit: Kit) -> None:
    import datetime
    import decimal

    value = {"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "sum": decimal.Decimal("1.10"), "set": {1, 2}}

    @step
    def ask(ctx: Context) -> Any:
        before = ctx.once("value", lambda: value)
        came = ctx.wait_for_event("go")
        return {"same": ctx.once("value", lambda: None) == before == came == ctx["given"]}

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow, {"given": value})
    kit.send_test_event(run, "go", value)
    assert kit.assert_workflow_completed(run).context["same"] is True


def test_another_order_of_waits_parks_the_execution_and_names_both(kit: Kit) -> None:
    order = ["a", "b"]

    @step
    def ask(ctx: Context) -> None:
        for name in order:
            ctx.wait_for_event(name)

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "a")
    kit.assert_waiting_for(run, "b")
    order[:] = ["c", "b"]
    kit.send_test_event(run, "b")
    kit.settle()
    assert run.blocked
    assert "ReplayDriftError" in (run.reason or "")
    assert "event 'c'" in (run.reason or "") and "event 'a'" in (run.reason or "")
    order[:] = ["a", "b"]
    kit.engine.resume(run)
    kit.assert_workflow_completed(run)


def test_another_kind_of_wait_under_the_same_name_is_drift_too(kit: Kit) -> None:
    kinds = ["event"]

    @step
    def ask(ctx: Context) -> None:
        if kinds[0] == "event":
            ctx.wait_for_event("x")
        else:
            ctx.wait_for_input("x")
        ctx.wait_for_event("y")

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "x")
    kit.assert_waiting_for(run, "y")
    kinds[0] = "input"
    kit.send_test_event(run, "y")
    kit.settle()
    assert run.blocked
    kit.engine.cancel(run)
    kit.assert_workflow_status(run, "cancelled")


def test_once_survives_suspension_retry_and_crash(kit: Kit) -> None:
    calls: Counter[str] = Counter()
    passes: list[int] = []

    def charge(amount: int, *, currency: str) -> str:
        calls["charge"] += 1
        return f"{amount} {currency}"

    @step(retry=Retry(max_attempts=5, backoff="constant", base=1.0, jitter=0.0))
    def pay(ctx: Context) -> str:
        passes.append(ctx.attempt)
        receipt: str = ctx.once("charge", charge, 5, currency="EUR")
        ctx.once("other", calls.update, {"other": 1})
        if len(passes) == 1:
            kit.simulate_crash()
        if ctx.attempt == 1:
            raise ConnectionError("after the charge")
        ctx.wait_for_event("go")
        return receipt

    @workflow
    def flow() -> Any:
        return pay

    run = kit.start_workflow(flow)
    kit.settle()
    kit.advance(seconds=1)
    kit.send_test_event(run, "go")
    assert kit.assert_workflow_completed(run).output == "5 EUR"
    assert calls == {"charge": 1, "other": 1}
    assert passes == [1, 1, 2, 2]


def test_once_called_again_after_a_wait_is_once(kit: Kit) -> None:
    """What the record held when the pass began is not all there is: the pass itself adds to it."""
    calls: list[str] = []

    @step
    def ask_twice(ctx: Context) -> list[str]:
        ctx.sleep_for(1)
        return [ctx.once("key", lambda: calls.append("ran") or "kept") for _ in range(2)]

    @workflow
    def flow() -> Any:
        return ask_twice

    run = kit.start_workflow(flow)
    kit.settle()
    kit.advance(seconds=1)
    assert kit.assert_workflow_completed(run).output == ["kept", "kept"]
    assert calls == ["ran"]


def test_once_awaits_a_coroutine_function_and_keeps_its_result(kit: Kit) -> None:
    calls: Counter[str] = Counter()

    async def charge(amount: int) -> int:
        await asyncio.sleep(0)
        calls["charge"] += 1
        return amount * 2

    @step(retry=Retry(max_attempts=2, backoff="constant", base=1.0, jitter=0.0))
    async def pay(ctx: Context) -> int:
        got: int = await ctx.once("charge", charge, 4)
        ctx.wait_for_event("go")
        if ctx.attempt == 1:
            raise ConnectionError("late")
        return got

    @workflow
    def flow() -> Any:
        return pay

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "go")
    kit.advance(seconds=1)
    assert kit.assert_workflow_completed(run).output == 8
    assert calls == {"charge": 1}


def test_once_in_a_loop_is_once_in_each_iteration(kit: Kit) -> None:
    calls: list[int] = []

    @step
    def send(ctx: Context) -> None:
        ctx.once("mail", calls.append, ctx.iteration)
        ctx.sleep_for(1)
        ctx.increment("n")

    @workflow
    def flow() -> Any:
        return loop("twice", send, while_=lambda ctx: ctx.get("n", 0) < 2)

    run = kit.start_workflow(flow)
    kit.advance(seconds=2)
    kit.assert_workflow_completed(run)
    assert calls == [0, 1]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_wait_inside_of_once_is_a_typed_error(kit: Kit, kind: str) -> None:
    """It would be asked in one pass and not in the next, and every wait after it would seem to be another."""

    @step
    async def ask(ctx: Context) -> None:
        async def inside() -> Any:
            return ctx.wait_for_event("go")

        if kind == "def":
            ctx.once("key", lambda: ctx.wait_for_event("go"))
        await ctx.once("key", inside)

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.assert_workflow_failed(run, "InvalidStateError")
    assert "inside of ctx.once('key')" in run.error["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ctx: ctx.wait_for_event("paid", where={"amount": {"op": "like", "value": 3}}),
        lambda ctx: ctx.wait_for_any(["paid"], where={"amount": {"op": "gt"}}),
        lambda ctx: ctx.wait_for_event("paid", where=["amount"]),
        lambda ctx: ctx.wait_for_event("p" * 300),
        lambda ctx: ctx.wait_for_all(["paid", " "]),
        lambda ctx: ctx.sleep_for(1, name="n" * 300),
        lambda ctx: ctx.call(step(lambda: None), {}),
        lambda ctx: ctx.call(3),
    ],
)
def test_a_wait_that_could_never_end_is_refused_in_a_body_as_in_a_flow(kit: Kit, ask: Any) -> None:
    @workflow
    def flow() -> Any:
        return step(name="ask")(lambda ctx: ask(ctx))

    run = kit.start_workflow(flow)
    kit.assert_workflow_failed(run)
    assert run.error["type"] in ("DefinitionError", "LimitError", "InputValidationError")  # type: ignore[index]


def test_a_failing_once_keeps_nothing(kit: Kit) -> None:
    calls: list[int] = []

    def flaky() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("no")
        return "yes"

    @step(retry=Retry(max_attempts=2, backoff="constant", base=1.0, jitter=0.0))
    def pay(ctx: Context) -> str:
        return str(ctx.once("k", flaky))

    @workflow
    def flow() -> Any:
        return pay

    run = kit.start_workflow(flow)
    kit.advance(seconds=1)
    assert kit.assert_workflow_completed(run).output == "yes"


def test_another_attempt_replays_the_recorded_waits(kit: Kit) -> None:
    attempts: list[int] = []

    @step(retry=Retry(max_attempts=3, backoff="constant", base=5.0, jitter=0.0))
    def ask(ctx: Context) -> list[Any]:
        got = [ctx.wait_for_event("a"), ctx.wait_for_event("b")]
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return got

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "a", 1)
    kit.send_test_event(run, "b", 2)
    kit.advance(seconds=10)
    assert kit.assert_workflow_completed(run).output == [1, 2]
    assert attempts == [1, 2, 3]
    assert [step.status for step in run.steps()] == ["failed", "failed", "completed"]


def test_a_wait_holds_no_slot(kit: Kit) -> None:
    """W-1: more waiting executions than the worker has slots, and the next one runs at once."""

    @workflow
    def waiting() -> Any:
        @step
        def ask(ctx: Context) -> Any:
            return ctx.wait_for_event("go")

        return ask

    @workflow
    def quick() -> Any:
        @step
        def now() -> str:
            return "ran"

        return now

    runs = kit.engine.start_many(waiting, [{} for _ in range(150)])
    kit.settle()
    (worker, *_) = kit.engine.workers
    until(lambda: worker.idle, "the release of what waits")  # each is let go of right after its wait is recorded
    assert worker.room("default") == 100
    assert kit.assert_workflow_completed(kit.start_workflow(quick)).output == "ran"
    assert kit.engine.send_event("go", 1) == 150
    for run in runs:
        kit.assert_workflow_completed(run)

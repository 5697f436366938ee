"""Regression tests for the lessons from an earlier implementation of the same plan, in the order of their list."""

from __future__ import annotations

import threading
import time
from datetime import date
from typing import Any

import pytest

from durable_core.dsl import (
    call,
    foreach,
    parallel,
    sleep_for,
    step,
    wait_for_all,
    wait_for_any,
    wait_for_event,
    workflow,
)
from durable_core.engine.engine import Engine
from tests.engine.runs import Held, completed, end_of, until


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


def note(name: str) -> Any:
    @step(name=name)
    def body(ctx: Any) -> str:
        ctx.append("trace", name)
        return name

    return body


@step
def fails(ctx: Any) -> None:
    raise ValueError("the end")


def open_waits(engine: Engine, execution_id: str) -> int:
    with engine.database.read() as tx:
        row = tx.fetch_one(
            "SELECT COUNT(*) FROM waits WHERE execution_id = :id AND status = 'open'", {"id": execution_id}
        )
    assert row is not None
    return int(row[0])


def waits_for(engine: Engine, run: Any, count: int = 1) -> None:
    until(lambda: open_waits(engine, run.id) >= count, "the wait")


def test_final_status_of_a_compensated_run_is_not_overwritten(engine: Engine) -> None:
    """final status of a compensated run overwritten by the queue's own acknowledgement."""

    @step(compensate=lambda ctx: None)
    def booked(ctx: Any) -> None: ...

    run = end_of(engine, flow(booked, fails))
    for _ in range(3):  # whatever the worker does afterwards
        end_of(engine, flow(note("other"), name="other"))
    assert run.status == "compensated"


def test_a_wait_inside_a_branch_resumes_in_that_branch(engine: Engine) -> None:
    """a wait inside a branch resumed into the other branches, because the position was an index in a flat list."""
    both = parallel("both", {"left": [wait_for_event("go"), note("after_go")], "right": [note("r1"), note("r2")]})
    run = engine.start(flow(both, note("end")))
    waits_for(engine, run)
    until(lambda: len(completed(run)) == 2, "the right branch")
    assert engine.send_event("go", {"x": 1}) == 1
    assert run.wait(15).status == "completed", run.error
    assert run.context["trace"] == ["after_go", "r1", "r2", "end"]
    assert run.context["go"] == {"x": 1}
    assert sorted(completed(run)) == sorted(["both/right/r1", "both/right/r2", "both/left/after_go", "end"])


@pytest.mark.parametrize(
    "node",
    [
        wait_for_event("never", timeout=0.05, timeout_value="late", name="waited"),
        wait_for_any(["never", "nor_this"], timeout=0.05, timeout_value="late", name="waited"),
        wait_for_all(["never", "nor_this"], timeout=0.05, timeout_value="late", name="waited"),
    ],
    ids=["event", "any", "all"],
)
def test_a_timed_out_wait_gives_its_timeout_value(engine: Engine, node: Any) -> None:
    """timeouts of any/all/child waits never returned `timeout_value`."""
    run = end_of(engine, flow(node, note("end")))
    assert run.status == "completed", run.error
    assert run.context["waited"] == "late"
    assert run.context["trace"] == ["end"]


def test_a_timed_out_child_gives_its_timeout_value_and_is_cancelled(engine: Engine) -> None:
    """timeouts of any/all/child waits never returned `timeout_value`."""
    flow(wait_for_event("never"), name="child")
    run = end_of(engine, flow(call("child", name="waited", timeout=0.2, timeout_value="late"), note("end")))
    assert run.status == "completed", run.error
    assert run.context["waited"] == "late"


def test_a_timeout_without_a_value_ends_the_wait_once(engine: Engine) -> None:
    """a timeout without a value armed itself forever."""
    run = end_of(engine, flow(wait_for_event("never", timeout=0.05, name="waited"), note("end")))
    assert run.status == "completed", run.error
    assert run.context["waited"] is None
    assert run.context["trace"] == ["end"]


def test_a_key_of_the_context_never_answers_a_wait(engine: Engine) -> None:
    """waits answered by an equal key in the user's context."""
    run = engine.start(flow(wait_for_event("payment")), {"payment": "forged", "event": "payment"})
    waits_for(engine, run)
    assert run.status == "waiting"
    engine.send_event("payment", "real")
    assert run.wait(15).context["payment"] == "real"


def test_a_second_wait_of_the_same_name_gets_its_own_payload(engine: Engine) -> None:
    """a second wait on the same name got the old payload."""

    @step
    def keep(ctx: Any) -> None:
        ctx.append("seen", ctx["go"])

    run = engine.start(flow(wait_for_event("go"), keep, wait_for_event("go"), keep))
    waits_for(engine, run)
    engine.send_event("go", 1)
    until(lambda: run.context.get("seen") == [1], "the first payload")
    waits_for(engine, run)
    assert run.status == "waiting"
    engine.send_event("go", 2)
    assert run.wait(15).status == "completed", run.error
    assert run.context["seen"] == [1, 2]


def test_a_cancel_is_not_undone_by_the_next_save_and_closes_waits(engine: Engine) -> None:
    """cancelling a running execution undone by its next save; its waits stayed open."""
    held = Held()

    @step
    def slow(ctx: Any) -> None:
        held()

    run = engine.start(flow(parallel("both", [slow, note("next")], wait_for_event("go"))))
    held.wait_begun()
    waits_for(engine, run)
    engine.cancel(run)
    assert open_waits(engine, run.id) == 0
    assert engine.send_event("go") == 0
    held.let_go()
    assert run.wait(15).status == "cancelled"
    assert "trace" not in run.context


def test_an_event_that_comes_before_its_wait_is_kept_for_it(engine: Engine) -> None:
    """waits registered in other statements than the status change: lost wake-ups; early events refused."""
    held = Held()

    @step
    def slow(ctx: Any) -> None:
        held()

    run = engine.start(flow(slow, wait_for_event("go")))
    held.wait_begun()
    engine.send_event("go", "early", execution_id=run.id)
    held.let_go()
    assert run.wait(15).status == "completed", run.error
    assert run.context["go"] == "early"


def test_no_wake_up_is_lost_however_close_event_and_wait_are(engine: Engine) -> None:
    """lost wake-ups: the wait is registered in the transaction that puts the token to rest."""
    runs = [engine.start(flow(note("a"), wait_for_event("go")), id=f"run-{n}") for n in range(20)]
    senders = [threading.Thread(target=engine.send_event, args=("go", 1), kwargs={"execution_id": r.id}) for r in runs]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(15)
    for run in runs:
        assert run.wait(20).status == "completed", run.error


def test_a_child_that_ends_at_once_wakes_its_parent(engine: Engine) -> None:
    """children registered in other statements than the status change: lost wake-ups."""
    flow(note("inside"), name="child")
    each = foreach("all", call("child", name="result"), items=lambda ctx: range(10), concurrency=None)
    run = end_of(engine, flow(each, note("end")))
    assert run.status == "completed", run.error
    assert run.output == "end"
    assert len(run.children) == 10


def test_node_ids_are_the_same_in_every_definition_of_the_same_flow() -> None:
    """generated block ids changed at each start, so a redeploy broke what was in flight."""

    def define() -> Any:
        inner = foreach(note("each"), items="items")
        return flow(parallel(note("a"), [inner, parallel(note("b"), note("c"))]), parallel(note("d")))

    first, second = define(), define()
    assert list(first.definition.places) == list(second.definition.places)
    assert first.definition.hash == second.definition.hash


def test_nested_composites_are_run_and_not_dropped(engine: Engine) -> None:
    """nested composites silently dropped."""
    deepest = parallel("p3", {"x": note("deepest")})
    inner = foreach("f2", [parallel("p2", {"y": [deepest]})], items=lambda ctx: [1, 2])
    run = end_of(engine, flow(parallel("p1", {"z": [inner]})))
    assert run.status == "completed", run.error
    assert run.context["trace"] == ["deepest", "deepest"]


def test_started_at_stays_and_logs_before_a_suspension_are_kept(engine: Engine) -> None:
    """`started_at` rewritten on each resume; logs before a suspension discarded."""

    @step
    def waits(ctx: Any) -> Any:
        print("before the wait")
        value = ctx.wait_for_event("go")
        print("after the wait")
        return value

    run = engine.start(flow(waits))
    waits_for(engine, run)
    began = run.started_at
    time.sleep(0.01)
    engine.send_event("go", 1)
    assert run.wait(15).status == "completed", run.error
    assert run.started_at == began
    lines = [line["message"] for line in run.logs()]
    assert "before the wait" in lines
    assert "after the wait" in lines


def test_values_keep_their_type_across_a_suspension(engine: Engine) -> None:
    """values changed type across a suspension."""
    value = {"when": date(2026, 1, 2), "pair": (1, 2), 3: {4}}
    seen: list[Any] = []

    @step
    def first(ctx: Any) -> None:
        ctx["value"] = value

    @step
    def last(ctx: Any) -> None:
        seen.append(ctx["value"])

    run = end_of(engine, flow(first, sleep_for(0.01), last))
    assert run.status == "completed", run.error
    assert seen == [value]


def test_a_body_may_sleep_several_times(engine: Engine) -> None:
    """only one sleep per body."""
    passes: list[int] = []

    @step
    def sleeps(ctx: Any) -> str:
        passes.append(1)
        for _ in range(3):
            ctx.sleep_for(0.01)
        ctx.increment("n")
        return "rested"

    run = end_of(engine, flow(sleeps))
    assert run.status == "completed", run.error
    assert run.context["n"] == 1
    assert len(passes) == 4


def test_what_cannot_be_saved_does_not_hide_the_error(engine: Engine) -> None:
    """a failing save hid the error that caused it."""

    @step
    def bad(ctx: Any) -> None:
        ctx["x"] = object()
        raise ValueError("the cause")

    run = end_of(engine, flow(bad))
    assert run.error is not None
    assert (run.error["type"], run.error["message"]) == ("ValueError", "the cause")


def test_retry_keeps_the_context(engine: Engine) -> None:
    """retry reset the context."""
    tries: list[int] = []

    @step
    def flaky(ctx: Any) -> None:
        tries.append(ctx["n"])
        if len(tries) == 1:
            raise ValueError("once")

    @step
    def first(ctx: Any) -> None:
        ctx["n"] = 41

    run = end_of(engine, flow(first, flaky))
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert tries == [41, 41]


def test_fail_fast_stops_siblings(engine: Engine) -> None:
    """`fail_fast` did not stop siblings: a running body is asked, one that waits is ended, none goes on."""
    told = threading.Event()
    begun = threading.Event()

    @step
    def watches(ctx: Any) -> None:
        begun.set()
        deadline = time.monotonic() + 10
        while not ctx.cancelled and time.monotonic() < deadline:
            time.sleep(0.005)
        if ctx.cancelled:
            told.set()

    @step
    def bad(ctx: Any) -> None:
        assert begun.wait(10)
        until(lambda: open_waits(engine, ctx.execution_id) == 1, "the wait")
        raise ValueError("the end")

    both = parallel("all", bad, [watches, note("never")], [wait_for_event("go"), note("neither")])
    run = end_of(engine, flow(both))
    assert run.status == "failed"
    assert told.is_set()
    assert "trace" not in run.context
    assert open_waits(engine, run.id) == 0


def test_a_retried_branch_that_waited_waits_again(engine: Engine) -> None:
    """A wait that a fail-fast failure closed is open again after a retry, and is answered by a new event."""
    failing = [True]

    @step
    def bad(ctx: Any) -> None:
        if failing[0]:
            until(lambda: open_waits(engine, ctx.execution_id) == 1, "the wait")
            raise ValueError("once")

    run = end_of(engine, flow(parallel("all", bad, [wait_for_event("go"), note("after")])))
    assert run.status == "failed"
    failing[0] = False
    engine.retry(run)
    waits_for(engine, run)
    engine.send_event("go", 5)
    assert run.wait(15).status == "completed", run.error
    assert run.context["go"] == 5
    assert run.context["trace"] == ["after"]


def test_a_paused_execution_keeps_its_waits_and_what_arrives(engine: Engine) -> None:
    """pause while it waits: an event is taken, and nothing begins before `resume`."""
    run = engine.start(flow(wait_for_event("go"), note("after")))
    waits_for(engine, run)
    engine.pause(run)
    assert engine.send_event("go", 5) == 1
    end_of(engine, flow(note("other"), name="other"))
    assert "trace" not in run.context
    engine.resume(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["trace"] == ["after"]
    assert run.context["go"] == 5


def test_a_failed_child_is_started_anew_when_its_parent_is_retried(engine: Engine) -> None:
    """A retried execution goes on from its failed step: a call whose child failed starts another."""
    failing = [True]

    @step
    def inside(ctx: Any) -> str:
        if failing[0]:
            raise ValueError("once")
        return "made"

    flow(inside, name="child")
    run = end_of(engine, flow(call("child", name="result"), note("end")))
    assert run.status == "failed"
    failing[0] = False
    engine.retry(run)
    assert run.wait(15).status == "completed", run.error
    assert run.context["result"] == "made"
    assert [child.status for child in run.children] == ["failed", "completed"]


def test_a_failing_timeout_is_waited_for_again_when_it_is_retried(engine: Engine) -> None:
    """A retried execution goes on from its failed step: a wait that timed out is open again."""
    run = end_of(engine, flow(wait_for_event("go", timeout=0.2, on_timeout="fail"), note("end")))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == "WaitTimeoutError"
    engine.send_event("go", 0)
    engine.retry(run)
    waits_for(engine, run)
    engine.send_event("go", 5)
    assert run.wait(15).status == "completed", run.error
    assert run.context["go"] == 5


def test_a_kept_event_and_a_wait_always_meet(engine: Engine) -> None:
    """W-5: a broadcast that is kept reaches waits registered at the same moment, exactly once."""
    for number in range(5):
        name = f"go-{number}"
        runs = [engine.start(flow(note("a"), wait_for_event(name, name="go"))) for _ in range(10)]
        engine.send_event(name, number, keep_for=60.0)
        for run in runs:
            assert run.wait(15).status == "completed", run.error
            assert run.context["go"] == number


def test_a_child_begins_and_ends_without_waiting_for_an_idle_poll(engine: Engine) -> None:
    """W-4: the worker is told of a child that begins, and of a parent whose child has ended."""
    flow(note("inside"), name="child")
    parent = flow(call("child", name="one"), call("child", name="two"), name="parent")
    end_of(engine, parent)  # everything is loaded
    spent = []
    for _ in range(3):  # a busy machine may hold back any single one
        began = time.monotonic()
        assert end_of(engine, parent).status == "completed"
        spent.append(time.monotonic() - began)
    assert min(spent) < 1.9, "it waited for polls"

"""Timeouts of every kind of wait: with a value, without one, and as a failure that compensates (W-4, W-8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_core.context import Context
from durable_core.dsl import (
    Retry,
    call,
    sleep_for,
    sleep_until,
    step,
    wait_for_all,
    wait_for_any,
    wait_for_event,
    wait_for_input,
    workflow,
)
from durable_core.errors import DefinitionError
from durable_core.testing.kit import Kit

NODES: dict[str, Callable[..., Any]] = {
    "event": lambda **options: wait_for_event("e", name="w", **options),
    "any": lambda **options: wait_for_any(["e", "f"], name="w", **options),
    "all": lambda **options: wait_for_all(["e", "f"], name="w", **options),
    "input": lambda **options: wait_for_input("w", **options),
    "call": lambda **options: call("never_ends", name="w", **options),
}
METHODS: dict[str, Callable[..., Any]] = {
    "event": lambda ctx, **options: ctx.wait_for_event("e", name="w", **options),
    "any": lambda ctx, **options: ctx.wait_for_any(["e", "f"], name="w", **options),
    "all": lambda ctx, **options: ctx.wait_for_all(["e", "f"], name="w", **options),
    "input": lambda ctx, **options: ctx.wait_for_input("w", **options),
    "call": lambda ctx, **options: ctx.call("never_ends", name="w", **options),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "value": {"timeout_value": {"late": True}},
    "no value": {},
    "fail": {"on_timeout": "fail"},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("form", ["node", "body"])
@pytest.mark.parametrize("kind", NODES)
def test_a_timeout_resumes_with_its_value_or_fails(durable: Kit, kind: str, form: str, option: str) -> None:
    options = {"timeout": 3600, **OPTIONS[option]}

    @workflow
    def never_ends() -> Any:
        return wait_for_event("never")

    if form == "node":
        node = NODES[kind](**options)
    else:

        @step
        def body(ctx: Context) -> None:
            METHODS[kind](ctx, **options)

        node = body

    @step
    def after(ctx: Context) -> Any:
        return repr(ctx["w"])

    @workflow
    def flow() -> Any:
        return [node, after]

    run = durable.start_workflow(flow)
    durable.assert_waiting_for(run, "w")
    durable.advance(minutes=59, seconds=59)
    assert run.status == "waiting"
    durable.advance(seconds=1)
    if option == "fail":
        durable.assert_workflow_failed(run, "WaitTimeoutError")
        assert "'w'" in str(run.error)
    else:
        durable.assert_workflow_completed(run)
        assert run.context["w"] == ({"late": True} if option == "value" else None)
    if kind == "call":
        (child,) = run.children
        durable.assert_workflow_status(child, "cancelled")
    with durable.engine.database.read() as tx:
        assert tx.fetch("SELECT id FROM waits WHERE status = 'open'") == []


@pytest.mark.parametrize("kind", ["event", "any", "all", "input"])
def test_the_value_comes_on_every_store(kit: Kit, kind: str) -> None:
    @workflow
    def flow() -> Any:
        return [NODES[kind](timeout=10, timeout_value="late"), sleep_for(1)]

    run = kit.start_workflow(flow)
    kit.advance(seconds=11)
    assert kit.assert_workflow_completed(run).context["w"] == "late"


def test_a_timeout_that_fails_runs_the_compensations(kit: Kit) -> None:
    undone: list[str] = []

    @step(compensate=lambda ctx: undone.append("flight"))
    def book_flight() -> str:
        return "LH1"

    @workflow
    def flow() -> Any:
        return [book_flight, wait_for_event("payment", timeout=60, on_timeout="fail")]

    run = kit.start_workflow(flow)
    kit.advance(minutes=1)
    kit.assert_workflow_status(run, "compensated")
    assert undone == ["flight"]
    assert run.error is not None and run.error["type"].endswith("WaitTimeoutError")


def test_a_body_may_catch_its_timeout_and_go_on_waiting(kit: Kit) -> None:
    from durable_core.errors import WaitTimeoutError

    @step
    def patient(ctx: Context) -> list[Any]:
        got: list[Any] = []
        for _ in range(3):
            try:
                got.append(ctx.wait_for_event("e", timeout=60, on_timeout="fail"))
            except WaitTimeoutError:
                got.append("reminder")
        return got

    @workflow
    def flow() -> Any:
        return patient

    run = kit.start_workflow(flow)
    kit.advance(seconds=120)
    kit.send_test_event(run, "e", "came")
    assert kit.assert_workflow_completed(run).output == ["reminder", "reminder", "came"]


def test_a_zero_timeout_is_over_at_once_but_takes_what_is_there(kit: Kit) -> None:
    @step
    def look(ctx: Context) -> list[Any]:
        ctx.sleep_for(1)
        got = [ctx.wait_for_event("e", timeout=0, timeout_value="nothing")]
        return [*got, ctx.wait_for_event("e", timeout=0, timeout_value="nothing")]

    @workflow
    def flow() -> Any:
        return look

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "e", "early")
    kit.advance(seconds=1)
    assert kit.assert_workflow_completed(run).output == ["early", "nothing"]


def test_deadlines_are_absolute_from_the_first_registration(kit: Kit) -> None:
    """Crashes, pauses and failed attempts do not put a deadline off."""
    seen: list[datetime] = []

    @step(retry=Retry(max_attempts=2, backoff="constant", base=1.0, jitter=0.0))
    def ask(ctx: Context) -> Any:
        value = ctx.wait_for_event("e", timeout=100, timeout_value="late")
        seen.append(kit.now)
        if ctx.attempt == 1:
            raise ConnectionError("once")
        return value

    @workflow
    def flow() -> Any:
        return ask

    began = kit.now
    run = kit.start_workflow(flow)
    kit.advance(seconds=40)
    kit.simulate_crash()
    kit.advance(seconds=40)
    kit.simulate_crash()
    assert kit.assert_waiting_for(run, "e").due_at == began + timedelta(seconds=100)
    kit.advance(seconds=30)
    assert kit.assert_workflow_completed(run).output == "late"
    assert seen == [began + timedelta(seconds=100), began + timedelta(seconds=101)]


def test_a_sleep_never_ends_early_and_two_in_one_body_add_up(kit: Kit) -> None:
    @step
    def nap(ctx: Context) -> list[str]:
        times = [kit.now]
        ctx.sleep_for(90, name="first")
        ctx.sleep_for(minutes=1)
        times.append(kit.now)
        return [each.isoformat() for each in times]

    @workflow
    def flow() -> Any:
        return nap

    run = kit.start_workflow(flow)
    kit.advance(seconds=89.999)
    kit.assert_waiting_for(run, "first")
    kit.advance(seconds=60.001)
    assert kit.assert_workflow_completed(run).output[1] == "2026-01-01T00:02:30+00:00"


def test_a_sleep_that_ended_while_nobody_ran_is_over_at_the_next_start(store_url: str) -> None:
    """W-4: a worker that was down wakes overdue sleeps, and times out overdue waits, as soon as it is there."""

    @workflow
    def flow() -> Any:
        return [sleep_for(hours=1), wait_for_event("never", timeout=60, timeout_value="late")]

    with Kit(store_url) as before:
        run = before.start_workflow(flow)
        before.assert_waiting_for(run, "sleep")
    with Kit(store_url, start=datetime(2026, 1, 1, 5, tzinfo=UTC)) as later:
        later.assert_waiting_for(run.id, "never")
        later.advance(seconds=60)
        assert later.assert_workflow_completed(run.id).context["never"] == "late"


def test_an_execution_ends_at_the_virtual_time(kit: Kit) -> None:
    """On each store, by whichever way its last step is recorded."""

    @step
    def last() -> None: ...

    @workflow
    def flow() -> Any:
        return [sleep_for(days=3), last]

    run = kit.start_workflow(flow)
    kit.advance(days=4)
    kit.assert_workflow_completed(run)
    assert run.completed_at == datetime(2026, 1, 4, tzinfo=UTC)


def test_sleep_until_takes_a_time_of_any_zone_and_one_that_is_over(kit: Kit) -> None:
    from zoneinfo import ZoneInfo

    @step
    def nap(ctx: Context) -> None:
        ctx.sleep_until(datetime(2026, 1, 1, 9, tzinfo=ZoneInfo("America/New_York")))

    @workflow
    def flow() -> Any:
        return [
            sleep_until(datetime(2020, 1, 1, tzinfo=UTC), name="over"),
            sleep_until(lambda ctx: ctx["until"], name="own"),
            nap,
        ]

    run = kit.start_workflow(flow, {"until": datetime(2026, 1, 1, 1, tzinfo=UTC)})
    assert kit.assert_waiting_for(run, "own").due_at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    kit.advance(hours=1)
    assert kit.assert_waiting_for(run, "sleep").due_at == datetime(2026, 1, 1, 14, tzinfo=UTC)
    kit.advance(hours=13)
    kit.assert_workflow_completed(run)


@pytest.mark.parametrize("time", [None, "2026-05-01", datetime(2026, 5, 1), 5])
def test_a_time_that_is_none_fails_its_sleep(kit: Kit, time: Any) -> None:
    """None was a sleep for ever."""

    @workflow
    def flow() -> Any:
        return [sleep_until(lambda ctx: ctx["time"], name="nap")]

    run = kit.assert_workflow_failed(kit.start_workflow(flow, {"time": time}), DefinitionError)
    assert "the time of 'nap'" in run.error["message"]  # type: ignore[index]


def test_the_longest_sleep_that_can_be_written_is_stored_and_shown(durable: Kit) -> None:
    @workflow
    def flow() -> Any:
        return sleep_for(days=365 * 900)

    run = durable.start_workflow(flow)
    assert durable.assert_waiting_for(run, "sleep").due_at.year == 2925
    durable.advance(days=1)
    assert run.status == "waiting"


def test_an_execution_that_compensates_past_its_deadline_keeps_no_sleeper_from_waking(kit: Kit) -> None:
    """What is overdue and stays so must not hide what comes due later."""

    @workflow(timeout=10)
    def hurried() -> Any:
        @step(compensate=lambda ctx: None)
        def done() -> None: ...

        return [done, wait_for_event("never")]

    @workflow
    def sleeper() -> Any:
        return sleep_for(60)

    first, second = kit.start_workflow(hurried), kit.start_workflow(sleeper)
    kit.advance(seconds=61)
    kit.assert_workflow_status(first, "compensated")
    kit.assert_workflow_completed(second)

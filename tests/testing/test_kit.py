"""The testing kit as users meet it: the fixture `durable`, its clock, its assertions and its doubles."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from durable_core.context import Context
from durable_core.dsl import (
    Retry,
    cron,
    foreach,
    loop,
    parallel,
    registry,
    sleep_for,
    step,
    wait_for_event,
    wait_for_input,
    workflow,
)
from durable_core.errors import DefinitionError, InputValidationError, InvalidStateError
from durable_core.testing.kit import Kit
from tests.architecture.sources import ROOTS


def external(amount: int) -> str:
    raise AssertionError("a test called the real service")


async def external_async() -> str:
    raise AssertionError("a test called the real service")


@step
def charge(ctx: Context, amount: int = 5) -> dict[str, Any]:
    return {"receipt": external(amount)}


def test_the_example_of_the_contract_runs(durable: Kit) -> None:
    """api.md section 8, line by line."""

    @step
    def total(ctx: Context) -> dict[str, Any]:
        return {"total": sum(line["price"] for line in ctx["lines"])}

    @step
    def finalize(ctx: Context) -> str:
        return f"{ctx['manager_approval']} {ctx['total']}"

    @workflow
    def order() -> Any:
        return [total, wait_for_input("manager_approval", type="approval", timeout=48 * 3600), finalize]

    run = durable.start_workflow(order, {"lines": [{"price": 3}, {"price": 4}]})
    durable.assert_waiting_for(run, "manager_approval")
    durable.provide_test_input(run, "manager_approval", "approved")
    durable.assert_workflow_completed(run, timeout=5)
    assert durable.assert_step_completed(run, "finalize").output == "approved 7"


@pytest.mark.slow
def test_a_year_of_days_passes_in_about_a_second_and_in_order(durable: Kit) -> None:
    seen: list[int] = []

    @step
    def note(ctx: Context) -> None:
        seen.append(round((durable.now - began) / timedelta(days=1)))
        ctx.increment("days")

    @workflow
    def daily() -> Any:
        return loop("days", [sleep_for(days=1), note], while_=lambda ctx: ctx.get("days", 0) < 365)

    began = durable.now
    run = durable.start_workflow(daily)
    clock = time.monotonic()
    durable.advance(days=365)
    took = time.monotonic() - clock
    durable.assert_workflow_completed(run)
    assert seen == list(range(1, 366))
    assert took < 20  # between one and two on an idle machine


def test_advance_waits_for_running_bodies_and_moves_no_lease_and_no_step_timeout(durable: Kit) -> None:
    gate = threading.Event()

    @step(timeout=30)
    def slow() -> str:
        gate.wait(5)
        return "done"

    @workflow
    def flow() -> Any:
        return [slow, sleep_for(hours=1)]

    run = durable.start_workflow(flow)
    threading.Timer(0.05, gate.set).start()
    durable.advance(days=2)
    durable.assert_workflow_completed(run)
    assert durable.assert_step_completed(run, "slow").attempt == 1


def test_a_body_that_does_not_end_is_named_when_the_clock_should_move(durable: Kit) -> None:
    gate = threading.Event()

    @step
    def stuck() -> None:
        gate.wait(5)

    @workflow
    def flow() -> Any:
        return stuck

    durable.start_workflow(flow)
    with pytest.raises(InvalidStateError, match="stuck"):
        durable.advance(hours=1, timeout=0.1)
    gate.set()


def test_retries_move_with_the_clock(durable: Kit) -> None:
    calls: list[datetime] = []

    @step(retry=Retry(max_attempts=3, backoff="constant", base=3600.0, cap=3600.0, jitter=0.0))
    def flaky() -> str:
        calls.append(durable.now)
        if len(calls) < 3:
            raise ConnectionError("not yet")
        return "ok"

    @workflow
    def flow() -> Any:
        return flaky

    run = durable.start_workflow(flow)
    durable.settle()
    assert len(calls) == 1
    durable.advance(hours=3)
    durable.assert_workflow_completed(run)
    assert [round((each - calls[0]).total_seconds()) for each in calls] == [0, 3600, 7200]


def test_a_failed_assertion_shows_steps_waits_error_and_context(durable: Kit) -> None:
    @step
    def first(ctx: Context) -> None:
        ctx["colour"] = "green"

    @workflow
    def flow() -> Any:
        return [first, wait_for_event("payment", timeout=60)]

    run = durable.start_workflow(flow)
    with pytest.raises(AssertionError) as caught:
        durable.assert_workflow_completed(run, timeout=5)
    told = str(caught.value)
    for part in ("completed", "first", "event 'payment'", "due 2026-01-01 00:01:00", "'colour': 'green'", "waiting"):
        assert part in told
    with pytest.raises(AssertionError, match="expected it to wait for 'refund'"):
        durable.assert_waiting_for(run, "refund")
    with pytest.raises(AssertionError, match="expected step 'second'"):
        durable.assert_step_completed(run, "second")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("zz", "no execution status 'zz'. There are: pending, running, waiting, completed, .*compensation_failed"),
        ("complete", "Did you mean 'completed'"),
        ("paused", r"flag beside the status: assert run\.paused"),
        (["failed"], "no execution status"),
        (None, "no execution status None"),
    ],
)
def test_a_status_that_there_is_not_is_refused_with_those_there_are(durable: Kit, status: Any, says: str) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_event("go")]

    run = durable.start_workflow(flow)
    with pytest.raises(InputValidationError, match=says):
        durable.assert_workflow_status(run, status)


def test_any_failed_assertion_shows_what_the_executions_did(tmp_path: Path) -> None:
    """In the report of pytest, once each, whether or not the assertion knew of them."""
    (tmp_path / "conftest.py").write_text(
        """
def pytest_configure(config):
    if not config.pluginmanager.has_plugin("durable_studio"):
        from durable_core.testing import plugin

        config.pluginmanager.register(plugin, "durable_studio")
"""
    )
    (tmp_path / "test_shop.py").write_text(
        """
from durable_studio import step, wait_for_event, workflow

@step
def reserve(ctx):
    ctx["shelf"] = "B7"

@workflow
def shop():
    return [reserve, wait_for_event("paid")]

def test_plain(durable):
    run = durable.start_workflow(shop)
    durable.settle()
    assert run.status == "completed"

def test_of_the_kit(durable):
    durable.assert_workflow_completed(durable.start_workflow(shop))

def test_that_passes(durable):
    durable.assert_waiting_for(durable.start_workflow(shop), "paid")
"""
    )
    paths = os.pathsep.join(map(str, ROOTS))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rN", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert "2 failed, 1 passed" in done.stdout
    assert done.stdout.count("executions of this test") == 1
    assert done.stdout.count("of 'shop' is waiting") == 2
    assert done.stdout.count("open       event 'paid' at paid for paid") == 2


def test_an_execution_that_waits_is_not_waited_for(durable: Kit) -> None:
    """The clock stands, so nothing will come: the assertion fails at once and not after its timeout."""

    @workflow
    def flow() -> Any:
        return wait_for_event("never")

    run = durable.start_workflow(flow)
    began = time.monotonic()
    with pytest.raises(AssertionError):
        durable.assert_workflow_completed(run, timeout=30)
    assert time.monotonic() - began < 5


def test_mock_step_returns_raises_and_acts(durable: Kit) -> None:
    @workflow
    def flow() -> Any:
        return charge

    with durable.mock_step(charge, returns={"receipt": "mocked"}) as double:
        run = durable.start_workflow(flow, {"amount": 7})
        assert durable.assert_workflow_completed(run).context["receipt"] == "mocked"
        assert double.call_count == 1
        assert double.contexts == [{"amount": 7}]
    with durable.mock_step(charge, raises=ValueError("declined")):
        durable.assert_workflow_failed(durable.start_workflow(flow), ValueError)
    with durable.mock_step("charge", side_effect=lambda amount: {"receipt": amount * 2}):
        run = durable.start_workflow(flow, {"amount": 4})
        assert durable.assert_workflow_completed(run).context["receipt"] == 8

    async def later(amount: int) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"receipt": amount}

    with durable.mock_step(charge, side_effect=later) as double:
        run = durable.start_workflow(flow, {"amount": 6})
        assert durable.assert_workflow_completed(run).context["receipt"] == 6
        assert double.called
    durable.assert_workflow_failed(durable.start_workflow(flow), AssertionError)  # the real one is back


def test_mock_step_gives_one_result_of_a_list_to_each_call(durable: Kit) -> None:
    @workflow
    def flow() -> Any:
        return foreach("all", charge, items=lambda ctx: [1, 2], on_error="complete_all")

    with durable.mock_step(charge, side_effect=[{"receipt": 1}, ValueError("second")]) as double:
        run = durable.start_workflow(flow)
        durable.assert_workflow_failed(run)
    assert double.call_count == 2


def test_a_mock_that_nothing_uses_is_refused(durable: Kit) -> None:
    with pytest.raises(DefinitionError, match="No registered workflow uses"), durable.mock_step("nothing", returns=1):
        pass
    with pytest.raises(DefinitionError, match="one of"), durable.mock_step(charge, returns=1, raises=ValueError):
        pass


def test_stub_replaces_a_function_of_another_module(durable: Kit) -> None:
    @workflow
    def flow() -> Any:
        return charge

    with durable.stub(f"{__name__}.external", returns="stubbed") as stub:
        run = durable.start_workflow(flow, {"amount": 7})
        assert durable.assert_workflow_completed(run).context["receipt"] == "stubbed"
    stub.assert_called_once_with(7)
    with durable.stub("shutil.disk_usage", raises=OSError("gone")), pytest.raises(OSError, match="gone"):
        shutil.disk_usage("/")
    with durable.stub(f"{__name__}.external_async", returns="awaited"):
        assert asyncio.run(external_async()) == "awaited"


def test_simulate_crash_loses_the_body_and_goes_on_from_the_record(durable: Kit) -> None:
    passes: list[int] = []

    @step
    def first() -> str:
        return "kept"

    @step
    def second(ctx: Context) -> str:
        passes.append(1)
        if len(passes) == 1:
            durable.simulate_crash()
            return "of a dead process"
        return "taken over"

    @workflow
    def flow() -> Any:
        return [first, second]

    run = durable.start_workflow(flow)
    durable.assert_workflow_completed(run)
    assert (run.context["first"], run.context["second"]) == ("kept", "taken over")
    assert [entry["kind"] for entry in run.history()].count("worker_lost") == 1


def test_a_crash_while_nothing_runs_changes_nothing(durable: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_event("go"), sleep_for(hours=1)]

    run = durable.start_workflow(flow)
    durable.assert_waiting_for(run, "go")
    durable.simulate_crash()
    assert durable.send_test_event(run, "go") == 1
    durable.assert_waiting_for(run, "sleep")
    durable.simulate_crash()
    durable.advance(hours=1)
    durable.assert_workflow_completed(run)


def test_every_queue_that_a_workflow_names_is_worked_on(durable: Kit) -> None:
    @step(queue="gpu")
    def render() -> str:
        return "rendered"

    @workflow(queue="pictures")
    def flow() -> Any:
        return [render, sleep_for(1), render]

    run = durable.start_workflow(flow)
    durable.advance(seconds=1)
    durable.assert_workflow_completed(run)


def test_starts_in_the_future_and_workflow_timeouts_move_with_the_clock(durable: Kit) -> None:
    @step
    def now() -> str:
        return durable.now.isoformat()

    @workflow
    def flow() -> Any:
        return now

    @workflow(timeout=3600)
    def hurried() -> Any:
        return wait_for_event("never")

    later = durable.start_workflow(flow, at=datetime(2026, 1, 2, tzinfo=UTC))
    late = durable.start_workflow(hurried)
    durable.advance(minutes=59)
    assert late.status == "waiting"
    durable.advance(minutes=1)
    durable.assert_workflow_failed(late, "WorkflowTimeoutError")
    assert later.status == "pending"
    durable.advance(days=1)
    assert durable.assert_workflow_completed(later).output == "2026-01-02T00:00:00+00:00"


def test_schedules_move_with_the_clock(durable: Kit) -> None:
    ticks: list[str] = []

    @step
    def note() -> None:
        ticks.append(f"{durable.now:%a %H:%M}")

    @cron("0 9 * * MON-FRI", timezone="Europe/Berlin")
    @workflow
    def report() -> Any:
        return note

    durable.advance(days=7)  # from a Thursday, in winter
    assert ticks == ["Thu 08:00", "Fri 08:00", "Mon 08:00", "Tue 08:00", "Wed 08:00"]
    assert [run.status for run in durable.executions(report)] == ["completed"] * 5


def test_workflows_of_a_test_are_forgotten_after_it_and_those_around_it_are_known_inside() -> None:
    with registry.isolated():

        @workflow
        def around() -> Any:
            return charge

        with Kit() as kit:
            assert "around" in registry

            @workflow
            def inside() -> Any:
                return [wait_for_event("go")]

            run = kit.start_workflow("inside")
            kit.send_test_event(run, "go")
            kit.assert_workflow_completed(run)
        assert registry.names() == ["around"]


def test_records_are_told_by_the_virtual_clock(durable: Kit) -> None:
    """Steps, handlers, joins and step timeouts too: a history is in order, and durations are those of the clock."""

    @step(compensate=lambda ctx: None)
    def reserve(ctx: Context) -> None:
        ctx.sleep_for(hours=1)

    @step
    def think() -> None: ...

    @step(timeout=0.05)
    async def hang() -> None:
        await asyncio.sleep(30)

    @workflow
    def order() -> list[Any]:
        return [reserve, parallel("both", sleep_for(60, name="nap"), think), wait_for_event("paid", timeout=60), hang]

    run = durable.start_workflow(order)
    durable.advance(hours=1, minutes=2)
    durable.assert_workflow_status(run, "compensated")

    def minutes(at: datetime) -> float:
        return (at - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() / 60

    told = {each["path"]: (minutes(each["started_at"]), minutes(each["completed_at"])) for each in run.steps()}
    handler = next(each for each in run.steps() if each["type"] == "compensation")
    assert minutes(handler["started_at"]) == minutes(handler["completed_at"]) == 62
    del told["reserve"]
    assert told == {
        "both": (60, 61),
        "both/nap/nap": (60, 61),
        "both/think/think": (60, 60),
        "paid": (61, 62),
        "hang": (62, 62),
    }
    reserved = next(each for each in run.steps() if each["path"] == "reserve" and each["type"] == "step")
    assert (reserved["duration_ms"], minutes(reserved["started_at"])) == (3_600_000, 0)
    times = [each["at"] for each in run.history()]
    assert times == sorted(times)
    assert run.history()[-1]["kind"] not in ("step", "waiting")

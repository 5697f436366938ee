"""The thread sleeps until the next tick, wakes when something changes, and ends with its engine."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from durable_core.clock import VirtualClock
from durable_core.dsl import cron, step, workflow
from durable_core.engine.engine import Engine
from durable_core.scheduler import loop
from tests.engine.runs import until


def job(*crons: Any) -> Any:
    @step
    def work() -> str:
        return "done"

    @workflow(name="job")
    def flow() -> Any:
        return [work]

    for each in crons:
        flow = each(flow)
    return flow


def ticked(engine: Engine, count: int) -> bool:
    return len(engine.schedules.ticks("s")) >= count


@pytest.mark.slow
def test_a_tick_starts_within_milliseconds_and_never_early(store_url: str) -> None:
    job()
    with Engine(store_url) as engine:
        engine.schedules.create("s", "job", cron="* * * * * */2", overlap="allow")
        until(lambda: len(engine.schedules.ticks("s")) >= 2, "two ticks")
        engine.schedules.disable("s")
        ticks = engine.schedules.ticks("s")
        for tick in ticks:
            late = (tick.created_at - tick.tick_at).total_seconds()
            assert 0 <= late < 1.0
        for tick in ticks:
            assert engine.get_execution(tick.execution_id).wait(10).output == "done"


def test_it_wakes_when_the_clock_is_moved_and_when_a_schedule_changes(store_url: str) -> None:
    job()
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Engine(store_url, clock=clock) as engine:
        engine.schedules.create("s", "job", cron="@yearly")
        engine.schedules.update("s", cron="@hourly")
        clock.advance(3600)
        engine.scheduler.wake()
        until(lambda: engine.schedules.ticks("s"), "the tick")


def test_engines_side_by_side_share_the_ticks(store_url: str) -> None:
    job()
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Engine(store_url, clock=clock) as one, Engine(store_url, clock=clock) as other:
        one.schedules.create("s", "job", cron="* * * * *", overlap="allow")
        other.start_worker()
        for minute in range(1, 6):
            clock.advance(60)
            one.scheduler.wake()
            other.scheduler.wake()
            until(partial(ticked, one, minute), "the tick")
        assert len(one.list_executions(tag="schedule:s")) == len(one.schedules.ticks("s")) == 5


def test_a_buffered_tick_starts_when_the_one_before_ends(store_url: str) -> None:
    held = threading.Event()

    @step
    def work() -> None:
        held.wait(20)

    @workflow(name="job")
    def flow() -> Any:
        return [work]

    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Engine(store_url, clock=clock) as engine:
        engine.schedules.create("s", flow, cron="@hourly", overlap="buffer_one")
        for ticks in (1, 2):
            clock.advance(3600)
            engine.scheduler.wake()
            until(partial(ticked, engine, ticks), "the tick")
        assert engine.schedules.get("s").buffered
        held.set()
        until(lambda: [tick.outcome for tick in engine.schedules.ticks("s")] == ["started", "started"])


def test_a_schedule_leaves_the_store_when_the_code_no_longer_declares_it(store_url: str) -> None:
    job(cron("@daily"), cron("@hourly", name="often"))
    with Engine(store_url) as engine, engine.worker():
        assert [each.name for each in engine.schedules.list()] == ["job", "often"]
        engine.schedules.disable("job")
        job(cron("@daily"))
        until(lambda: [each.name for each in engine.schedules.list()] == ["job"], "the other one's end")
        assert not engine.schedules.get("job").enabled


def test_a_client_has_no_scheduler_and_a_closed_engine_none_any_more(store_url: str) -> None:
    def running() -> int:
        return sum(thread.name == "durable-scheduler" for thread in threading.enumerate())

    before = running()
    with Engine(store_url, worker=False) as client:
        job()
        client.schedules.create("s", "job", cron="@hourly")
        assert running() == before
    with Engine(store_url) as engine:
        engine.schedules.disable("s")
        assert running() == before + 1
    assert running() == before


def test_an_idle_scheduler_hardly_reads(store_url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(loop, "SETTLE_SECONDS", 0.0)
    job()
    with Engine(store_url, worker=False) as engine:
        engine.schedules.create("s", "job", cron="@yearly")
        rounds: list[list[str]] = []
        real = engine.scheduler.run_due
        monkeypatch.setattr(engine.scheduler, "run_due", lambda: rounds.append(real()))
        engine.scheduler.start()
        time.sleep(0.7)
        assert len(rounds) <= 3

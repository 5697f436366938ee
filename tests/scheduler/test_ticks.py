"""C-1 and C-3: one execution a tick; overlap, catch-up, and schedules that cannot start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from durable_core.clock import VirtualClock
from durable_core.dsl import foreach, registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.scheduler.loop import Scheduler
from tests.engine import apart
from tests.scheduler.conftest import START


def job(model: type[BaseModel] | None = None) -> Any:
    @step
    def work(ctx: Any) -> Any:
        return ctx.get("n", 0)

    @workflow(name="job", input=model)
    def flow() -> Any:
        return [work]

    return flow


def outcomes(engine: Engine, name: str = "s") -> list[str]:
    return [tick.outcome for tick in reversed(engine.schedules.ticks(name, 1000))]


def end(engine: Engine, execution_id: str) -> None:
    engine.cancel(execution_id, "terminate")


def test_nothing_starts_before_its_time_and_one_execution_at_it(engine: Engine, clock: VirtualClock) -> None:
    job()
    engine.schedules.create("s", "job", cron="*/5 * * * *", input={"n": 7}, queue="q")
    clock.move_to(engine.scheduler.next_due() - 1)  # type: ignore[operator]
    assert engine.scheduler.run_due() == []
    clock.move_to(engine.scheduler.next_due())  # type: ignore[arg-type]
    (started,) = engine.scheduler.run_due()
    assert engine.scheduler.run_due() == []
    run = engine.get_execution(started)
    assert (run.workflow, run.status, run.record().queue) == ("job", "pending", "q")
    found = engine.schedules.get("s")
    assert found.last_tick_at == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert found.next_at == datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    assert found.last_execution_id == started


def test_a_started_tick_runs_with_its_input(engine: Engine, clock: VirtualClock) -> None:
    job()
    engine.schedules.create("s", "job", cron="@hourly", input={"n": 7})
    clock.advance(3600)
    (started,) = engine.scheduler.run_due()
    with engine.worker():
        assert engine.get_execution(started).wait(10).output == 7


def test_many_schedulers_at_once_start_one_execution_a_tick(store_url: str, clock: VirtualClock) -> None:
    job()
    engines = [Engine(store_url, worker=False, clock=clock) for _ in range(4)]
    try:
        engines[0].schedules.create("s", "job", cron="* * * * *", overlap="allow")
        engines[0].schedules.create("t", "job", cron="*/2 * * * *", overlap="allow")
        barrier = threading.Barrier(len(engines))
        faults: list[BaseException] = []

        def tick(scheduler: Scheduler) -> None:
            try:
                for _ in range(10):
                    barrier.wait(20)
                    scheduler.run_due()
                    barrier.wait(20)
                    if scheduler is engines[0].scheduler:
                        clock.advance(60)
            except BaseException as error:
                faults.append(error)
                barrier.abort()

        clock.advance(60)
        threads = [threading.Thread(target=tick, args=(engine.scheduler,)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        clock.move_to(int(clock.now_us()) - 1)
        while engines[0].scheduler.run_due():
            pass
        for name, every in (("s", 1), ("t", 2)):
            ticks = engines[0].schedules.ticks(name, 1000)
            assert {tick.outcome for tick in ticks} == {"started"}
            times = sorted(tick.tick_at for tick in ticks)
            assert times == [START + timedelta(minutes=every * n) for n in range(1, len(times) + 1)]
            assert len(engines[0].list_executions(tag=f"schedule:{name}", limit=1000)) == len(ticks)
    finally:
        for engine in engines:
            engine.close()


@pytest.fixture
def hourly(engine: Engine) -> Iterator[Any]:
    job()

    def make(**options: Any) -> None:
        engine.schedules.create("s", "job", cron="@hourly", **options)

    yield make


def test_skip_leaves_a_tick_out_while_the_one_before_runs(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="skip")
    clock.advance(3600)
    (first,) = engine.scheduler.run_due()
    clock.advance(3600)
    assert engine.scheduler.run_due() == []
    end(engine, first)
    assert engine.scheduler.run_due() == []  # a skipped tick is not made up for
    clock.advance(3600)
    assert len(engine.scheduler.run_due()) == 1
    assert outcomes(engine) == ["started", "skipped", "started"]


def test_buffer_one_starts_one_tick_after_the_one_before(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="buffer_one")
    clock.advance(3600)
    (first,) = engine.scheduler.run_due()
    for _ in range(3):
        clock.advance(3600)
        assert engine.scheduler.run_due() == []
    assert engine.schedules.get("s").buffered
    end(engine, first)
    (second,) = engine.scheduler.run_due()
    assert outcomes(engine) == ["started", "started", "skipped", "skipped"]
    end(engine, second)
    assert engine.scheduler.run_due() == []
    assert not engine.schedules.get("s").buffered


def test_disabling_drops_the_buffered_tick(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="buffer_one")
    clock.advance(3600)
    (first,) = engine.scheduler.run_due()
    clock.advance(3600)
    engine.scheduler.run_due()
    engine.schedules.disable("s")
    end(engine, first)
    engine.schedules.enable("s")
    assert engine.scheduler.run_due() == []
    assert outcomes(engine) == ["started", "skipped"]


def test_allow_starts_beside_the_one_before(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="allow")
    for _ in range(3):
        clock.advance(3600)
        assert len(engine.scheduler.run_due()) == 1
    assert engine.count_executions(status="pending") == 3


def test_cancel_other_cancels_the_one_before(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="cancel_other")
    clock.advance(3600)
    (first,) = engine.scheduler.run_due()
    clock.advance(3600)
    (second,) = engine.scheduler.run_due()
    assert engine.get_execution(first).status == "cancelled"
    assert engine.get_execution(second).status == "pending"


@pytest.mark.parametrize(
    ("catch_up", "missed"),
    [
        ("none", []),
        ("latest", [10]),
        ("all", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (timedelta(hours=3), [8, 9, 10]),
    ],
)
def test_missed_ticks_follow_catch_up(
    engine: Engine, clock: VirtualClock, hourly: Any, catch_up: Any, missed: list[int]
) -> None:
    hourly(catch_up=catch_up, overlap="allow")
    clock.advance(timedelta(hours=10, minutes=30))
    assert len(engine.scheduler.run_due()) == len(missed)
    ticks = sorted(tick.tick_at for tick in engine.schedules.ticks("s", 100))
    assert ticks == [START + timedelta(hours=hour) for hour in missed]
    assert engine.schedules.get("s").next_at == START + timedelta(hours=11)
    assert engine.scheduler.run_due() == []


def test_a_tick_that_is_only_a_little_late_was_not_missed(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(catch_up="none")
    clock.advance(timedelta(hours=1, seconds=30))
    assert len(engine.scheduler.run_due()) == 1


def test_hundreds_of_missed_ticks_are_made_up_for_in_order(engine: Engine, clock: VirtualClock) -> None:
    job()
    engine.schedules.create("s", "job", cron="* * * * *", catch_up="all", overlap="allow")
    clock.advance(timedelta(minutes=250))
    started = engine.scheduler.run_due()
    assert len(started) == 250
    by_time = [tick.execution_id for tick in reversed(engine.schedules.ticks("s", 1000))]
    assert by_time == started


class Strict(BaseModel):
    n: int


def test_five_ticks_that_cannot_start_disable_it_with_the_reason(
    engine: Engine, clock: VirtualClock, hourly: Any
) -> None:
    hourly()
    registry.clear()
    job(Strict)  # the code was changed: it wants an `n` now
    for number in range(1, 6):
        clock.advance(3600)
        assert engine.scheduler.run_due() == []
        found = engine.schedules.get("s")
        assert found.failures == number
        assert found.enabled is (number < 5)
    assert "InputValidationError" in found.disabled_reason
    assert (found.next_at, outcomes(engine)) == (None, ["failed"] * 5)
    assert engine.count_executions() == 0
    enabled = engine.schedules.enable("s")
    assert (enabled.failures, enabled.last_error, enabled.disabled_reason) == (0, None, None)


def test_a_tick_that_starts_forgets_earlier_failures(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly()
    registry.clear()
    job(Strict)
    for _ in range(4):
        clock.advance(3600)
        engine.scheduler.run_due()
    assert engine.schedules.get("s").last_error
    registry.clear()
    job()
    clock.advance(3600)
    assert len(engine.scheduler.run_due()) == 1
    assert (engine.schedules.get("s").failures, engine.schedules.get("s").last_error) == (0, None)


def test_a_workflow_that_nobody_knows_is_a_failure_and_mended_by_knowing_it(
    engine: Engine, clock: VirtualClock, hourly: Any
) -> None:
    hourly()
    registry.clear()
    clock.advance(3600)
    engine.scheduler.run_due()
    assert engine.schedules.get("s").failures == 0  # a worker that knows it may just be starting again
    for _ in range(5):
        clock.advance(7200)
        engine.scheduler.run_due()
    found = engine.schedules.get("s")
    assert not found.enabled
    assert "no running worker knows the workflow 'job'" in found.disabled_reason
    job()
    with Engine(engine.database.url, worker=False, clock=clock) as other:
        assert other.schedules.get("s").enabled


def test_a_tick_is_left_to_the_worker_that_knows_the_workflow(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly()
    with engine.worker():
        engine.scheduler.close()
        registry.clear()
        with Engine(engine.database.url, worker=False, clock=clock) as stranger:
            clock.advance(7200)
            assert stranger.scheduler.run_due() == []
            assert stranger.schedules.get("s").failures == 0
            assert stranger.schedules.get("s").next_at == START + timedelta(hours=1)


def tick_of(engine: Engine, execution_id: str) -> Any:
    return engine.get_execution(execution_id).scheduled_for


def test_an_execution_made_up_for_knows_the_tick_it_is_for(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    """However late it is started: the tick, not the time."""
    hourly(catch_up="all", overlap="allow")
    clock.advance(timedelta(hours=3, minutes=30))
    started = engine.scheduler.run_due()
    assert [tick_of(engine, each) for each in started] == [START + timedelta(hours=hour) for hour in (1, 2, 3)]
    assert engine.get_execution(started[0]).to_dict()["scheduled_for"] == "2026-01-01T01:00:00.000000Z"


def test_a_buffered_execution_knows_the_tick_it_waited_since(engine: Engine, clock: VirtualClock, hourly: Any) -> None:
    hourly(overlap="buffer_one")
    clock.advance(3600)
    (first,) = engine.scheduler.run_due()
    clock.advance(3600)
    engine.scheduler.run_due()
    clock.advance(600)
    end(engine, first)
    (second,) = engine.scheduler.run_due()
    assert tick_of(engine, second) == START + timedelta(hours=2)


def test_an_execution_that_no_tick_started_has_none(engine: Engine, hourly: Any) -> None:
    hourly()
    assert engine.schedules.trigger_now("s").scheduled_for is None
    assert engine.start("job").scheduled_for is None


def test_everything_that_runs_of_an_execution_sees_its_tick(engine: Engine, clock: VirtualClock) -> None:
    """Bodies in threads, coroutines and processes of their own, functions of the context, handlers, and forks."""
    undone: list[Any] = []

    def undo(ctx: Any) -> None:
        undone.append(ctx.scheduled_for)

    @step(compensate=undo)
    def in_a_thread(ctx: Any) -> Any:
        return ctx.scheduled_for

    @step
    async def in_a_task(ctx: Any, item: Any) -> Any:
        return item if item == ctx.scheduled_for else "another"

    @step
    def fails(ctx: Any) -> None:
        if ctx.get("fail"):
            raise ValueError("now")

    each = foreach("ticks", in_a_task, items=lambda ctx: [ctx.scheduled_for], collect="seen")

    @workflow(name="job", output=lambda ctx: [ctx["in_a_thread"], ctx["tick"], *ctx["seen"], ctx.scheduled_for])
    def flow() -> Any:
        return [in_a_thread, apart.tick, each, fails]

    engine.schedules.create("s", "job", cron="@hourly")
    clock.advance(3600 + 1800)
    (started,) = engine.scheduler.run_due()
    tick = START + timedelta(hours=1)
    with engine.worker():
        run = engine.get_execution(started).wait(20)
        assert (run.status, run.output) == ("completed", [tick] * 4), run.error
        again = engine.fork(run, step="in_a_task", iteration=0).wait(20)
        assert (again.output, again.scheduled_for) == ([tick] * 4, tick)
        failed = engine.fork(run, step="in_a_thread", context={"fail": True}).wait(20)
        assert (failed.status, undone) == ("compensated", [tick])

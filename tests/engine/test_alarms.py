"""A worker wakes what it put to sleep from memory, and only what is still as it left it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_core.dsl import parallel, sleep_for, step, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.executor.alarms import Alarms
from durable_core.executor.intake import Intake
from tests.crash import tables
from tests.engine.runs import completed, until


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the tokens that were read from the store."""
    seen: list[str] = []
    load = Intake._load

    def spying(self: Intake, ids: Any, **options: Any) -> Any:
        wanted = list(ids)
        seen.extend(wanted)
        return load(self, wanted, **options)

    monkeypatch.setattr(Intake, "_load", spying)
    return seen


@step
def before(ctx: Any) -> None:
    ctx["word"] = "kept"


@step
def after(ctx: Any) -> str:
    return f"{ctx['word']} {ctx.get('more', '')}".strip()


@step
def naps(ctx: Any) -> str:
    ctx.sleep_for(0.15)
    return f"{ctx['word']} on"


def flow(seconds: float = 0.15, *between: Any) -> Any:
    @workflow(name="napping", output=lambda ctx: ctx["after"])
    def napping() -> Any:
        return [before, sleep_for(seconds, name="nap"), *between, after]

    return napping


def asleep(engine: Engine, workflow: Any, **options: Any) -> Execution:
    run = engine.start(workflow, **options)
    until(lambda: run.status == "waiting", "the sleep")
    return run


def test_the_worker_that_put_it_to_sleep_reads_nothing(engine: Engine, loads: list[str]) -> None:
    run = asleep(engine, flow())
    assert run.wait(20).output == "kept"
    assert loads == []
    assert [s["name"] for s in run.steps() if s["status"] == "completed"] == ["before", "nap", "after"]
    assert engine.verify() == []


def test_a_body_that_sleeps_is_entered_again(engine: Engine, loads: list[str]) -> None:
    @workflow(name="inside", output=lambda ctx: ctx["naps"])
    def inside() -> Any:
        return [before, naps]

    run = asleep(engine, inside)
    assert run.wait(20).output == "kept on"
    assert loads == []


def test_what_is_decided_after_the_sleep(engine: Engine) -> None:
    """What lies between a sleep and the next body is decided once the claim holds."""

    @step
    def side(ctx: Any) -> None:
        ctx["more"] = "and more"

    run = asleep(engine, flow(0.15, parallel("both", {"a": [side], "b": [before.with_options(name="again")]})))
    assert run.wait(20).output == "kept and more"
    assert engine.verify() == []


def test_none_is_woken_early(engine: Engine) -> None:
    """W-4."""
    runs = engine.start_many(flow(0.3), [{}] * 20)
    for run in runs:
        run.wait(20)
    due = {row["execution_id"]: row["due_at"] for row in tables.read(engine.database.url).waits}
    began = {
        row["execution_id"]: row["started_at"]
        for row in tables.read(engine.database.url).steps
        if row["name"] == "after"
    }
    assert len(due) == len(began) == 20
    assert all(began[id_] >= due[id_] for id_ in due)


@pytest.mark.parametrize(
    "act",
    [
        lambda engine, run: engine.pause(run) and engine.resume(run),
        lambda engine, run: engine.queues.pause("default") or engine.queues.resume("default"),
        lambda engine, run: engine.fork(run, step="before").wait(20),
    ],
    ids=["paused and resumed", "its queue paused and resumed", "forked"],
)
def test_whatever_happens_while_it_sleeps(engine: Engine, act: Callable[[Engine, Execution], Any]) -> None:
    run = asleep(engine, flow(0.3))
    act(engine, run)
    assert run.wait(20).output == "kept"
    assert completed(run) == ["before", "after"]
    assert engine.verify() == []


def test_who_is_cancelled_in_his_sleep_does_not_wake(engine: Engine) -> None:
    run = asleep(engine, flow(0.3))
    engine.cancel(run)
    assert run.wait(20).status == "cancelled"
    other = engine.start(flow(0.4)).wait(20)
    assert other.status == "completed"
    assert completed(run) == ["before"]


def test_a_paused_queue_wakes_nobody(engine: Engine) -> None:
    run = asleep(engine, flow(0.1))
    engine.queues.pause("default")
    other = engine.start(flow(0.1), queue="default")
    until(lambda: all(row["available_at"] is not None for row in tables.read(engine.database.url).tokens), "a due time")
    assert run.status == "waiting"
    engine.queues.resume("default")
    assert [each.wait(20).status for each in (run, other)] == ["completed", "completed"]


def test_another_worker_wakes_what_a_dead_one_left_asleep(store_url: str) -> None:
    """W-4: a shortcut of one worker, and no more than that."""
    with Engine(store_url) as engine:
        run = asleep(engine, flow(0.5))
        engine.abandon_workers()
        with Engine(store_url) as other:
            other.start_worker()
            assert other.get_execution(run.id).wait(20).output == "kept"


def test_what_is_defined_anew_meanwhile_is_judged(engine: Engine, loads: list[str]) -> None:
    """T-7: the workflow of that name is another one now."""
    run = asleep(engine, flow(0.3))
    flow(0.3, before.with_options(name="new"))
    assert run.wait(20).status == "completed"
    assert run.id in loads


def test_long_sleeps_and_large_contexts_are_not_kept(engine: Engine) -> None:
    @step
    def fills(ctx: Any) -> None:
        ctx["large"] = "x" * 10_000

    @workflow(name="large")
    def large() -> Any:
        return [fills, sleep_for(5), after]

    kept: list[Any] = []
    for each in (large, flow(3600.0), flow(30.0)):
        asleep(engine, each)
        [worker] = engine.crew.members
        assert isinstance(worker._alarms, Alarms)
        kept.append(len(worker._alarms._heap))
    assert kept == [0, 0, 1]

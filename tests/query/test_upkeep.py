"""cleanup, verify, doctor and queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from durable_core.dsl import call, foreach, step, wait_for_event, workflow
from durable_core.dsl.workflow import Workflow
from durable_core.engine.cleanup import BATCH
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import InvalidStateError
from durable_core.testing.kit import Kit

TABLES = ("executions", "tokens", "steps", "waits", "logs", "journal")


def sql(engine: Engine, statement: str) -> None:
    engine.committer.run(lambda tx: tx.execute(statement))


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def until_waiting(run: Execution) -> None:
    until(lambda: run.status == "waiting")


def rows(engine: Engine) -> dict[str, int]:
    with engine.database.read() as tx:
        return {table: tx.fetch(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES}


@pytest.fixture
def flow() -> Workflow:
    """Prints, then waits for the event "go" when asked to."""

    @step
    def talk(ctx: Any) -> None:
        print("hello")
        if ctx.get("wait"):
            ctx.wait_for_event("go")

    @workflow
    def flow() -> Any:
        return [talk]

    return flow  # type: ignore[no-any-return]


def test_cleanup_removes_every_row_of_what_has_ended(engine: Engine, flow: Workflow) -> None:
    """Open executions and younger ones stay; a dry run changes nothing."""
    for _ in range(3):
        engine.start(flow).wait(10)
    waiting = engine.start(flow, {"wait": True})
    until_waiting(waiting)
    assert engine.cleanup(timedelta(hours=1)) == 0
    before = rows(engine)
    assert engine.cleanup(0, dry_run=True) == 3
    assert rows(engine) == before
    assert engine.cleanup(0, status="failed") == 0
    assert engine.cleanup(0) == 3
    assert engine.list_executions() == [waiting]
    assert rows(engine)["steps"] == 0
    with pytest.raises(InvalidStateError, match="running"):
        engine.cleanup(0, status="running")


@pytest.mark.slow
def test_cleanup_removes_events_to_all_and_ticks_that_are_of_no_use_any_more(store_url: str) -> None:
    """What is kept for later waits stays, and so does the tick of an execution that still runs."""

    @workflow
    def waits() -> Any:
        return [wait_for_event("go")]

    with Kit(store_url) as kit:
        engine = kit.engine
        engine.schedules.create("daily", waits, cron="0 9 * * *", overlap="allow")
        engine.send_event("news", 1, id="first")
        engine.send_event("offer", 2, keep_for=timedelta(days=30))
        engine.send_event("offer", 3, keep_for=timedelta(days=2))
        kit.advance(days=3)
        older, *_ = kit.executions(waits)
        kit.send_test_event(older, "go")
        kit.advance(days=3)
        assert engine.cleanup(older_than=timedelta(days=1)) == 1
        with engine.database.read() as tx:
            assert [row[0] for row in tx.fetch("SELECT name FROM events")] == ["offer"]
            assert tx.fetch_one("SELECT COUNT(*) FROM event_deliveries") == (0,)
        ticks = engine.schedules.ticks("daily")
        assert len(ticks) == 5 and older.id not in {tick.execution_id for tick in ticks}


def test_cleanup_goes_in_batches(engine: Engine, flow: Workflow) -> None:
    """More than one transaction's worth is removed in one call."""
    runs = [engine.start(flow) for _ in range(BATCH + 5)]
    for run in runs:
        run.wait(30)
    assert engine.cleanup(0) == BATCH + 5
    assert rows(engine)["executions"] == 0


def test_cleanup_leaves_children_of_open_parents(engine: Engine, flow: Workflow) -> None:
    """A parent that still runs shows its children."""

    @workflow
    def parent() -> Any:
        return [call(flow, name="kid"), wait_for_event("never")]

    run = engine.start(parent)
    until(lambda: run.current_steps == ["never"])
    assert engine.cleanup(0) == 0
    engine.cancel(run).wait(10)
    assert engine.cleanup(0) == 2


DAMAGE = [
    ("E-3", "DELETE FROM tokens", "has no token"),
    ("E-3", "DELETE FROM waits", "waits at talk for nothing"),
    ("E-1", "DELETE FROM definitions", "definition"),
    ("E-1", "DELETE FROM executions", "no row of its own"),
    ("S-10", "UPDATE executions SET status = 'asleep'", "'asleep' is none"),
    ("S-10", "UPDATE executions SET completed_at = 1", "yet has a time"),
    ("S-10", "UPDATE executions SET status = 'cancelled', completed_at = 1", "a token is waiting"),
    ("T-6", "UPDATE executions SET status = 'cancelled', completed_at = 1", "is open"),
    ("E-3", "UPDATE tokens SET status = 'paused'", "`resume` cannot reach it"),
    ("E-3", "UPDATE tokens SET status = 'joining'", "nothing says what"),
    ("E-3", "UPDATE tokens SET status = 'running', worker_id = NULL", "without a worker"),
    ("E-3", "UPDATE tokens SET status = 'retry', available_at = NULL", "has no due time"),
    ("W-6", "UPDATE waits SET status = 'satisfied'", "without a time"),
]


@pytest.mark.parametrize(("promise", "damage", "told"), DAMAGE, ids=[told for _, _, told in DAMAGE])
def test_verify_names_what_is_broken(sqlite_url: str, flow: Workflow, promise: str, damage: str, told: str) -> None:
    """A healthy store has no findings; a damaged one names promise, execution and what is wrong."""
    with Engine(sqlite_url) as engine:
        run = engine.start(flow, {"wait": True})
        until_waiting(run)
    with Engine(sqlite_url, worker=False) as engine:
        assert engine.verify() == []
        sql(engine, damage)
        found = engine.verify()
        assert any(told in one.message and one.execution_id == run.id for one in found), found
        if "nothing says what" not in told:
            assert promise in {one.promise for one in found}


@pytest.fixture
def joined() -> Iterator[tuple[Workflow, threading.Event]]:
    go = threading.Event()

    @step
    def item(ctx: Any) -> None:
        go.wait(10)

    @workflow
    def joined() -> Any:
        return [foreach("items", item, items=lambda ctx: [1, 2], concurrency=2)]

    yield joined, go
    go.set()


def test_verify_counts_the_branches_of_a_join(sqlite_url: str, joined: tuple[Workflow, threading.Event]) -> None:
    """E-3, T-2: a join that lost a child would wait for ever."""
    chosen, _ = joined
    with Engine(sqlite_url) as engine:
        run = engine.start(chosen)
        until(lambda: len(run.steps()) == 3)
        assert engine.verify() == []
        sql(engine, "DELETE FROM tokens WHERE branch = 1")
        messages = " ".join(one.message for one in engine.verify())
        assert "items began 2 branches, 1 of them are there" in messages
        joined[1].set()


def test_a_paused_queue_gives_out_nothing(engine: Engine, flow: Workflow) -> None:
    """Until it is resumed; other queues go on."""
    engine.start(flow).wait(10)
    engine.queues.pause("slow")
    run = engine.start(flow, queue="slow")
    assert [queue.name for queue in engine.queues.list() if queue.paused] == ["slow"]
    engine.start_worker({"slow": 1}, name="slow one")
    engine.start(flow).wait(10)
    assert run.status == "pending"
    engine.queues.resume("slow")
    run.wait(10)


def test_doctor_looks_at_store_schema_and_workers(engine: Engine, flow: Workflow) -> None:
    """A healthy store has no problem; a blocked execution and an unserved queue are ones."""
    engine.start(flow).wait(10)
    checks = {check.name: check for check in engine.doctor()}
    assert not [check for check in checks.values() if check.level == "problem"]
    assert "1 alive" in checks["workers"].detail
    assert ("clock" in checks) == (engine.database.dialect == "postgres")
    run = engine.start(flow, queue="nobody")
    sql(engine, f"UPDATE executions SET control = 4, reason = 'it drifted' WHERE id = '{run.id}'")
    problems = {check.name: check.detail for check in engine.doctor() if check.level == "problem"}
    assert "it drifted" in problems["blocked"]
    assert "queue nobody" in problems["work without a worker"]

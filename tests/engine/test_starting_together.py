"""Starts that share a commit, and starts that one statement does (E-1, E-2)."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core.dsl import step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionExistsError
from durable_core.executor.start import Beginning, begin
from durable_core.executor.start_unit import StartUnit
from durable_core.ids import new_execution_id

OWN = {"id", "execution_id", "created_at", "started_at", "deadline_at", "available_at", "begun_at", "claimed_at"}


@step
def nothing() -> None:
    return None


def flow() -> Any:
    @workflow(timeout=60.0, priority=3, tags=("a", "b"))
    def short() -> Any:
        return [nothing]

    return short


def rows_of(engine: Engine, execution_id: str) -> list[dict[str, Any]]:
    """The rows of an execution and of its first token, without what is each one's own."""
    from durable_core.store.tables import ExecutionRow, TokenRow

    found = []
    for table, key in ((ExecutionRow, "id"), (TokenRow, "execution_id")):
        columns = [column.name for column in table.__table__.columns]  # type: ignore[attr-defined]
        with engine.database.read() as tx:
            row = tx.fetch_one(
                f"SELECT {', '.join(columns)} FROM {table.__tablename__} WHERE {key} = :id", {"id": execution_id}
            )
        assert row is not None
        values = dict(zip(columns, row, strict=True))
        found.append({name: value for name, value in values.items() if name not in OWN})
    return found


def test_a_start_by_one_statement_writes_what_a_start_by_several_does(store_url: str) -> None:
    """The first start of a definition writes it, too."""
    with Engine(store_url, worker=False) as engine:
        short = flow()
        first = engine.start(short, {"n": 1}, tags=("c",), priority=7, queue="other")
        second = engine.start(short, {"n": 1}, tags=("c",), priority=7, queue="other")
        long = Beginning(
            execution_id="the_long_way",
            definition=short.definition,
            fingerprint=short.fingerprint,
            input={"n": 1},
            tags=("c",),
            priority=7,
            queue="other",
        )
        engine.committer.run(lambda tx: begin(tx, long, engine.definitions, None))
        assert rows_of(engine, first.id) == rows_of(engine, second.id) == rows_of(engine, long.execution_id)


def test_an_execution_of_a_tick_is_written_alike_in_both_ways(store_url: str) -> None:
    """C-1: which tick it is for."""
    with Engine(store_url, worker=False) as engine:
        short = flow()

        def beginning(execution_id: str) -> Beginning:
            return Beginning(
                execution_id=execution_id,
                definition=short.definition,
                fingerprint=short.fingerprint,
                input={},
                scheduled_for=1_767_225_600_000_000,
            )

        units = [StartUnit(beginning(each), engine.definitions, None) for each in ("one", "two")]
        engine.committer.commit_all(units)
        engine.committer.run(lambda tx: begin(tx, beginning("three"), engine.definitions, None))
        first, second, third = (rows_of(engine, each) for each in ("one", "two", "three"))
        assert first == second == third
        assert first[0]["scheduled_for"] == 1_767_225_600_000_000


def test_a_deadline_counts_from_the_start(store_url: str) -> None:
    """S-8: `timeout=` of a workflow, however it was started."""
    with Engine(store_url, worker=False) as engine:
        short = flow()
        for run in (engine.start(short), engine.start(short)):
            with engine.database.read() as tx:
                row = tx.fetch_one("SELECT deadline_at - created_at FROM executions WHERE id = :id", {"id": run.id})
            assert row == (60_000_000,)


def test_the_same_key_finds_the_execution_there_is(store_url: str) -> None:
    """E-2, also once one statement does it."""
    with Engine(store_url, worker=False) as engine:
        short = flow()
        engine.start(short)
        assert len({engine.start(short, idempotency_key="k").id for _ in range(3)}) == 1


def test_an_id_that_is_taken_refuses_that_start_and_no_other_of_its_commit(store_url: str) -> None:
    """S-1: who shares a commit with a faulty unit is not touched by it."""
    with Engine(store_url, worker=False) as engine:
        short = flow()
        taken = engine.start(short, id="taken")

        def unit(execution_id: str) -> StartUnit:
            beginning = Beginning(
                execution_id=execution_id,
                definition=short.definition,
                fingerprint=short.fingerprint,
                input={},
                given_id=True,
            )
            return StartUnit(beginning, engine.definitions, None)

        units = [unit(new_execution_id()), unit(taken.id), unit(new_execution_id())]
        engine.committer.commit_all(units)
        assert [each.value().new for each in (units[0], units[2])] == [True, True]
        with pytest.raises(ExecutionExistsError):
            units[1].value()
        assert engine.count_executions() == 3


def test_many_started_together_all_end(engine: Engine) -> None:
    """E-1: those that the worker has room for, and those that wait for it."""
    short = flow()
    engine.start(short).wait(30)
    runs = engine.start_many(short, [{"n": number} for number in range(250)])
    assert [run.wait(60).context["n"] for run in runs] == list(range(250))
    assert engine.count_executions(status="completed") == 251

"""The record of a sleep by one statement writes what the settlement of one writes, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from durable_core.dsl import sleep_for, step, workflow
from durable_core.engine.engine import Engine
from durable_core.executor.claim import Claim
from durable_core.executor.load import Loader
from durable_core.executor.plan import Plan
from durable_core.executor.record import SettleUnit, SleepUnit, unit_for
from durable_core.executor.settlement import Holder
from durable_core.store.claims import Taken, mark_running
from durable_core.wait.spec import WaitSpec
from tests.crash import tables

OWN = {"id", "execution_id", "token_id"}
TIMES = {"created_at", "started_at", "available_at", "claimed_at", "due_at"}
HOLDER = Holder("ours", 30_000_000, lambda queue: False)


@step
def after() -> None: ...


def flow() -> Any:
    @workflow(name="sleeps_first")
    def sleeper() -> Any:
        return [sleep_for(60, name="nap"), after]

    return sleeper


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    with Engine(store_url, worker=False) as engine:
        yield engine


def claimed(engine: Engine, count: int) -> list[Claim]:
    """The claims of so many executions that stand at their sleep."""
    runs = engine.start_many(flow(), [{"n": 1}] * count)
    with engine.database.write() as tx:
        tx.execute("UPDATE tokens SET status = 'running', worker_id = 'ours', fence = 1 WHERE status = 'ready'")
        tx.execute("UPDATE executions SET status = 'running' WHERE status = 'pending'")
    with engine.database.read() as tx:
        loaded = Loader(engine.definitions.stored, "ours").load(tx, [run.id for run in runs])
    return [claim for claim in loaded if isinstance(claim, Claim)]


def asleep(claim: Claim) -> Plan:
    plan = Plan(claim, claim.token, claim.token)
    plan.wait = WaitSpec(kind="sleep", name="nap", occurrence=0, position=0, seconds=60.0)
    plan.begun_at = 5
    return plan


def written(engine: Engine, execution_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of an execution, without what is each one's own; of its times, whether they are set."""
    seen = tables.read(engine.database.url)
    found: dict[str, list[dict[str, Any]]] = {}
    for table in ("executions", "tokens", "waits"):
        rows = [row for row in getattr(seen, table) if row.get("execution_id", row["id"]) == execution_id]
        found[table] = [
            {key: value is not None if key in TIMES else value for key, value in row.items() if key not in OWN}
            for row in rows
        ]
    return found


def test_sleeps_recorded_together_are_those_that_are_settled(engine: Engine) -> None:
    settled, *fast = claimed(engine, 4)
    engine.committer.commit(SettleUnit(asleep(settled), HOLDER))
    units = [unit_for(asleep(claim), lambda claim: HOLDER) for claim in fast]
    engine.committer.commit_all(units)
    for unit in units:
        assert isinstance(unit, SleepUnit)
        assert unit.result is True
        assert written(engine, unit.plan.claim.execution_id) == written(engine, settled.execution_id)
    due = {row["execution_id"]: row["due_at"] for row in tables.read(engine.database.url).waits}
    available = {row["id"]: row["available_at"] for row in tables.read(engine.database.url).tokens}
    assert due == available
    assert all(due[unit.plan.claim.execution_id] == unit.due for unit in units if isinstance(unit, SleepUnit))


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE tokens SET fence = 2 WHERE id = :id",
        "UPDATE tokens SET stop = 1 WHERE id = :id",
        "UPDATE tokens SET status = 'ready' WHERE id = :id",
        "UPDATE executions SET control = 1 WHERE id = :id",
    ],
    ids=["taken over", "to stop", "given back", "paused"],
)
def test_whom_something_happened_to_meanwhile_does_not_go_to_sleep(engine: Engine, meanwhile: str) -> None:
    """S-3: and the others of its commit do."""
    first, other, last = claimed(engine, 3)
    with engine.database.write() as tx:
        assert tx.execute(meanwhile, {"id": other.execution_id}) == 1
    before = written(engine, other.execution_id)
    units = [SleepUnit(asleep(claim)) for claim in (first, other, last)]
    engine.committer.commit_all(units)
    assert [unit.value() for unit in units] == [True, False, True]
    assert written(engine, other.execution_id) == before


def test_who_was_frozen_between_a_claim_and_its_mark_marks_nothing(engine: Engine) -> None:
    """S-3, E-3: the token was taken over meanwhile, and sleeps; its execution waits, and is not running."""
    [claim] = claimed(engine, 1)
    held = Taken(claim.token_id, claim.execution_id, "sleeps_first", "default", 0, 0, claim.fence)
    with engine.database.write() as tx:
        tx.execute("UPDATE tokens SET fence = 2")
    claim.fence = 2
    assert engine.committer.commit(SleepUnit(asleep(claim))) is True
    engine.committer.run(lambda tx: mark_running(tx, [held]))
    assert [row["status"] for row in tables.read(engine.database.url).executions] == ["waiting"]
    assert engine.verify() == []
    with engine.database.write() as tx:
        tx.execute("UPDATE executions SET status = 'running'")
    assert [(finding.promise, finding.message) for finding in engine.verify()] == [
        ("E-3", "it is running, yet nothing of it runs")
    ]


def test_a_sleep_after_another_wait_of_the_body_is_settled(engine: Engine) -> None:
    """What is recorded there already decides how it goes on."""
    [claim] = claimed(engine, 1)
    claim.waits = None
    assert isinstance(unit_for(asleep(claim), lambda claim: HOLDER), SettleUnit)

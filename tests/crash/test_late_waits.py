"""A wait that commits between the two halves of a claim, the end of due waits and the waking of their tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl import sleep_for, step, workflow
from durable_core.engine.engine import Engine
from durable_core.store import statements as sql
from durable_core.store import wait_statements
from durable_core.wait.rows import Place, register
from durable_core.wait.spec import WaitSpec
from tests.crash import tables

pytestmark = pytest.mark.crash


@step
def after_it() -> None: ...


@workflow(name="late_sleeper")  # the shapes of the crash points have a sleeper of their own
def sleeper() -> list[object]:
    return [sleep_for(3600), after_it]


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    with Engine(store_url) as engine:
        yield engine


def test_a_token_is_not_woken_before_its_wait_has_ended(engine: Engine, store_url: str) -> None:
    """It found its wait open, waited anew, and slept twice as long (W-3, W-4)."""
    run = engine.start(sleeper)
    while run.status != "waiting":
        continue
    with engine.database.write() as tx:
        later = tx.now() + 3_700_000_000
        skip = sql.WAKE_DUE_UNLOCKED if tx.dialect == "postgres" else ")"
        assert tx.execute(sql.WAKE_DUE + skip, {"now": later}) == 0
        assert len(tx.fetch(wait_statements.END_DUE, {"now": later})) == 1
        assert tx.execute(sql.WAKE_DUE + skip, {"now": later}) == 1


def test_a_wait_that_is_registered_again_keeps_its_first_deadline(engine: Engine, store_url: str) -> None:
    """Deadlines are absolute from the first registration (W-3)."""
    run = engine.start(sleeper)
    while run.status != "waiting":
        continue
    [row] = tables.query(store_url, "SELECT * FROM waits")
    place = Place(execution_id=run.id, token_id=run.id, workflow="sleeper", path=row["path"], iteration="")
    spec = WaitSpec(kind="sleep", name=row["name"], occurrence=0, position=0, seconds=7200.0)
    with engine.database.write() as tx:
        assert register(tx, place, spec) == (False, row["due_at"])

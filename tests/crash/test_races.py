"""Records, heartbeats and takeovers of the same token that meet, on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from durable_core import failpoints
from durable_core.definition.model import Definition
from durable_core.engine.engine import Engine
from durable_core.executor.claim import Claim
from durable_core.executor.fast import MoveUnit
from durable_core.executor.load import Loader
from durable_core.executor.plan import Plan, step_row
from durable_core.executor.takeover import give_back, take_over_expired
from durable_core.status import AttemptStatus
from durable_core.store.ahead import catch_up
from durable_core.store.claims import renew
from durable_core.store.transaction import Transaction
from tests.crash import ledger, tables
from tests.crash.shapes import ALL

pytestmark = [pytest.mark.crash, pytest.mark.service("postgres")]

TAKEN_OVER = "UPDATE tokens SET status = 'ready', worker_id = NULL, lease_until = NULL, fence = fence + 1"


def test_an_execution_is_not_ended_by_a_worker_whose_token_is_being_taken_over(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-3: the end saw the token as it was before the takeover it waited for, and left a token without an execution."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    shape = ALL["lingering"]
    with Engine(postgres_url) as engine, Engine(postgres_url, worker=False) as other:
        engine.start_worker()
        # the record of the last step, which ends the execution, comes while the takeover has the execution's lock
        failpoints.arm("before_record=sleep:0.3@3")
        try:
            run = engine.start(shape.workflow, {"seconds": 0.01})
            while not any(line.key.endswith(":third") for line in ledger.read(tmp_path / "ledger")):
                time.sleep(0.005)
            with other.database.write() as tx:
                tx.fetch("SELECT id FROM executions WHERE id = :id FOR UPDATE", {"id": run.id})
                while not _waits(postgres_url):
                    time.sleep(0.005)
                catch_up(tx, run.id)
                tx.execute(f"{TAKEN_OVER} WHERE execution_id = :id", {"id": run.id})
        finally:
            failpoints.arm("")
        assert run.wait(20).status == "completed"
        assert [step.name for step in run.steps() if step.status == "completed"] == ["first", "linger", "third"]
        assert engine.verify() == []
    assert tables.query(postgres_url, "SELECT id FROM tokens") == []


def _waits(url: str) -> bool:
    """Whether some connection waits for a lock."""
    return bool(
        tables.query(
            url, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


def test_a_heartbeat_does_not_wait_for_a_record(postgres_url: str) -> None:
    """S-4: the two waited for each other when a record held one of its tokens and wanted another."""
    shape = ALL["sequence"]
    with Engine(postgres_url, worker=False) as engine, Engine(postgres_url, worker=False) as other:
        runs = [engine.start(shape.workflow) for _ in range(2)]
        with engine.database.write() as tx:
            tx.execute("UPDATE tokens SET status = 'running', worker_id = 'w', lease_until = 0, fence = 1")
        with other.database.write() as recording:
            recording.fetch("SELECT id FROM tokens WHERE id = :id FOR UPDATE", {"id": runs[0].id})
            assert engine.committer.run(lambda tx: renew(tx, "w", 30_000_000)) == {run.id: 1 for run in runs}
    renewed = {row["id"] for row in tables.query(postgres_url, "SELECT id FROM tokens WHERE lease_until > 0")}
    assert renewed == {runs[1].id}


def test_a_lease_that_was_renewed_at_the_last_moment_is_not_taken_over(postgres_url: str) -> None:
    """S-3: the takeover read that it had run out, and then waited for the very record that went with its renewal."""
    with Engine(postgres_url, worker=False) as engine, Engine(postgres_url, worker=False) as other:
        run = engine.start(ALL["sequence"].workflow)
        stored = engine.definitions.stored
        with engine.database.write() as tx:
            tx.execute("UPDATE tokens SET status = 'running', worker_id = 'w', lease_until = 1, fence = 1")
        taking = threading.Thread(target=lambda: other.committer.run(lambda tx: take_over_expired(tx, stored)))
        with engine.database.write() as tx:
            tx.fetch("SELECT id FROM executions WHERE id = :id FOR UPDATE", {"id": run.id})
            taking.start()
            while not _waits(postgres_url):
                time.sleep(0.005)
            tx.execute("UPDATE tokens SET lease_until = :until", {"until": tx.now() + 30_000_000})
        taking.join(20)
    assert tables.query(postgres_url, "SELECT status, fence FROM tokens") == [{"status": "running", "fence": 1}]


def test_sweeps_that_meet_take_over_in_one_order(postgres_url: str) -> None:
    """E-3: each had locked one execution and waited for the other's: they came upon their tokens in other orders."""
    with Engine(postgres_url, worker=False) as engine:
        ids = sorted(engine.start(ALL["sequence"].workflow).id for _ in range(2))
        lost = "UPDATE tokens SET status = 'running', worker_id = 'w', lease_until = 1, fence = 1 WHERE id = :id"
        with engine.database.write() as tx:
            for id_ in ids:
                tx.execute(lost, {"id": id_})
        moved, inside = threading.Event(), (threading.Event(), threading.Event())
        recovered: list[int] = []
        failures: list[BaseException] = []

        def sweep(number: int) -> None:
            looked: list[str] = []

            def definition_of(tx: Transaction, key: str) -> Definition:
                """Called before each execution is locked."""
                if number == 0 and not looked:  # it has read its tokens, and the other sweep reads them now
                    other.start()
                    assert moved.wait(20)
                if looked:
                    inside[number].set()
                    while not inside[1 - number].is_set() and not _waits(postgres_url):
                        time.sleep(0.005)
                looked.append(key)
                return engine.definitions.stored(tx, key)

            with engine.database.write() as tx:
                recovered.append(take_over_expired(tx, definition_of))

        def move_and_sweep() -> None:
            """Rows stand where they were written last, and that is how they are found: now the first comes last."""
            for statement in ("UPDATE tokens SET status = 'ready' WHERE id = :id", lost):
                with engine.database.write() as tx:
                    tx.execute(statement, {"id": ids[0]})
            moved.set()
            sweep(1)

        other = threading.Thread(target=_keeping, args=(failures, move_and_sweep))
        _keeping(failures, partial(sweep, 0))
        assert failures == []
        other.join(30)
    assert failures == []
    assert recovered == [2, 2]
    assert tables.query(postgres_url, "SELECT status, fence FROM tokens") == [{"status": "ready", "fence": 2}] * 2


def _keeping(failures: list[BaseException], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        failures.append(error)


def test_a_worker_starts_though_another_sweeps_what_it_finds(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-3: who could not have a lock in the first sweep was no worker at all; the next sweep comes in a second."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    impatient = postgres_url + "?options=-c%20lock_timeout%3D100ms"
    with Engine(impatient, worker=False) as engine, Engine(postgres_url, worker=False) as other:
        run = engine.start(ALL["sequence"].workflow)
        with other.database.write() as tx:
            tx.execute("UPDATE tokens SET status = 'running', worker_id = 'w', lease_until = 1, fence = 1")
        with other.database.write() as tx:
            tx.fetch("SELECT id FROM executions WHERE id = :id FOR UPDATE", {"id": run.id})
            engine.start_worker()
        assert run.wait(20).status == "completed"


def test_a_token_that_is_given_back_while_its_move_is_on_its_way_stands_after_it(postgres_url: str) -> None:
    """E-4, S-2: the one who gave it back saw no step of that move yet, and it ran again."""
    shape = ALL["sequence"]
    with Engine(postgres_url, worker=False) as engine, Engine(postgres_url, worker=False) as other:
        run = engine.start(shape.workflow)
        with engine.database.write() as tx:
            tx.execute("UPDATE tokens SET status = 'running', worker_id = 'w', lease_until = 0, fence = 1")
        with engine.database.read() as tx:
            [claim] = Loader(engine.definitions.stored, "w").load(tx, [run.id])
        assert isinstance(claim, Claim)
        place = claim.definition.places[claim.node.path]
        row = step_row(claim, claim.node, (), AttemptStatus.COMPLETED, started_at=1, completed_at=2)
        move = MoveUnit(Plan(claim, claim.token, claim.token._replace(path=place.next), rows=[row]))
        stored = other.definitions.stored
        giving = threading.Thread(target=lambda: other.committer.run(lambda tx: give_back(tx, run.id, 1, "w", stored)))
        with engine.database.write() as tx:
            assert move.write(tx) is True
            giving.start()
            while not _waits(postgres_url):
                time.sleep(0.005)
        giving.join(20)
    assert tables.query(postgres_url, "SELECT status, path FROM tokens") == [{"status": "ready", "path": place.next}]

"""Tokens that a worker holds in the store and has dropped in memory come back by its own heartbeat (E-3)."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from durable_core import failpoints
from durable_core.codec import dump_tree
from durable_core.engine.engine import Engine
from durable_core.executor.takeover import MAX_CRASHES
from durable_core.store import statements as sql
from tests.crash import ledger
from tests.crash.shapes import SHAPES

pytestmark = pytest.mark.crash


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("after_claim", id="the store failed between a claim and its loading"),
        pytest.param("before_record", id="a thread broke before it recorded"),
        pytest.param("inside_record", id="a record was stored and its reply lost, where it is one statement"),
        pytest.param("after_fork", id="what follows a fork broke"),
        pytest.param("after_join", id="what follows a join broke"),
        pytest.param("after_settle", id="what follows a record broke"),
    ],
)
def test_what_a_worker_has_dropped_is_not_kept_alive_by_its_heartbeat(
    point: str, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a token nobody works on was renewed for ever."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    shape = SHAPES["each"]
    with Engine(store_url, lease=1.5) as engine:
        engine.start_worker()
        failpoints.arm(f"{point}=raise")
        try:
            runs = [engine.start(shape.workflow, shape.input) for _ in range(3)]
            statuses = [run.wait(20).status for run in runs]
        finally:
            failpoints.arm("")
        assert statuses == ["completed"] * 3
        assert [run.record().crashes for run in runs] == [0] * 3


@pytest.mark.parametrize(
    ("seconds", "lease"),
    [
        pytest.param(1.1, 1.5, id="for two heartbeats: it is still on its way to a body"),
        pytest.param(2.5, 0.6, id="for more than a lease: the other worker has it now"),
    ],
)
def test_a_token_whose_claim_takes_long_to_load_is_run_once(
    seconds: float, lease: float, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two heartbeats a moment apart gave it back, and its claimer went on with the fence of whoever had it next."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    with Engine(store_url, worker=False, lease=lease) as engine:
        engine.start_worker()
        engine.start_worker()
        failpoints.arm(f"after_claim=sleep:{seconds}")
        try:
            soon = datetime.now(UTC) + timedelta(seconds=0.2)  # what is due at once is claimed by its start
            run = engine.start(SHAPES["sequence"].workflow, at=soon).wait(20)
        finally:
            failpoints.arm("")
        assert (run.status, run.record().crashes) == ("completed", 0)
    begun = Counter(line.key for line in ledger.read(tmp_path / "ledger") if line.kind == "begin")
    assert set(begun.values()) == {1}, begun


def test_a_token_that_is_being_given_back_is_not_begun(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loading and its return met: the body ran for nothing, and again under the next fence."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    with Engine(store_url, worker=False, lease=1.5) as engine:
        engine.start_worker()
        failpoints.arm("after_mark=sleep:2.6;inside_hand_back=sleep:1.0")
        try:
            soon = datetime.now(UTC) + timedelta(seconds=0.2)
            run = engine.start(SHAPES["sequence"].workflow, at=soon).wait(20)
        finally:
            failpoints.arm("")
        assert run.status == "completed"
    begun = Counter(line.key for line in ledger.read(tmp_path / "ledger") if line.kind == "begin")
    assert set(begun.values()) == {1}, begun


def test_a_token_that_a_buried_worker_gets_by_its_last_commit_is_taken_over(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-1: the server may still store what a killed process sent; the token waited for the end of its lease then."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    with Engine(store_url) as engine:
        gone = engine.start_worker()
        gone.close()
        run = engine.start(SHAPES["sequence"].workflow, at=datetime.now(UTC) + timedelta(hours=1))
        with engine.database.write() as tx:
            tx.execute(
                "UPDATE tokens SET status = 'running', worker_id = :worker, lease_until = :lease, fence = 7",
                {"worker": gone.id, "lease": tx.now() + 3_600_000_000},
            )
        engine.start_worker()
        assert run.wait(20).status == "completed"


def test_a_body_that_comes_from_wait_to_wait_is_not_taken_for_one_that_kills_its_workers(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-6: losses in earlier passes of a body counted as losses at one place, and the sixth poisoned it."""
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
    with Engine(store_url) as engine:
        gone = engine.start_worker()
        run = engine.start(SHAPES["bodily"].workflow)
        while run.status != "waiting":
            time.sleep(0.005)
        gone.close()
        lost = dump_tree({"worker": "w", "token": "", "path": "asking", "iteration": "", "pass": 1, "attempt": 1})
        with engine.database.write() as tx:
            for _ in range(MAX_CRASHES):
                tx.execute(
                    sql.INSERT_JOURNAL, {"execution": run.id, "kind": "worker_lost", "detail": lost, "now": tx.now()}
                )
            tx.execute(
                "UPDATE tokens SET status = 'running', worker_id = :worker, lease_until = 1, fence = 7",
                {"worker": gone.id},
            )
        engine.start_worker()
        while run.record().crashes == 0:
            time.sleep(0.005)
        assert run.status in ("running", "waiting")
        engine.cancel(run, mode="terminate")

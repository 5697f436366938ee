"""A record and a takeover of the same token that wait for each other, on PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from durable_core import failpoints
from durable_core.engine.engine import Engine
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

"""Tokens that a worker holds in the store and has dropped in memory come back by its own heartbeat (E-3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from durable_core import failpoints
from durable_core.engine.engine import Engine
from tests.crash import ledger
from tests.crash.shapes import SHAPES

pytestmark = pytest.mark.crash


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("after_claim", id="the store failed between a claim and its loading"),
        pytest.param("before_record", id="a thread broke before it recorded"),
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
    with Engine(store_url, lease=0.6) as engine:
        engine.start_worker()
        failpoints.arm(f"{point}=raise")
        try:
            runs = [engine.start(shape.workflow, shape.input) for _ in range(3)]
            statuses = [run.wait(20).status for run in runs]
        finally:
            failpoints.arm("")
        assert statuses == ["completed"] * 3
        assert [run.record().crashes for run in runs] == [0] * 3

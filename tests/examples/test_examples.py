"""Each example runs through the real command, on its default input and on what its text invites to try."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import PROJECT, ROOTS

EXAMPLES = sorted(path.name for path in (PROJECT / "examples").glob("*.py"))
EXPECTED = {
    "approval.py": "manager_approval waits for an answer (approval): Approve this expense?",
    "document_pipeline.py": "document_pipeline",
    "nightly_report.py": "in 4 regions, for everybody",
    "order_processing.py": "on its way to Ana",
    "retry_api.py": "21 degrees, after 2 failed calls",
    "trip_saga.py": "3 nights in Lisbon",
    "user_onboarding.py": "send: durable-studio event email_verified --to",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "durable_studio", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, ROOTS)),
            "DURABLE_URL": f"sqlite:///{folder}/durable.db",
            "TMPDIR": str(folder),
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=50,
    )


def document(folder: Path, example: str, given: dict[str, Any]) -> tuple[int, Any]:
    done = run(folder, "run", str(PROJECT / "examples" / example), "--json", "--input", json.dumps(given))
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_on_its_default_input(tmp_path: Path, example: str) -> None:
    """It completes, or says what it waits for, and leaves a store without broken promises."""
    done = run(tmp_path, "run", str(PROJECT / "examples" / example), "--watch")
    assert done.returncode == 0, done.stderr
    assert EXPECTED[example] in done.stdout
    assert run(tmp_path, "verify").returncode == 0
    assert run(tmp_path, "graph", str(PROJECT / "examples" / example)).returncode == 0


@pytest.mark.slow
def test_a_trip_that_cannot_be_had_is_undone(tmp_path: Path) -> None:
    """T-5: newest first."""
    code, whole = document(tmp_path, "trip_saga.py", {"sold_out": "car"})
    assert (code, whole["status"]) == (1, "compensated")
    undone = [step["name"] for step in whole["steps"] if step["type"] == "compensation"]
    assert undone == ["book_hotel", "book_flight"]


@pytest.mark.slow
def test_a_declined_card_frees_the_stock(tmp_path: Path) -> None:
    """The retry of the bank is recorded, too."""
    code, whole = document(tmp_path, "order_processing.py", {"card": "declined"})
    assert (code, whole["status"], whole["error"]["step"]) == (1, "compensated", "charge_card")
    tried = [(step["attempt"], step["status"]) for step in whole["steps"] if step["name"] == "verify_payment"]
    assert tried == [(1, "failed"), (2, "completed")]


@pytest.mark.slow
def test_a_service_that_stays_down_is_given_up(tmp_path: Path) -> None:
    """The loop ends by its own count."""
    code, whole = document(tmp_path, "retry_api.py", {"down_for": 9, "seconds": 0.01})
    assert (code, whole["status"]) == (1, "failed")
    assert "did not answer 5 times" in whole["error"]["message"]


@pytest.mark.slow
def test_wrong_input_is_refused_by_field(tmp_path: Path) -> None:
    """Every fault at once, exit code 2, nothing started."""
    done = run(tmp_path, "run", str(PROJECT / "examples/order_processing.py"), "-i", '{"lines": [{"price": -1}]}')
    assert done.returncode == 2
    assert "lines.0.item" in done.stderr and "lines.0.price" in done.stderr
    assert not (tmp_path / "durable.db").exists()

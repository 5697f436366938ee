"""The command as a process: signals, kills, closed pipes, and how long --help takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command.conftest import Command

Begin = Callable[..., "subprocess.Popen[str]"]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)


def completed(command: Command, id: str) -> int:
    found = command("status", id, "--json")
    return sum(step["status"] == "completed" for step in found.json["steps"]) if found.code == 0 else 0


@pytest.mark.crash
def test_a_killed_run_goes_on_where_it_was(command: Command, begin: Begin, flows: Path) -> None:
    """E-1: `run --id` again after kill -9; completed items do not run again, and nothing is broken."""
    victim = begin("run", f"{flows}:slow", "--id", "mine")
    wait_until(lambda: completed(command, "mine") >= 2)
    victim.kill()
    victim.wait()
    before = completed(command, "mine")
    assert before < 20
    begun = time.monotonic()
    done = command("run", f"{flows}:slow", "--id", "mine", "--json")
    assert done.code == 0, done.err
    assert "going on where it was" in done.err
    naps = [step for step in done.json["steps"] if step["name"] == "nap"]
    assert [step["iteration"] for step in naps] == list(range(20))
    assert time.monotonic() - begun < 20 * 0.2 + 2
    assert command("verify").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_gracefully(command: Command, begin: Begin, flows: Path, number: signal.Signals) -> None:
    """E-4: the running body ends, leases are handed back, no crash is counted."""
    id = command("run", f"{flows}:slow", "--detach").out.strip()
    worker = begin("worker", flows, "--name", "tester")
    wait_until(lambda: completed(command, id) >= 1)
    [node] = command("nodes", "--json").json
    assert (node["name"], node["status"], node["pid"]) == ("tester", "alive", worker.pid)
    worker.send_signal(number)
    _, err = worker.communicate(timeout=15)
    assert worker.returncode == 0, err
    assert "stopped" in err and "Traceback" not in err
    assert command("nodes", "--json").json == []
    assert command("worker", flows, "--until-idle").code == 0
    assert command("status", id, "--json").json["status"] == "completed"


@pytest.mark.slow
def test_an_interrupted_run_says_how_it_goes_on(command: Command, begin: Begin, flows: Path) -> None:
    """Ctrl-C is exit code 130 and one line."""
    run = begin("run", f"{flows}:slow", "--id", "mine")
    wait_until(lambda: completed(command, "mine") >= 1)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=15)
    assert run.returncode == 130, err
    assert "--id mine" in err and "Traceback" not in err


def test_a_closed_pipe_is_no_error(command: Command, begin: Begin, flows: Path) -> None:
    """`durable-studio list | head -0`."""
    command("run", f"{flows}:hello")
    process = begin("list", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=15)
    assert err == ""


def test_help_loads_nothing_heavy() -> None:
    """Help answers at once because it imports no store, no screen and no validation; `make bench` has the time."""
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "durable_studio", "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert "durable_studio" in loaded
    heavy = {"sqlmodel", "sqlalchemy", "textual", "ipywidgets", "networkx", "pydantic", "alembic", "psycopg"}
    assert not loaded & heavy


def test_a_stream_follows_another_process(command: Command, begin: Begin, flows: Path) -> None:
    """`watch --json` prints a line for each step while a worker does them."""
    id = command("run", f"{flows}:hello", "--detach").out.strip()
    worker = begin("worker", flows, "--until-idle")
    lines = command("watch", id, "--json").lines
    assert [line["name"] for line in lines if line.get("event") == "step"] == ["greet"]
    assert lines[-1]["status"] == "completed"
    worker.communicate(timeout=15)
    assert json.dumps(lines)

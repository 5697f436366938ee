"""Worker processes that are killed, frozen, asked to stop, or killed by what they run; and several on one store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from durable_core.engine.engine import Engine
from tests.crash import ledger, tables
from tests.crash.nursery import ROOT, SOURCES, Nursery
from tests.crash.runs import PATIENCE, Run
from tests.crash.shapes import SHAPES
from tests.crash.verdict import faults

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

STEPS_AND_ENDS = ("executions", "steps", "tokens", "journal", "waits", "logs", "events")


@pytest.fixture
def run(nursery: Nursery, store_url: str, tmp_path: Path) -> Run:
    return Run(nursery, store_url, tmp_path, {"x": "lingering"})


def snapshot(url: str) -> dict[str, list[str]]:
    """Everything a worker writes for an execution."""
    return {table: sorted(map(repr, tables.query(url, f"SELECT * FROM {table}"))) for table in STEPS_AND_ENDS}


def test_a_killed_worker_is_noticed_at_once_and_not_after_its_lease(run: Run) -> None:
    """E-1: its operating-system lock is gone; within 2 s another one has begun the step again, with a lease of 30 s."""
    killed = run.process(inputs={"x": {"seconds": 1.5}}, lease=30.0)
    run.await_begin("linger")
    other = run.process(executions={}, expect=1, lease=30.0)
    run.await_workers(2)
    killed.signal(signal.SIGKILL)
    at = time.time_ns() // 1000
    again = run.await_begin("linger", count=2)
    assert again.pid == other.pid
    assert (again.at - at) / 1e6 < 2.0
    assert other.wait(PATIENCE) == 0
    run.kills = 1
    assert faults(run.evidence(None)) == []


def test_a_process_started_again_goes_straight_on(run: Run) -> None:
    """E-1: what an earlier process left is taken up before anything else; interpreters of their own, as users start."""
    order = run.order(inputs={"x": {"seconds": 0.5}}, lease=30.0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
    command = [sys.executable, "-m", "tests.crash.drive", order.to_json()]
    first = subprocess.Popen(command, env=environment, cwd=ROOT)
    run.await_begin("linger")
    first.kill()
    first.wait()
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=PATIENCE)
    run.kills = 1
    assert faults(run.evidence(None)) == []
    [row] = tables.query(run.url, "SELECT crashes FROM executions")
    assert row["crashes"] == 1


def test_sigterm_lets_the_running_step_end_and_begins_no_other(
    nursery: Nursery, store_url: str, tmp_path: Path
) -> None:
    """E-4: no new claims, no further step of what it holds, no crash counted; others take over without waiting."""
    run = Run(nursery, store_url, tmp_path, {f"x{number}": "lingering" for number in range(4)})
    stopped = run.process(queues={"default": 1}, lease=30.0)
    run.await_begin("linger")
    stopped.signal(signal.SIGTERM)
    at = time.time_ns() // 1000
    assert stopped.wait(10) == 0
    assert time.time_ns() // 1000 - at < 2_000_000
    [begun] = [line for line in ledger.read(run.ledger) if line.kind == "begin" and line.key.endswith(":linger")]
    assert [line.kind for line in ledger.read(run.ledger) if line.key == begun.key] == ["begin", "end"]
    assert [line for line in run.begins() if line.at > at + 50_000] == []
    assert [row for row in tables.query(store_url, "SELECT * FROM tokens") if row["status"] == "running"] == []
    assert [row["status"] for row in tables.query(store_url, "SELECT status FROM workers")] == ["stopped"]
    assert run.process().wait(PATIENCE) == 0
    assert faults(run.evidence(None)) == []
    assert {row["crashes"] for row in tables.query(store_url, "SELECT crashes FROM executions")} == {0}


def test_a_step_that_outlives_the_grace_period_is_handed_back(run: Run) -> None:
    """E-4: another worker begins it again at once, under a higher fence, and no crash is counted."""
    stopped = run.process(inputs={"x": {"seconds": 4.0}}, lease=30.0, grace=0.2)
    run.await_begin("linger")
    stopped.signal(signal.SIGTERM)
    assert stopped.wait(3.5) == 0
    other = run.process(executions={}, expect=1)
    run.await_begin("linger", count=2)
    assert other.wait(PATIENCE) == 0
    [row] = tables.query(run.url, "SELECT status, crashes FROM executions")
    assert row == {"status": "completed", "crashes": 0}


@pytest.mark.slow
def test_an_execution_that_kills_its_workers_ends_as_poisoned_and_the_others_go_on(
    nursery: Nursery, store_url: str, tmp_path: Path
) -> None:
    """S-6: five lost workers are forgiven; those beside it, killed along with it, come to their own end."""
    shapes = {"bad": "poison", "slow": "lingering", **{f"other{number}": "sequence" for number in range(5)}}
    run = Run(nursery, store_url, tmp_path, shapes)
    for _ in range(10):
        run.dies(run.process(inputs={"slow": {"seconds": 0.4}}))
        if not tables.query(store_url, "SELECT id FROM executions WHERE completed_at IS NULL"):
            break
    found = {row["id"]: row for row in tables.query(store_url, "SELECT id, status, error, crashes FROM executions")}
    assert found["bad"]["status"] == "failed"
    assert tables.tree(found["bad"]["error"])["type"] == "PoisonedError"
    assert found["bad"]["crashes"] == 6
    assert sum(line.key.endswith(":kill_process") for line in run.begins()) == 6
    assert {id: row["status"] for id, row in found.items() if id != "bad"} == dict.fromkeys(
        shapes.keys() - {"bad"}, "completed"
    )


@pytest.mark.slow
def test_a_handler_that_kills_its_workers_fails_and_the_chain_goes_on(
    nursery: Nursery, store_url: str, tmp_path: Path
) -> None:
    """S-6, T-5: a compensation is not tried for ever, and the handlers after it still run."""
    run = Run(nursery, store_url, tmp_path, {"x": "bad_undo"})
    for _ in range(8):
        if not run.dies(run.process()):
            break
    [row] = tables.query(store_url, "SELECT status, crashes FROM executions")
    assert row == {"status": "compensation_failed", "crashes": 6}
    undone = [line.key for line in ledger.read(run.ledger) if line.kind == "undo-end"]
    assert undone == ["x:book"]


def test_a_frozen_worker_whose_lease_was_taken_over_writes_nothing_afterwards(run: Run) -> None:
    """S-3: no status, context, step, log or event; what its body returns is thrown away."""
    frozen = run.process(inputs={"x": {"seconds": 0.8}}, lease=1.0)
    run.await_begin("linger")
    frozen.signal(signal.SIGSTOP)
    try:
        other = run.process(executions={}, expect=1, lease=1.0)
        assert run.await_begin("linger", count=2).pid == other.pid
        assert other.wait(PATIENCE) == 0
        before = snapshot(run.url)
    finally:
        frozen.signal(signal.SIGCONT)
    assert frozen.wait(PATIENCE) == 0
    assert snapshot(run.url) == before
    [row] = tables.query(run.url, "SELECT status, crashes FROM executions")
    assert row == {"status": "completed", "crashes": 1}
    assert len([line for line in run.begins() if line.key.endswith(":third")]) == 1


def test_an_idle_worker_hears_at_once_of_work_that_another_process_brings(
    nursery: Nursery, store_url: str, tmp_path: Path
) -> None:
    """D-2: it waited for its next slow look, up to 2 s, and a busy neighbour had done everything by then."""
    run = Run(nursery, store_url, tmp_path, {f"x{number}": "sequence" for number in range(6)})
    worker = run.process(executions={}, expect=6)
    run.await_workers(1)
    lags = []
    with Engine(store_url, worker=False) as client:
        for id, shape in run.executions.items():
            at = time.time_ns() // 1000
            client.start(SHAPES[shape].workflow, id=id).wait(20)
            lags.append(next(line.at for line in run.begins() if line.key.startswith(f"{id}:")) - at)
    assert worker.wait(PATIENCE) == 0
    assert sorted(lags)[3] < 500_000, lags


def test_several_worker_processes_on_one_store_share_the_load(nursery: Nursery, store_url: str, tmp_path: Path) -> None:
    """T-3: each gets some, none gets what another has, and one worker never runs more than it may."""
    run = Run(nursery, store_url, tmp_path, {f"x{number:03}": "lingering" for number in range(60)})
    workers = [run.process(executions={}, expect=60, queues={"default": 4}) for _ in range(3)]
    run.await_workers(3)
    inputs = {id: {"seconds": 0.05} for id in run.executions}
    client = run.process(works=False, inputs=inputs)
    assert [process.wait(PATIENCE) for process in (client, *workers)] == [0] * 4
    shares = Counter(line.pid for line in run.begins() if line.key.endswith(":linger"))
    assert sum(shares.values()) == 60
    assert len(shares) == 3
    assert min(shares.values()) >= 6
    assert faults(run.evidence(None)) == []

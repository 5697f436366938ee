"""T-7: workers with different code on one store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from durable_core.engine.engine import Engine
from tests.engine.runs import until

PROGRAM = Path(__file__).with_name("worker_of.py")
CORE = Path(__file__).parents[2] / "core"
EACH = 4


@contextmanager
def worker_of(store_url: str, version: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), store_url, version],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(CORE)},
    )
    try:
        assert answer(process) == "works"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def start(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    process.stdin.write("start\n")
    process.stdin.flush()
    return answer(process)


@pytest.mark.slow
def test_each_execution_finishes_on_the_code_it_began_with(store_url: str) -> None:
    """T-7: whoever claims a token, no step of the other version runs, none is lost, and each execution ends."""
    with (
        Engine(store_url, worker=False) as engine,
        worker_of(store_url, "old") as old,
        worker_of(store_url, "new") as new,
    ):
        versions = {start(process): version for process, version in ((old, "old"), (new, "new")) for _ in range(EACH)}
        for event, wait in (("go", "gate"), ("on", "second")):
            for id in versions:
                run = engine.get_execution(id)
                until(lambda run=run, wait=wait: (run.status, run.current_steps) == ("waiting", [wait]), "the wait")
            engine.send_event(event)
        runs = {id: engine.get_execution(id).wait(30) for id in versions}
        for id, version in versions.items():
            ran = [each.split(" of ") for each in runs[id].context["ran"]]
            expected = {"old": ["a", "b", "gone"], "new": ["a", "fresh", "b", "other"]}[version]
            assert [name for name, _ in ran] == expected
            # the steps that only one version has were run by it
            assert all(by == version for name, by in ran if name in ("fresh", "gone", "other"))

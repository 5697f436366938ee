"""The command in this process: what it printed and its exit code; and as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from durable_core.dsl.registry import registry
from durable_studio.command.entry import invoke
from tests.architecture.sources import ROOTS

FLOWS = '''
"""Flows that tests run."""
import time
from durable_studio import NonRetryableError, foreach, step, wait_for_input, workflow


@step
def greet(ctx):
    print("hello", ctx.get("name", "world"))
    return f"hello {ctx.get('name', 'world')}"


@step
def fail(ctx):
    if not ctx.get("mended"):
        raise NonRetryableError("no \\x1b[31mway\\nout")


@step
def nap(ctx, item):
    time.sleep(0.2)


@workflow(tags=["polite"])
def hello():
    """Say hello."""
    return [greet]


@workflow
def broken():
    return [greet, fail]


@step(compensate=lambda ctx: print("taken back"))
def promise():
    return "soon"


@workflow
def taken_back():
    return [promise, fail]


@workflow
def asks():
    return [wait_for_input("name", prompt="Who are you?"), greet]


@workflow
def slow():
    return [foreach("naps", nap, items=lambda ctx: list(range(20)))]
'''


ASKING = """
import time
from durable_studio import FormField, call, parallel, step, wait_for_all, wait_for_event, wait_for_input, workflow


@step
def tell(ctx):
    return {key: value for key, value in ctx.items() if key != "shown"}


@step
def count(ctx):
    ctx.increment("n")
    return ctx["n"]


@workflow
def approves():
    return [count, wait_for_input("approval", type="approval", prompt="Really?"), tell]


@workflow
def signs_up():
    return [
        wait_for_input(
            "details",
            prompt="Who are you?",
            fields=[
                FormField("email", type="email", required=True),
                FormField("plan", type="select", options=["basic", "pro"], default="basic"),
                FormField("seats", type="integer", min=1, max=500),
                FormField("news", type="boolean"),
            ],
        ),
        tell,
    ]


@workflow
def chooses():
    return [
        wait_for_input("colour", choices=["red", "blue", 3]),
        wait_for_input("many", type="multi_choice", choices=["x", "y"]),
        tell,
    ]


@workflow
def listens():
    return [wait_for_event("paid"), tell]


@workflow
def weighs():
    return [
        wait_for_event("paid by card", name="payment", where={"order": "$order"}),
        wait_for_all(["signed", "weighed"], name="papers"),
        wait_for_input("the colour", choices=["dark blue", "red"]),
    ]


@workflow
def soon():
    return [wait_for_input("name", timeout=0.3, timeout_value="nobody"), tell]


@workflow
def asks_below():
    return [call("naps_and_asks"), tell]


@step
def nap():
    time.sleep(0.5)


@workflow
def naps_and_asks():
    return [nap, wait_for_input("deep", prompt="Deep?")]


@workflow
def a_moment():
    return [wait_for_input("name", timeout=3, timeout_value="nobody"), tell]


@workflow
def counts():
    return [count, count.with_options(name="again")]
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a folder, a store, a registry and imports of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DURABLE_URL", f"sqlite:///{tmp_path}/durable.db")
    monkeypatch.delenv("DURABLE_WORKFLOWS", raising=False)
    before, path = set(sys.modules), list(sys.path)
    with registry.isolated():
        yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A file with four workflows: hello, broken, asks, slow."""
    path = tmp_path / "flows.py"
    path.write_text(FLOWS)
    return path


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A file with workflows that wait for people and events."""
    path = tmp_path / "asking.py"
    path.write_text(ASKING)
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command as a process of its own; it is gone when the test is over."""
    begun: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "durable_studio", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()

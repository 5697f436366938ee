"""What the scenario tests share: short ways to look at an execution, and bodies that are held until told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution

PATIENCE = 15.0


def end_of(engine: Engine, workflow: Any, input: Any = None, **options: Any) -> Execution:
    """Start and wait for the end, whatever it is."""
    return engine.start(workflow, input, **options).wait(PATIENCE)


def completed(run: Execution, *types: str) -> list[str]:
    """Paths of the completed attempts, in order; of these node types only, when some are named."""
    wanted = types or ("step", "decision")
    return [step["path"] for step in run.steps() if step["status"] == "completed" and step["type"] in wanted]


def attempts(run: Execution, name: str) -> list[tuple[int, str]]:
    """Number and status of every attempt of a step."""
    return [(step["attempt"], step["status"]) for step in run.steps() if step["name"] == name]


def undone(run: Execution) -> list[str]:
    """Names of the steps whose handlers ran to a completed end, in the order in which they did."""
    return [s["name"] for s in run.steps() if s["type"] == "compensation" and s["status"] == "completed"]


def until(holds: Callable[[], Any], what: str = "it") -> None:
    """Look until it holds; a bounded wait for what another thread is about to do."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come to hold"
        time.sleep(0.005)


class Held:
    """Bodies that call it say that they have begun, and go on when they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.entered = 0
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.entered += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.begun.release()
        assert self.go_on.wait(PATIENCE), "nobody let the body go on"
        with self._lock:
            self.inside -= 1

    def wait_begun(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.begun.acquire(timeout=PATIENCE), "no body began"

    def let_go(self) -> None:
        self.go_on.set()

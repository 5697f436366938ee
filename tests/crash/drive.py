"""What a process under test does: start the shapes (or find them started), steer them from outside, work, end."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from durable_core import failpoints
from durable_core.dsl import Workflow
from durable_core.engine.engine import Engine
from durable_core.errors import InvalidStateError, WaitNotFoundError
from durable_core.store.control import PAUSED
from tests.crash import ledger
from tests.crash.shapes import ALL, AUX, State

ENDED = ("completed", "failed", "cancelled", "compensated", "compensation_failed")
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to do; travels as JSON."""

    url: str
    ledger: str
    log: str
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Inputs of executions that are not those of their shape."""
    executions: dict[str, str] = field(default_factory=dict)
    """Executions to start and to steer: id -> name of the shape. All has ended when the process ends by itself."""
    at_once: int = 1_000_000
    """How many of them may be on their way at the same time."""
    expect: int = 0
    """Without `executions`: end when so many executions of the store have ended; 0 means at SIGTERM only."""
    failpoints: str = ""
    lease: float = 30.0
    queues: dict[str, int] = field(default_factory=lambda: {"default": 20, AUX: 10})
    works: bool = True
    """False: a client, which starts and steers and leaves the work to others."""
    name: str = "worker"
    patience: float = 60.0
    """Seconds without any execution coming to its end after which something is wrong."""
    stop_when: str = ""
    """The body that has begun when it stops as at SIGTERM, whatever is left: `execution:path`."""
    grace: float = 10.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def run(order: Order) -> None:
    """Carry out an order; returns when everything it is about has ended, or at SIGTERM."""
    os.environ[ledger.VARIABLE] = order.ledger
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s {os.getpid()} %(message)s")
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: told.set())
    failpoints.arm(order.failpoints)
    engine = Engine(order.url, worker=order.works, queues=order.queues, lease=order.lease, name=order.name)
    if order.works:
        engine.start_worker()
    if order.executions:
        _Steering(engine, order).until_all_has_ended(told)
    else:
        while not told.wait(LOOK_SECONDS):
            if order.expect and engine.count_executions(status=ENDED) >= order.expect:
                break
    engine.close(order.grace)


class _Steering:
    """Starts executions, does to each what a person would do, and sees them end."""

    def __init__(self, engine: Engine, order: Order) -> None:
        self.engine = engine
        self.order = order
        self.to_start = list(order.executions.items())[::-1]
        self.open: dict[str, str] = {}

    def until_all_has_ended(self, told: threading.Event) -> None:
        deadline = time.monotonic() + self.order.patience
        while True:
            while self.to_start and len(self.open) < self.order.at_once and not told.is_set():
                id, shape = self.to_start.pop()
                self.engine.start(workflow_of(shape), self.input_of(id, shape), id=id, idempotency_key=id)
                self.open[id] = shape
            before = len(self.open)
            left = self.look()
            if not self.open and not self.to_start and not left:
                return  # children, ticks and forks have ended as well
            if len(self.open) < before:
                deadline = time.monotonic() + self.order.patience
            elif time.monotonic() > deadline:
                logging.error("nothing has ended in %g s: %s", self.order.patience, left or self.open)
                self.engine.close(grace=0.5)
                sys.exit(3)
            if told.wait(LOOK_SECONDS) or (self.order.stop_when and ledger.has_begun(self.order.stop_when)):
                return

    def input_of(self, id: str, shape: str) -> dict[str, Any]:
        given = self.order.inputs.get(id, ALL[shape].input)
        return {key: id if value == "$id" else value for key, value in given.items()}

    def look(self) -> dict[str, State]:
        """One look at everything that has not ended, which it returns."""
        with self.engine.database.read() as tx:
            found = tx.fetch("SELECT id, status, control FROM executions WHERE completed_at IS NULL")
        left = {id: State(status, bool(control & PAUSED)) for id, status, control in found}
        for id, shape in list(self.open.items()):
            steer = ALL[shape].steer
            busy = False
            if steer is not None:
                try:
                    busy = steer(self.engine, id, left.get(id) or State(self.engine.get_execution(id).status))
                except (InvalidStateError, WaitNotFoundError) as error:
                    # it was quicker, or an earlier process has done it: the next look tells
                    logging.info("%s: %s", id, error)
                    busy = True
            if not busy and id not in left:
                del self.open[id]
        return left


def workflow_of(shape: str) -> Workflow:
    return ALL[shape].workflow


def main() -> None:
    """`python -m tests.crash.drive ORDER`: a process of its own, imports and all."""
    run(Order(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()

"""What a process under test does: start the shapes (or find them started), steer them from outside, work, end."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from durable_core import failpoints
from durable_core.dsl import Workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import InvalidStateError
from tests.crash import ledger
from tests.crash.shapes import ALL, AUX, allowed

ENDED = ("completed", "failed", "cancelled", "compensated", "compensation_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to do; travels as JSON."""

    url: str
    ledger: str
    log: str
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Inputs of executions that are not those of their shape."""
    executions: dict[str, str] = field(default_factory=dict)
    """Executions to start and to steer: id -> name of the shape. They are there when the process ends by itself."""
    expect: int = 0
    """Without `executions`: end when so many executions of the store have ended; 0 means at SIGTERM only."""
    failpoints: str = ""
    lease: float = 30.0
    queues: dict[str, int] = field(default_factory=lambda: {"default": 20, AUX: 10})
    works: bool = True
    """False: a client, which starts and steers and leaves the work to others."""
    name: str = "worker"
    patience: float = 40.0
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
    runs = [
        engine.start(workflow_of(shape), order.inputs.get(id, input_of(shape)), id=id, idempotency_key=id)
        for id, shape in order.executions.items()
    ]
    steered = [run for run in runs if order.executions[run.id] in STEERING]
    others = [run for run in runs if order.executions[run.id] not in STEERING]
    deadline = time.monotonic() + order.patience
    while not told.wait(0.01):
        steered = [run for run in steered if not steer(engine, run, order.executions[run.id])]
        while others and others[-1].status in ENDED:
            others.pop()
        if runs and not steered and not others:
            break
        if order.expect and engine.count_executions(status=ENDED) >= order.expect:
            break
        if time.monotonic() > deadline:
            left = [f"{run.id} {run.status}" for run in (*steered, *others) if run.status not in ENDED]
            logging.error("not ended in %g s: %s", order.patience, left)
            engine.close(grace=0.5)
            sys.exit(3)
    engine.close(order.grace)


def workflow_of(shape: str) -> Workflow:
    return ALL[shape].workflow


def input_of(shape: str) -> dict[str, Any]:
    return ALL[shape].input


def steer(engine: Engine, run: Execution, shape: str) -> bool:
    """Do what a person would do to this shape now; True once it has ended for good."""
    try:
        STEERING[shape](engine, run)
    except InvalidStateError as error:
        logging.info("%s: %s", run.id, error)  # it was quicker, or an earlier process has done it
    status = run.status
    return status in ENDED and not (shape == "retried" and status == "failed")


def _pause_and_resume(engine: Engine, run: Execution) -> None:
    marker = Path(f"{allowed(run.id)}.paused")
    if run.record().paused:
        engine.resume(run)
        marker.touch()
    elif not marker.exists() and run.status == "running":
        engine.pause(run)


def _cancel(engine: Engine, run: Execution) -> None:
    if run.status == "running" and any(step.name == "slow_turn" for step in run.steps()):
        engine.cancel(run, mode="compensate")


def _retry(engine: Engine, run: Execution) -> None:
    if run.status == "failed":
        allowed(run.id).touch()
        engine.retry(run)


def _answer(engine: Engine, run: Execution) -> None:
    if run.status == "waiting":
        engine.send_event("go", {"n": 1}, execution_id=run, id=f"{run.id}-go")
        if run.pending_inputs():
            engine.provide_input(run, "consent", "approved", by="ana")


STEERING: dict[str, Callable[[Engine, Execution], None]] = {
    "paused": _pause_and_resume,
    "cancelled": _cancel,
    "retried": _retry,
    "asked": _answer,
}


def main() -> None:
    """`python -m tests.crash.drive ORDER`: a process of its own, imports and all."""
    run(Order(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()

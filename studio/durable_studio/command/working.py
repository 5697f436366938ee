"""``worker``: run what other processes start, until told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from durable_core.engine.engine import Engine
from durable_core.errors import InputValidationError, WorkflowNotFoundError
from durable_studio.command.output import emit_json, safe
from durable_studio.command.running import queues_of_all
from durable_studio.discovery import load_all
from durable_studio.settings import read_settings

if TYPE_CHECKING:
    from types import FrameType

LOOK_SECONDS: Final = 0.2
GRACE_SECONDS: Final = 10.0

_LEFT = """
SELECT 1 FROM tokens t WHERE t.status IN ('ready', 'running', 'retry') AND t.workflow IN ({names}) LIMIT 1"""


def work(
    url: str | None,
    targets: list[str] | None,
    *,
    queues: list[str] | None,
    lease: float,
    name: str | None,
    until_idle: bool,
    as_json: bool,
) -> int:
    """Work until a signal comes; the first one ends it gracefully, the second at once."""
    chosen = _queues(queues)
    found = load_all(targets or (), read_settings())
    if not found:
        raise WorkflowNotFoundError(
            "This worker knows no workflow.",
            hint="Name files or modules (durable-studio worker flows.py), or list them in pyproject.toml.",
        )
    stop = threading.Event()
    before = {number: signal.signal(number, _stopper(stop)) for number in (signal.SIGTERM, signal.SIGINT)}
    engine = Engine(url, worker=False, lease=lease, name=name)
    try:
        worker = engine.start_worker(chosen or queues_of_all(), name=name)
        _announce(worker, [one.name for one in found], as_json)
        while not stop.wait(LOOK_SECONDS):
            if until_idle and worker.idle and not _something_left(engine, [one.name for one in found]):
                break
    finally:
        engine.close(grace=GRACE_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)
    print("stopped", file=sys.stderr)
    return 0


def _announce(worker: Any, names: list[str], as_json: bool) -> None:
    queues = dict(worker.options.queues)
    if as_json:
        emit_json(
            {"event": "started", "id": worker.id, "pid": os.getpid(), "queues": queues, "workflows": names}, line=True
        )
    else:
        told = ", ".join(f"{queue}={limit}" for queue, limit in queues.items())
        print(f"worker {worker.id} serves {safe(', '.join(names))} on {safe(told)}; Ctrl-C stops it", file=sys.stderr)


def _stopper(stop: threading.Event) -> Any:
    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)  # asked twice: whoever takes over finds the rest by its lock
        stop.set()

    return handle


def _queues(given: list[str] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given or ():
        name, equals, number = text.partition("=")
        limit = int(number) if number.isdecimal() else 0
        if not name or (equals and limit < 1):
            raise InputValidationError(
                f"--queue {text!r} is not name=concurrency.",
                errors={"queue": [text]},
                hint="Write e.g. --queue default=10",
            )
        found[name] = limit if equals else 10
    return found


def _something_left(engine: Engine, names: list[str]) -> bool:
    """Whether a token of these workflows can go on by itself; waits for people, events and times do not count."""
    places = ", ".join(f":n{index}" for index in range(len(names)))
    with engine.database.read() as tx:
        row = tx.fetch_one(_LEFT.format(names=places), {f"n{index}": name for index, name in enumerate(names)})
    return row is not None

"""One run of some executions: its store, its ledger, its processes, and what is to be seen of them from outside."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from durable_core.engine.engine import Engine
from tests.crash import ledger, tables
from tests.crash.drive import Order
from tests.crash.nursery import Nursery, Process
from tests.crash.verdict import Evidence, Reference

PATIENCE = 120.0
"""Seconds after which a process that has not ended is a fault."""


class Run:
    """Some executions on one store, and the processes that start them and work on them."""

    def __init__(self, nursery: Nursery, url: str, folder: Path, executions: dict[str, str]) -> None:
        self.nursery = nursery
        self.url = url
        self.ledger = folder / "ledger"
        self.folder = folder
        self.executions = executions
        self.kills = 0
        self.stops = 0

    def order(self, failpoints: str = "", **options: object) -> Order:
        return Order(
            url=self.url,
            ledger=str(self.ledger),
            log=str(self.folder / "log"),
            failpoints=failpoints,
            **{"executions": self.executions, **options},  # type: ignore[arg-type]
        )

    def process(self, failpoints: str = "", **options: object) -> Process:
        return self.nursery.start(self.order(failpoints, **options))

    def log(self) -> str:
        return (self.folder / "log").read_text()[-8000:]

    def dies(self, process: Process) -> bool:
        """Wait for the end of a process that was to die; False when it came to its end instead."""
        code = process.wait(PATIENCE)
        assert code in (0, -signal.SIGKILL), self.log()
        self.kills += code != 0
        return code != 0

    def evidence(self, reference: Reference | None) -> Evidence:
        return Evidence(
            tables.read(self.url),
            ledger.read(self.ledger),
            self.executions,
            kills=self.kills,
            stops=self.stops,
            reference=reference,
        )

    def story(self, found: list[str]) -> str:
        """Everything that is known of the executions that the faults name."""
        named = {id for id in self.executions if any(id in fault for fault in found)}
        seen = tables.read(self.url)
        rows = [
            f"{table} {row}"
            for table in ("executions", "journal", "waits", "tokens", "steps")
            for row in getattr(seen, table)
            if row.get("execution_id", row.get("id")) in named
        ]
        lines = [str(line) for line in ledger.read(self.ledger) if line.key.split(":")[0] in named]
        return "\n".join((*rows, *lines))

    def begins(self) -> list[ledger.Line]:
        """Every body that has begun so far."""
        return [line for line in ledger.read(self.ledger) if line.kind == "begin"]

    def await_workers(self, count: int, seconds: float = 20.0) -> None:
        """Wait until so many workers have announced themselves, and so hear of what is committed from now on."""
        deadline = time.monotonic() + seconds
        with Engine(self.url, worker=False) as client:
            while time.monotonic() < deadline:
                if len(client.nodes()) >= count:
                    return
                time.sleep(0.01)
        raise TimeoutError(f"{count} workers have not started in {seconds:g} s:\n{self.log()}")

    def await_begin(self, step: str, count: int = 1, seconds: float = 20.0) -> ledger.Line:
        """Wait until a body of that name has begun for the `count`-th time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [line for line in self.begins() if line.key.endswith(f":{step}")]
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.005)
        raise TimeoutError(f"{step} has not begun {count} times in {seconds:g} s:\n{self.log()}")

"""A soak: worker processes on one store, killed and frozen at random while they run mixed shapes; then a verdict."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from durable_core.engine.engine import Engine
from tests.crash import ledger, tables
from tests.crash.nursery import Nursery, Process
from tests.crash.runs import PATIENCE, Run
from tests.crash.shapes import AUX, SHAPES
from tests.crash.verdict import Evidence, Reference, completed_of, faults

WORKERS = 4
LEASE = 1.5
"""Short, so that workers can be frozen beyond it often."""
FREEZE = (1.1, 1.8)
"""How long a worker is frozen, as a multiple of the lease."""
PAUSE = (0.1, 0.7)
"""Seconds from one blow to the next, at least."""
PACE = 6
"""Executions that end between two blows: nothing is killed so often that it can get nowhere."""
AT_ONCE = 150
"""Executions on their way at the same time."""
STEERED_SHARE = 3
"""One in so many executions is of a shape that waits for somebody outside."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Soaked:
    """What a soak came to."""

    executions: int
    seconds: float
    kills: int = 0
    client_kills: int = 0
    freezes: int = 0
    bodies: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.executions} executions and {self.bodies} bodies in {self.seconds:.0f} s: {self.kills} workers and "
            f"{self.client_kills} clients killed, {self.freezes} frozen beyond their lease, {self.lost} tokens taken "
            f"over; {len(self.faults)} faults"
        )


class Soak:
    """One store and everybody at work on it."""

    def __init__(self, nursery: Nursery, url: str, folder: Path, executions: int, seed: int, tell: Tell) -> None:
        self.random = random.Random(seed)
        self.tell = tell
        self.run = Run(nursery, url, folder, self._mixed(executions))
        self.workers: list[Process] = []
        self.frozen: list[tuple[float, Process]] = []
        self.thawed: list[tuple[int, int]] = []
        self.soaked = Soaked(executions, 0.0)
        self.client: Process | None = None

    def _mixed(self, executions: int) -> dict[str, str]:
        alone = cycle(name for name, shape in SHAPES.items() if shape.steer is None)
        steered = cycle(name for name, shape in SHAPES.items() if shape.steer is not None)
        chosen = [next(alone if number % STEERED_SHARE else steered) for number in range(executions)]
        self.random.shuffle(chosen)
        return {f"x{number:05}": shape for number, shape in enumerate(chosen)}

    # --- processes ---------------------------------------------------------------------------------------------------

    def _worker(self) -> Process:
        queues = {"default": self.random.choice((3, 10, 30)), AUX: self.random.choice((2, 10))}
        return self.run.process(executions={}, lease=LEASE, queues=queues, name="soaked")

    def _new_client(self) -> Process:
        return self.run.process(works=False, at_once=AT_ONCE, patience=120.0)

    def _blow(self) -> None:
        """Kill or freeze one of the workers; now and then kill the client."""
        chance = self.random.random()
        awake = [worker for worker in self.workers if all(worker is not frozen for _, frozen in self.frozen)]
        if chance < 0.1 and self.client is not None:
            if self.client.poll() is None:
                self.client.signal(signal.SIGKILL)
                if self.client.wait(PATIENCE) == -signal.SIGKILL:
                    self.soaked.client_kills += 1
                    self.client = self._new_client()
        elif chance < 0.4 and len(awake) > 1:
            worker = self.random.choice(awake)
            worker.signal(signal.SIGSTOP)
            self.frozen.append((time.monotonic() + LEASE * self.random.uniform(*FREEZE), worker))
            self.soaked.freezes += 1
        else:
            worker = self.random.choice(self.workers)
            self.frozen = [each for each in self.frozen if each[1] is not worker]
            worker.signal(signal.SIGKILL)
            worker.wait(PATIENCE)
            self.soaked.kills += 1
            self.workers[self.workers.index(worker)] = self._worker()

    def _thaw(self, *, all_: bool = False) -> None:
        now = time.monotonic()
        for due, worker in list(self.frozen):
            if all_ or due <= now:
                self.frozen.remove((due, worker))
                self.thawed.append((worker.pid, time.time_ns() // 1000))
                worker.signal(signal.SIGCONT)

    # --- the soak ----------------------------------------------------------------------------------------------------

    def soak(self) -> Soaked:
        """Run everything to its end under blows; the verdict is in what it returns."""
        with Engine(self.run.url, worker=False):
            pass  # the store is there
        began = told = time.monotonic()
        self.workers = [self._worker() for _ in range(WORKERS)]
        self.client = self._new_client()
        enough, next_blow = 0, began
        while (code := self.client.poll()) is None:
            self._thaw()
            if time.monotonic() >= next_blow:
                next_blow = time.monotonic() + self.random.uniform(*PAUSE)
                if (ended := self._ended()) >= enough:
                    self._blow()
                    enough = ended + PACE
            if time.monotonic() - told > 5:
                told = time.monotonic()
                self.tell(f"{self._ended()} of {len(self.run.executions)} ended, {self.soaked}")
            time.sleep(0.02)
        self._thaw(all_=True)
        self.soaked.seconds = time.monotonic() - began
        if code != 0:
            self.soaked.faults.append(f"the client ended with {code}: {self.run.log()}")
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        ends = [worker.wait(PATIENCE) for worker in self.workers]
        if any(ends):
            self.soaked.faults.append(f"workers ended with {ends}: {self.run.log()}")
        self._judge()
        return self.soaked

    def _ended(self) -> int:
        [row] = tables.query(self.run.url, "SELECT COUNT(*) AS n FROM executions WHERE completed_at IS NOT NULL")
        return int(row["n"])

    def _judge(self) -> None:
        evidence = Evidence(
            tables.read(self.run.url),
            ledger.read(self.run.ledger),
            self.run.executions,
            kills=self.soaked.kills + self.soaked.freezes,
            reference=undisturbed(self.run),
            thawed=self.thawed,
        )
        found = faults(evidence)
        with Engine(self.run.url, worker=False) as engine:
            found += map(str, engine.verify())
        if found:
            found.append(self.run.story(found[:3]))
        self.soaked.faults += found
        self.soaked.bodies = sum(line.kind.endswith("begin") for line in evidence.lines)
        self.soaked.lost = sum(map(len, evidence.losses.values()))


def undisturbed(run: Run) -> Reference:
    """What completes when nothing is killed: each shape once, in a store of its own."""
    folder = run.folder / "undisturbed"
    folder.mkdir()
    alone = Run(run.nursery, f"sqlite:///{folder / 'durable.db'}", folder, {f"r-{shape}": shape for shape in SHAPES})
    if alone.process().wait(PATIENCE) != 0:
        raise RuntimeError(alone.log())
    evidence = alone.evidence(None)
    if found := faults(evidence):
        raise RuntimeError("\n".join(found))
    return {shape: completed_of(evidence.steps[id]) for id, shape in alone.executions.items()}

"""Runs the measurements, each in a process of its own, by turns: what disturbs the machine disturbs all alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from bench.figures import PEERS, Figure, Run
from tests.services import PostgresServer, ServiceMissing, postgres_server

PROJECT = Path(__file__).resolve().parents[1]
ROOTS = ("", "core", "tui", "notebook_ext", "studio")
SECONDS = 300
"""A measurement that takes longer has failed."""

Key = tuple[str, str, str]
"""Figure, contestant, store."""


@dataclass(slots=True)
class Results:
    """The numbers of every round, and why some are missing."""

    rounds: int
    numbers: dict[Key, dict[str, list[float]]] = field(default_factory=dict)
    missing: dict[Key, str] = field(default_factory=dict)

    def median(self, figure: str, contestant: str, store: str, metric: str) -> float | None:
        """The median over the rounds; None when it was not measured."""
        found = self.numbers.get((figure, contestant, store), {}).get(metric)
        return median(found) if found else None

    def take(self, run: Run, numbers: dict[str, float]) -> None:
        kept = self.numbers.setdefault((run.figure, run.contestant, run.store), {})
        for metric, value in numbers.items():
            kept.setdefault(metric, []).append(value)


def measure_all(
    figures: Sequence[Figure], rounds: int, folder: Path | None, say: Callable[[str], None], *, quick: bool = False
) -> Results:
    """Every figure of everybody, `rounds` times."""
    results = Results(rounds)
    with _workplace(folder) as place, ExitStack() as stack:
        shared = place / "shared"
        shared.mkdir()
        server: PostgresServer | None = None
        reason = ""
        try:
            server = stack.enter_context(postgres_server())
        except ServiceMissing as missing:
            reason = str(missing)
            say(f"PostgreSQL is left out: {reason}")
        for number in range(rounds):
            for figure in figures:
                runs = figure.runs(quick=quick)
                turn = number % len(runs)
                for run in runs[turn:] + runs[:turn]:
                    key = (run.figure, run.contestant, run.store)
                    why = results.missing.get(key) or _why_not(run, server)
                    if why is not None:
                        results.missing[key] = why
                        continue
                    began = time.monotonic()
                    try:
                        results.take(run, _measure(run, place, shared, server))
                    except RuntimeError as error:
                        results.missing[key] = "failed"
                        say(str(error))
                    what = f"{run.figure}, {run.contestant}, {run.store}"
                    say(f"round {number + 1} of {rounds}: {what}: {time.monotonic() - began:.1f} s")
    return results


def _why_not(run: Run, server: PostgresServer | None) -> str | None:
    if run.store == "postgres" and server is None:
        return "no server"
    if any(not _importable(module) for module in PEERS.get(run.contestant, ())):
        return "not installed"
    return None


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    """On a disk, beside the project: a temporary folder may be memory, where a commit costs nothing."""
    above = folder or PROJECT / "build"
    above.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="bench-", dir=above))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _measure(run: Run, place: Path, shared: Path, server: PostgresServer | None) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(dir=place))
    database = server.create_database() if server is not None and run.store == "postgres" else None
    given = {
        "figure": run.figure,
        "contestant": run.contestant,
        "store": run.store,
        "folder": str(folder),
        "shared": str(shared),
        "postgres": server.engine_url(database) if server is not None and database is not None else None,
        "options": dict(run.options),
    }
    path = os.pathsep.join(str(PROJECT / root) for root in ROOTS)
    # Compiled modules are kept, as they are in real use, but out of the sources' folders.
    cache = str(shared / "compiled")
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "PYTHONPYCACHEPREFIX": cache}
    for name in ("DURABLE_FAILPOINTS", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.measure", json.dumps(given)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{run.figure} of {run.contestant} failed:\n{done.stderr[-2000:]}")
        numbers: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        return numbers
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{run.figure} of {run.contestant} took more than {SECONDS} s") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if server is not None and database is not None:
            server.drop_database(database)

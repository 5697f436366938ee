"""The limits: one durable commit of one row with the settings of the engine's store, a bare timer, a bare print."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from bench.place import Place
from bench.samples import import_times, p50_p99_ms, percentile, time_prints

ROW = "x" * 200
"""About as long as a step's row."""


COMPUTING_NS = 50_000
"""What a program does between two commits, at the least."""


def step(place: Place) -> dict[str, float]:
    """Commits one after the other, and the same with some computing between them, which is not counted.

    The file is warm, so that SQLite's log is reused as it is in a store that lives.
    """
    commits = place.options["steps"]
    with _committing(place) as commit:
        began = time.perf_counter()
        for _ in range(commits):
            commit()
        at_once = (time.perf_counter() - began) / commits * 1e6
        spent = 0
        for _ in range(commits):
            until = time.perf_counter_ns() + COMPUTING_NS
            while (now := time.perf_counter_ns()) < until:
                pass
            commit()
            spent += time.perf_counter_ns() - now
    return {"us": at_once, "commits": 1.0, "apart_us": spent / commits / 1e3}


def start(place: Place) -> dict[str, float]:
    """One commit at a time."""
    samples = []
    with _committing(place) as commit:
        for _ in range(place.options["samples"]):
            began = time.perf_counter_ns()
            commit()
            samples.append(time.perf_counter_ns() - began)
    return p50_p99_ms(samples)


@contextmanager
def _committing(place: Place) -> Iterator[Callable[[], object]]:
    yield from (_postgres if place.store == "postgres" else _sqlite)(place)


def _sqlite(place: Place) -> Iterator[Callable[[], object]]:
    connection = sqlite3.connect(place.sqlite_path, isolation_level=None, cached_statements=512)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=1000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT)")
    execute = connection.execute

    def commit() -> None:
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO rows (value) VALUES (?)", (ROW,))
        execute("COMMIT")

    for _ in range(1_200):
        commit()
    yield commit
    connection.close()


def _postgres(place: Place) -> Iterator[Callable[[], object]]:
    import psycopg

    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE raw_rows (id BIGSERIAL PRIMARY KEY, value TEXT)")
        execute = connection.execute
        for _ in range(200):
            execute("INSERT INTO raw_rows (value) VALUES (%s)", (ROW,))
        yield lambda: execute("INSERT INTO raw_rows (value) VALUES (%s)", (ROW,))


def sleepers(place: Place) -> dict[str, float]:
    """A thread that waits for a due time: what the machine itself is late."""
    late = []
    never = threading.Event()
    for _ in range(100):
        due = time.perf_counter() + 0.02
        never.wait(0.02)
        late.append((time.perf_counter() - due) * 1000)
    return {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99)}


def print_(place: Place) -> dict[str, float]:
    """Into a file, with nobody listening."""
    real = sys.stdout
    with open(place.folder / "printed", "w", encoding="utf-8") as file:
        sys.stdout = file
        try:
            took = [time_prints(place.options["lines"]) for _ in range(place.options["steps"])]
        finally:
            sys.stdout = real
    return {"us": median(took) / place.options["lines"] * 1e6}


def imports(place: Place) -> dict[str, float]:
    """What the engine's store stands on."""
    return import_times({"engine_ms": ("-c", "import sqlmodel")}, place.options["times"])


MEASUREMENTS = {"step": step, "start": start, "sleepers": sleepers, "print": print_, "imports": imports}

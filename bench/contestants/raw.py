"""The limit: one durable commit of one row, with the settings that the engine's store uses."""

from __future__ import annotations

import sqlite3
import time

from bench.place import Place

ROW = "x" * 200
"""About as long as a step's row."""


def step(place: Place) -> dict[str, float]:
    """Commits one after the other; the file is warm, so that SQLite's log is reused as it is in a store that lives."""
    commits = place.options["steps"]
    return {"us": (_postgres if place.store == "postgres" else _sqlite)(place, commits), "commits": 1.0}


def _sqlite(place: Place, commits: int) -> float:
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
    began = time.perf_counter()
    for _ in range(commits):
        commit()
    took = time.perf_counter() - began
    connection.close()
    return took / commits * 1e6


def _postgres(place: Place, commits: int) -> float:
    import psycopg

    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE rows (id BIGSERIAL PRIMARY KEY, value TEXT)")
        execute = connection.execute
        for _ in range(200):
            execute("INSERT INTO rows (value) VALUES (%s)", (ROW,))
        began = time.perf_counter()
        for _ in range(commits):
            execute("INSERT INTO rows (value) VALUES (%s)", (ROW,))
        return (time.perf_counter() - began) / commits * 1e6

"""Commits of other processes are noticed; commits of this one are not (D-2)."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable_core.store.database import Database, open_database
from durable_core.store.sqlite import SqliteDatabase
from durable_core.store.watch import ChangeWatch, Look, notify, watch

from .conftest import Spawn

WRITER = """
from durable_core.store.database import open_database
from durable_core.store.watch import notify
db = open_database(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    with db.write() as tx:
        tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES (:name, 0, 0)", {"name": line.strip()})
        notify(tx, line.strip())
"""


class Watched:
    """A watched store and what was told of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: queue.Queue[str | None] = queue.Queue()
        self.stop = threading.Event()
        self.watch: ChangeWatch = watch(database, self.told.put, self.stop)
        assert self.watch.wait_ready(10)

    def write(self, name: str) -> None:
        with self.database.write() as tx:
            tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES (:name, 0, 0)", {"name": name})
            notify(tx, name)


@pytest.fixture
def watched(store_url: str) -> Iterator[Watched]:
    database = open_database(store_url)
    found = Watched(database)
    yield found
    found.watch.stop()
    database.close()


def test_commits_of_others_are_told(watched: Watched, spawn: Spawn) -> None:
    writer = spawn(WRITER, watched.database.url)
    assert writer.stdin is not None and writer.stdout is not None
    assert writer.stdout.readline() == "open\n"
    for name in ("a", "b", "c"):
        writer.stdin.write(name + "\n")
        writer.stdin.flush()
        told = watched.told.get(timeout=10)
        assert told == (name if watched.database.dialect == "postgres" else None)
        with watched.database.read() as tx:
            assert tx.fetch("SELECT 1 FROM queues WHERE name = :name", {"name": name}) == [(1,)]


def test_own_commits_are_not_told(watched: Watched, spawn: Spawn) -> None:
    for number in range(20):
        watched.write(str(number))
    writer = spawn(WRITER, watched.database.url)
    assert writer.stdin is not None
    writer.stdin.write("theirs\n")
    writer.stdin.flush()
    watched.told.get(timeout=10)  # the first that is told is theirs
    with watched.database.read() as tx:
        assert tx.fetch("SELECT 1 FROM queues WHERE name = 'theirs'") == [(1,)]
    if watched.database.dialect == "sqlite":
        for number in range(20, 40):
            watched.write(str(number))
        with pytest.raises(queue.Empty):
            watched.told.get(timeout=0.2)


def test_a_callback_that_fails_does_not_end_the_watch(store_url: str, spawn: Spawn, caplog: object) -> None:
    database = open_database(store_url)
    told: queue.Queue[str | None] = queue.Queue()

    def fail(payload: str | None) -> None:
        told.put(payload)
        raise ZeroDivisionError

    stop = threading.Event()
    started = watch(database, fail, stop)
    assert started.wait_ready(10)
    writer = spawn(WRITER, database.url)
    assert writer.stdin is not None
    for name in ("a", "b"):
        writer.stdin.write(name + "\n")
        writer.stdin.flush()
        told.get(timeout=10)
    started.stop()
    database.close()


def test_a_listener_that_lost_its_connection_says_look_again(postgres_url: str, spawn: Spawn) -> None:
    import psycopg

    database = open_database(postgres_url)
    watched = Watched(database)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert watched.told.get(timeout=10) is None
    writer = spawn(WRITER, database.url)
    assert writer.stdin is not None
    writer.stdin.write("after\n")
    writer.stdin.flush()
    assert watched.told.get(timeout=10) == "after"
    watched.watch.stop()
    database.close()


def test_a_store_in_memory_has_nothing_to_watch() -> None:
    database = open_database("sqlite://")
    watched = Watched(database)
    watched.write("a")
    watched.watch.stop()
    assert watched.told.empty()
    database.close()


def test_a_payload_too_long_to_send_becomes_a_hint(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with database.write() as tx:
        notify(tx, "x" * 10_000)
    database.close()


def test_no_commit_waits_for_the_safety_net(sqlite_url: str, spawn: Spawn) -> None:
    """The event comes before the commit counts: a watch that looks once misses some, until its timeout (W-4)."""
    database = open_database(sqlite_url)
    watched = Watched(database)
    writer = spawn(WRITER, database.url)
    assert writer.stdin is not None and writer.stdout is not None
    writer.stdout.readline()
    for number in range(100):
        writer.stdin.write(f"{number}\n")
        writer.stdin.flush()
        watched.told.get(timeout=0.25)
    watched.watch.stop()
    database.close()


def test_commits_of_others_are_told_while_this_process_commits_all_the_time(watched: Watched, spawn: Spawn) -> None:
    """A busy process does not follow the file's events, but looks (SQLite); and goes back to them when it rests."""
    writer = spawn(WRITER, watched.database.url)
    assert writer.stdin is not None and writer.stdout is not None
    writer.stdout.readline()
    rest = threading.Event()

    def commit() -> None:
        number = 0
        while not rest.is_set():
            watched.write(f"ours {number}")
            number += 1

    busy = threading.Thread(target=commit)
    busy.start()
    try:
        for number in range(30):
            writer.stdin.write(f"theirs {number}\n")
            writer.stdin.flush()
            watched.told.get(timeout=10)
    finally:
        rest.set()
        busy.join()
    writer.stdin.write("theirs at last\n")
    writer.stdin.flush()
    watched.told.get(timeout=10)


def test_what_is_watched_does_not_fill_the_log(
    watched: Watched, spawn: Spawn, caplog: pytest.LogCaptureFixture
) -> None:
    """watchfiles wrote "1 change detected" at INFO for every commit, into the log of whoever uses the engine."""
    caplog.set_level(logging.DEBUG)
    writer = spawn(WRITER, watched.database.url)
    assert writer.stdin is not None
    for number in range(3):
        watched.write(str(number))
        writer.stdin.write(f"theirs {number}\n")
        writer.stdin.flush()
        watched.told.get(timeout=10)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("watchfiles")] == []


def test_a_writer_at_work_looks_for_others_when_it_is_done(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    file = database.file
    before, _ = file.data_version()
    with database.write() as tx:
        tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('a', 0, 0)")
        assert file.data_version() == (before, False)  # at once, though the writer's lock is taken
    other = sqlite3.connect(file.path, isolation_level=None)  # no connection of the file's own: somebody else's
    other.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('b', 0, 0)")
    other.close()
    with database.write() as tx:
        tx.execute("UPDATE queues SET paused = 1")
        file.data_version()
    with file.lock:  # whoever comes next finds out without the lock
        assert file.data_version()[0] != before
    database.close()


def test_a_look_at_the_past_does_not_end_the_looking(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an event, two own commits say that the event's own commit is over; only a fresh look may be the last."""
    database = open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    told: list[int] = []
    looks: list[bool] = []
    finds_others = Look.finds_others

    def meanwhile(self: Look) -> bool:
        looks.append(True)
        if len(looks) == 3:  # the first look after the event was too early; now another process commits, then this one
            other = sqlite3.connect(database.file.path, isolation_level=None)
            other.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('b', 0, 0)")
            other.close()
            for _ in range(2):
                with database.write() as tx:
                    tx.execute("INSERT INTO queues (name, paused, updated_at) SELECT 'c', 0, 0 WHERE 0")
            database.commits += 2
            with database.write():  # and writes: the look sees the past
                return finds_others(self)
        return finds_others(self)

    class Watch(ChangeWatch):
        def _wake_ups(self, path: Path) -> Iterator[bool]:
            yield False
            yield True
            self._stop.set()

    monkeypatch.setattr(Look, "finds_others", meanwhile)
    Watch(database, lambda _: told.append(len(looks)))._watch_file(database)
    assert told and told[0] > 3
    database.close()

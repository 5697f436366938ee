"""What the store promises on SQLite (D-2)."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from durable_core.errors import StoreError, StoreUnreachableError
from durable_core.store.database import Database, open_database
from durable_core.store.sqlite import SqliteDatabase, sqlite_has_wal_reset_bug
from durable_core.store.transaction import Transaction

from .conftest import Spawn

MARK = "INSERT INTO queues (name, paused, updated_at) VALUES (:name, 0, 0)"
HOLDER = """
from durable_core.store.database import open_database
db = open_database(sys.argv[1])
with db.write() as tx:
    tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('held', 0, 0)")
    print("held", flush=True)
    sys.stdin.readline()
"""


def pragma(tx: Transaction, name: str) -> object:
    row = tx.fetch_one(f"PRAGMA {name}")
    assert row is not None
    return row[0]


def test_the_settings_are_those_promised(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    for block in (database.write, database.read):
        with block() as tx:
            tx.fetch("SELECT 1 FROM queues")  # SQLite looks into the file first
            assert pragma(tx, "journal_mode") == "wal"
            assert pragma(tx, "synchronous") == 2
            assert pragma(tx, "foreign_keys") == 1
            assert pragma(tx, "wal_autocheckpoint") == 1000
    database.close()


def test_nobody_else_may_read_the_files(sqlite_url: str, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        database = open_database(sqlite_url)
        with database.write() as tx:
            tx.execute(MARK, {"name": "x"})
        names = sorted(os.listdir(tmp_path))
        assert names == ["durable.db", "durable.db-shm", "durable.db-wal"]
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o600}
        database.close()
    finally:
        os.umask(before)


def test_a_frozen_holder_is_named(sqlite_url: str, spawn: Spawn) -> None:
    database = open_database(sqlite_url, busy_timeout=0.3)
    holder = spawn(HOLDER, sqlite_url)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGSTOP)
    try:
        assert database.try_write() is None
        with pytest.raises(StoreUnreachableError) as caught, database.write():
            pass
        message = str(caught.value)
        assert f"pid {holder.pid}" in message
        assert f"kill -CONT {holder.pid}" in message
        assert "0.3 s" in message
        assert "database is locked" not in message
        with database.read() as tx:  # readers go on
            assert tx.fetch("SELECT name FROM queues") == []
    finally:
        holder.send_signal(signal.SIGCONT)
    holder.communicate("\n", timeout=20)
    with database.write() as tx:
        assert tx.fetch("SELECT name FROM queues") == [("held",)]
    database.close()


def test_a_thread_that_holds_the_writer_too_long_is_reported(sqlite_url: str) -> None:
    database = open_database(sqlite_url, busy_timeout=0.0)
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            with database.write():
                pass
        except BaseException as error:
            failures.append(error)

    with database.write():
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join()
    assert isinstance(failures[0], StoreUnreachableError)
    assert "another thread of this process" in str(failures[0])
    database.close()


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: (path.parent.mkdir(), path.mkdir()), "is a directory"),
        (lambda path: (path.parent.mkdir(), path.write_bytes(b"no database " * 400)), "is not a SQLite database"),
    ],
    ids=["no directory", "a directory", "another file"],
)
def test_a_file_that_cannot_be_a_store_says_why(tmp_path: Path, prepare: object, expected: str) -> None:
    path = tmp_path / "sub" / "durable.db"
    prepare(path)  # type: ignore[operator]
    with pytest.raises(StoreUnreachableError, match=expected) as caught:
        open_database(f"sqlite:///{path}")
    assert caught.value.hint
    assert str(path) in str(caught.value)


def test_without_create_a_missing_file_stays_missing(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError, match="there is no store"):
        open_database(sqlite_url, create=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_file_says_so(sqlite_url: str, tmp_path: Path) -> None:
    open_database(sqlite_url).close()
    (tmp_path / "durable.db").chmod(0o400)
    database = open_database(sqlite_url)
    with pytest.raises(StoreUnreachableError, match="read-only"), database.write() as tx:
        tx.execute(MARK, {"name": "x"})
    database.close()


def test_a_full_disk_is_a_store_error_and_leaves_nothing(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.write() as tx:
        pages = pragma(tx, "page_count")
        tx.fetch(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnreachableError, match="is full"), database.write() as tx:
        tx.execute(MARK, {"name": "x"})
        tx.execute(MARK, {"name": "y" * 100_000})
    with database.write() as tx:
        tx.fetch("PRAGMA max_page_count = 100000")
        tx.execute(MARK, {"name": "z"})
    with database.read() as tx:
        assert tx.fetch("SELECT name FROM queues") == [("z",)]
    database.close()


def test_a_forked_child_works_on_connections_of_its_own(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.write() as tx:
        tx.execute(MARK, {"name": "parent"})
    with database.read() as tx:
        tx.fetch("SELECT 1")
    child = fork_and(lambda: write_and_read(database, "child"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with database.write() as tx:
        tx.execute(MARK, {"name": "parent again"})
    with database.read() as tx:
        assert tx.fetch("SELECT count(*) FROM queues") == [(3,)]
    database.close()


def test_a_child_forked_inside_a_transaction_is_refused_the_file(sqlite_url: str) -> None:
    database = open_database(sqlite_url)

    def refused() -> None:
        with pytest.raises(StoreUnreachableError, match="was forked"):
            write_and_read(database, "child")

    with database.write() as tx:
        tx.execute(MARK, {"name": "parent"})
        child = fork_and(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with database.read() as tx:
        assert tx.fetch("SELECT name FROM queues") == [("parent",)]
    database.close()


def write_and_read(database: Database, name: str) -> None:
    with database.write() as tx:
        tx.execute(MARK, {"name": name})
    with database.read() as tx:
        assert tx.fetch("SELECT name FROM queues WHERE name = :name", {"name": name}) == [(name,)]


def fork_and(work: object) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()  # type: ignore[operator]
            os._exit(0)
        finally:
            os._exit(1)
    return child


def test_a_process_killed_inside_a_transaction_leaves_nothing(sqlite_url: str, spawn: Spawn) -> None:
    database = open_database(sqlite_url)
    holder = spawn(HOLDER, sqlite_url)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with database.write() as tx:
        assert tx.fetch("SELECT name FROM queues") == []
    database.close()


def test_closing_takes_the_log_with_it(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_url)
    thread = threading.Thread(target=lambda: write_and_read(database, "x"))
    thread.start()
    thread.join()
    database.close()
    assert os.listdir(tmp_path) == ["durable.db"]


def test_stores_in_memory_are_private_and_shared_by_threads() -> None:
    one, two = open_database("sqlite://"), open_database(":memory:")
    assert one.identity() != two.identity()
    thread = threading.Thread(target=lambda: write_and_read(one, "x"))
    thread.start()
    thread.join()
    with one.read() as tx:
        assert tx.fetch("SELECT name FROM queues") == [("x",)]
        with one.write() as writing, one.read() as nested:  # this thread's own write, seen inside of it
            writing.execute(MARK, {"name": "y"})
            assert nested.fetch("SELECT count(*) FROM queues") == [(2,)]
        with pytest.raises(StoreError):
            tx.execute(MARK, {"name": "z"})
    with two.read() as tx:
        assert tx.fetch("SELECT name FROM queues") == []
    with one.session() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM queues").scalar() == 2
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.44.7", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.52", False),
        ((4, 0, 0), False),
    ],
)
def test_libraries_with_the_wal_reset_bug_are_known(version: str | tuple[int, ...], has_it: bool) -> None:
    assert sqlite_has_wal_reset_bug(version) is has_it


def test_another_programs_reader_does_not_stop_writes(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_url)
    other = sqlite3.connect(tmp_path / "durable.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM queues").fetchall()
    write_and_read(database, "x")
    other.close()
    database.close()


def test_an_interrupt_in_the_writers_look_for_others_leaves_the_writer_free(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C arrives between any two instructions; the next writer of this process still gets in."""

    def interrupted(connection: sqlite3.Connection) -> int:
        raise KeyboardInterrupt

    database = open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    with database.write() as tx:
        tx.execute(MARK, {"name": "a"})
    monkeypatch.setattr("durable_core.store.sqlite_file._version_of", interrupted)
    with pytest.raises(KeyboardInterrupt), database.write() as tx:
        database.file.data_version()  # asks the writer to look
    monkeypatch.undo()
    with database.write() as tx:
        tx.execute(MARK, {"name": "b"})
    database.close()

"""What a transaction promises, on both databases (D-1)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from durable_core.clock import SYSTEM_CLOCK, VirtualClock
from durable_core.errors import StoreError
from durable_core.store.database import Database, open_database
from durable_core.store.transaction import ConstraintError

from .conftest import Spawn

INSERT = "INSERT INTO bench (id, a, b) VALUES (:id, :a, :b)"


def count(database: Database) -> int:
    with database.read() as tx:
        row = tx.fetch_one("SELECT count(*) FROM bench")
    assert row is not None
    return int(row[0])


def test_a_block_that_ends_is_committed_and_counted(database: Database) -> None:
    before = database.commits
    with database.write() as tx:
        assert tx.execute(INSERT, {"id": 1, "a": "x", "b": 2**60}) == 1
        assert tx.execute("UPDATE bench SET b = b WHERE id = :id", {"id": 7}) == 0
    with database.read() as tx:
        assert tx.fetch("SELECT id, a, b FROM bench") == [(1, "x", 2**60)]
        assert tx.fetch_one("SELECT id FROM bench WHERE id = :id", {"id": 2}) is None
    assert database.commits == before + 1


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    before = database.commits
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        raise ZeroDivisionError
    assert count(database) == 0
    assert database.commits == before


def test_returning_gives_its_rows(database: Database) -> None:
    with database.write() as tx:
        assert tx.fetch(INSERT + " RETURNING id, a", {"id": 1, "a": None, "b": 0}) == [(1, None)]
        assert tx.fetch_one("UPDATE bench SET b = b + :n RETURNING b", {"n": 5}) == (5,)


def test_autocommit_fetch_is_one_commit(database: Database) -> None:
    before = database.commits
    for number in range(4):  # the first is unprepared on PostgreSQL, the later ones are prepared
        rows = database.autocommit_fetch(INSERT + " RETURNING id", {"id": number, "a": str(number), "b": 0})
        assert rows == [(number,)]
    assert database.commits == before + 4
    assert count(database) == 4


def test_execute_many_counts_all_rows(database: Database) -> None:
    with database.write() as tx:
        assert tx.execute_many(INSERT, [{"id": n, "a": str(n), "b": n} for n in range(1_200)]) == 1_200
        assert tx.execute_many(INSERT, []) == 0
    assert count(database) == 1_200


def test_execute_many_with_a_bad_row_stores_none(database: Database) -> None:
    with pytest.raises(ConstraintError), database.write() as tx:
        tx.execute_many(INSERT, [{"id": n % 3, "a": str(n), "b": n} for n in range(10)])
    assert count(database) == 0
    with database.write() as tx:  # and the connection is fit for use
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})


def test_a_savepoint_undoes_itself_alone(database: Database) -> None:
    with database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        with pytest.raises(ConstraintError), tx.savepoint():
            tx.execute(INSERT, {"id": 2, "a": "y", "b": 0})
            tx.execute(INSERT, {"id": 3, "a": "x", "b": 0})
        with tx.savepoint(), tx.savepoint():
            tx.execute(INSERT, {"id": 4, "a": "z", "b": 0})
    with database.read() as tx:
        assert tx.fetch("SELECT id FROM bench ORDER BY id") == [(1,), (4,)]


def test_a_swallowed_failure_never_commits_half(database: Database) -> None:
    """PostgreSQL answers COMMIT with a silent ROLLBACK then; both say so aloud."""
    with pytest.raises(StoreError, match="nothing of it was stored"), database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        try:
            tx.execute(INSERT, {"id": 1, "a": "y", "b": 0})
        except ConstraintError:
            pass
    assert count(database) == 0


def test_a_constraint_error_names_its_constraint(database: Database) -> None:
    with pytest.raises(ConstraintError) as caught, database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        tx.execute(INSERT, {"id": 2, "a": "x", "b": 0})
    assert caught.value.constraint in ("bench.a", "bench_a_key")


def test_a_transaction_that_is_over_refuses_statements(database: Database) -> None:
    with database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
    with pytest.raises(StoreError, match="is over"):
        tx.execute(INSERT, {"id": 2, "a": "y", "b": 0})
    with pytest.raises(StoreError, match="is over"):
        tx.execute_many(INSERT, [{"id": 2, "a": "y", "b": 0}])
    assert count(database) == 1


def test_a_read_sees_one_snapshot(database: Database) -> None:
    with database.read() as tx:
        assert tx.fetch("SELECT id FROM bench") == []
        with database.write() as other:
            other.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        assert tx.fetch("SELECT id FROM bench") == []
    assert count(database) == 1


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StoreError), database.read() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
    assert count(database) == 0
    with database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})


def test_a_write_inside_a_write_is_refused_at_once(database: Database) -> None:
    with database.write():
        with pytest.raises(StoreError, match="inside another one"), database.write():
            pass
        assert database.try_write() is None
    with database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})


def test_try_write_is_open_or_none(database: Database) -> None:
    block = database.try_write()
    assert block is not None
    with block as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
        found: list[object] = []
        threads = [threading.Thread(target=lambda: found.append(hold(database))) for _ in range(database.writers)]
        for thread in threads:
            thread.start()
            thread.join()
        # the one above holds a place; the threads give theirs back
        assert found.count(True) == (database.writers if database.writers > 1 else 0)
    assert count(database) == 1


def hold(database: Database) -> bool:
    block = database.try_write()
    if block is None:
        return False
    with block:
        return True


def test_now_is_cached_until_refreshed(database: Database) -> None:
    with database.write() as tx:
        first = tx.now()
        assert tx.now() == first
        assert tx.now(refresh=True) >= first
    assert abs(first - SYSTEM_CLOCK.now_us()) < 60_000_000


def test_sqlite_takes_the_given_clock(sqlite_url: str) -> None:
    opened = open_database(sqlite_url, clock=VirtualClock(1_000))
    with opened.write() as tx:
        assert tx.now() == 1_000
    opened.close()


def test_odd_names_and_texts_pass_through(database: Database) -> None:
    text = "50% :name 'quoted' ::cast $1 \\ \u2713"
    with database.write() as tx:
        tx.execute("INSERT INTO bench (id, a, b) VALUES (1, :a, :a_b) -- not :this", {"a": text, "a_b": 1})
        row = tx.fetch_one("SELECT a, ':a %', CAST(b AS BIGINT) FROM bench WHERE a = :a AND a LIKE '50%'", {"a": text})
    assert row == (text, ":a %", 1)


def test_numbers_are_the_same_on_both(database: Database) -> None:
    with database.write() as tx:
        tx.execute_many(INSERT, [{"id": n, "a": str(n), "b": 2**40} for n in range(3)])
        row = tx.fetch_one("SELECT sum(b), count(*), max(id), CAST(:f AS FLOAT) FROM bench", {"f": 0.5})
    assert row == (3 * 2**40, 3, 2, 0.5)
    assert all(type(value) in (int, float) for value in row or ())


def test_a_text_that_is_no_unicode_is_a_store_error(database: Database) -> None:
    with pytest.raises(StoreError), database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "\udc80", "b": 0})
    with pytest.raises(StoreError), database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x"})


def test_a_session_reads_what_was_committed(database: Database) -> None:
    from sqlmodel import text

    with database.write() as tx:
        tx.execute(INSERT, {"id": 1, "a": "x", "b": 0})
    with database.session() as session:
        assert session.execute(text("SELECT a FROM bench")).all() == [("x",)]


def test_threads_share_the_writers(database: Database) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(25):
                with database.write() as tx:
                    tx.execute(INSERT, {"id": worker * 1000 + number, "a": f"{worker}-{number}", "b": 0})
                count(database)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert count(database) == 200


def test_a_closed_store_says_so(store_url: str) -> None:
    opened = open_database(store_url)
    opened.close()
    opened.close()
    with pytest.raises(StoreError, match="is closed"), opened.write() as tx:
        tx.execute("SELECT 1")


WRITER = """
from durable_core.store.database import open_database
db = open_database(sys.argv[1])
for number in range(150):
    with db.write() as tx:
        tx.execute("UPDATE bench SET b = b + 1 WHERE id = 0")
        tx.execute("INSERT INTO bench (id, a, b) VALUES (:id, :a, 0)",
                   {"id": int(sys.argv[2]) * 1000 + number, "a": sys.argv[2] + "-" + str(number)})
db.close()
"""


def test_processes_that_write_at_once_all_succeed(database: Database, spawn: Spawn) -> None:
    """ "database is locked" never reaches a user (D-2)."""
    with database.write() as tx:
        tx.execute(INSERT, {"id": 0, "a": "total", "b": 0})
    processes = [spawn(WRITER, database.url, str(worker)) for worker in (1, 2, 3)]
    for process in processes:
        _, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors
    with database.read() as tx:
        assert tx.fetch("SELECT b, (SELECT count(*) FROM bench) FROM bench WHERE id = 0") == [(450, 451)]


CREATOR = """
from durable_core.store.database import open_database
sys.stdin.readline()
open_database(sys.argv[1]).close()
"""


def test_processes_that_create_at_once_all_succeed(store_url: str, spawn: Spawn) -> None:
    processes = [spawn(CREATOR, store_url) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors


def test_the_identity_of_a_store_is_the_same_by_any_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    one = open_database(f"sqlite:///{tmp_path}/durable.db")
    two = open_database(f"sqlite:///{tmp_path}/link/link/durable.db")
    assert one.identity() == two.identity()
    with one.write():
        assert two.try_write() is None  # they share one writer
    one.close()
    with two.write() as tx:
        assert tx.fetch_one("SELECT 1") == (1,)
    two.close()

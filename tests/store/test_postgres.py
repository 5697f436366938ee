"""What the store promises on PostgreSQL (D-3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from durable_core.errors import StoreError, StoreUnreachableError
from durable_core.store.database import Database, open_database
from durable_core.store.postgres_sql import Statement
from durable_core.store.transaction import CommitUncertain, ContentionError

psycopg = pytest.importorskip("psycopg")

MARK = "INSERT INTO queues (name, paused, updated_at) VALUES (:name, 0, 0)"


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    opened = open_database(postgres_url, busy_timeout=2.0)
    yield opened
    opened.close()


@pytest.fixture
def admin(postgres_url: str) -> Iterator[Any]:
    """A connection beside the store's."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def terminate_all(admin: Any) -> None:
    # With a timeout the server waits until they are gone.
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()


def names(store: Database) -> list[str]:
    with store.read() as tx:
        return [row[0] for row in tx.fetch("SELECT name FROM queues ORDER BY name")]


def test_idle_connections_that_broke_are_replaced_unseen(store: Database, admin: Any) -> None:
    with store.write() as tx:
        tx.execute(MARK, {"name": "a"})
    terminate_all(admin)
    with store.write() as tx:
        tx.execute(MARK, {"name": "b"})
    terminate_all(admin)
    store.autocommit_fetch(MARK, {"name": "c"})
    terminate_all(admin)
    assert names(store) == ["a", "b", "c"]


def test_a_connection_that_breaks_before_the_first_statement_is_replaced(store: Database, admin: Any) -> None:
    with store.write() as tx:
        terminate_all(admin)
        tx.execute(MARK, {"name": "a"})
    assert names(store) == ["a"]


def test_a_connection_that_breaks_midway_stores_nothing(store: Database, admin: Any) -> None:
    with pytest.raises(StoreUnreachableError, match="nothing of this transaction was stored") as caught:
        with store.write() as tx:
            tx.execute(MARK, {"name": "a"})
            terminate_all(admin)
            tx.execute(MARK, {"name": "b"})
    assert not isinstance(caught.value, CommitUncertain)
    assert names(store) == []


def test_a_commit_without_a_reply_is_uncertain(store: Database, admin: Any) -> None:
    with pytest.raises(CommitUncertain, match="may or may not"), store.write() as tx:
        tx.execute(MARK, {"name": "a"})
        terminate_all(admin)
    assert names(store) == []  # here it was lost; the caller finds out by the key
    with store.write() as tx:
        tx.execute(MARK, {"name": "a"})


def test_one_statement_without_a_reply_is_uncertain(store: Database, admin: Any) -> None:
    failures: list[BaseException] = []

    def slow() -> None:
        try:
            store.autocommit_fetch("INSERT INTO queues (name, paused, updated_at) SELECT 'a', 0, 0 FROM pg_sleep(30)")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    while not admin.execute(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active'"
        " AND pid <> pg_backend_pid()"
    ).fetchall():
        pass
    terminate_all(admin)
    thread.join()
    assert isinstance(failures[0], CommitUncertain)


def test_the_settings_are_those_promised(store: Database, admin: Any) -> None:
    with store.write() as tx:
        shown = {
            name: tx.fetch(f"SHOW {name}")[0][0]
            for name in (
                "transaction_isolation",
                "statement_timeout",
                "lock_timeout",
                "application_name",
                "synchronous_commit",
            )
        }
    assert shown == {
        "transaction_isolation": "read committed",
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "application_name": "durable-studio",
        "synchronous_commit": "on",
    }
    with store.read() as tx:
        assert tx.fetch("SHOW transaction_isolation") == [("repeatable read",)]


def test_options_of_the_url_win(postgres_url: str) -> None:
    store = open_database(postgres_url + "?options=-c%20lock_timeout%3D100ms&application_name=mine")
    store.autocommit_fetch(MARK, {"name": "a"})
    with store.write() as tx:
        assert tx.fetch("SHOW application_name") == [("mine",)]
        tx.execute("UPDATE queues SET paused = 1")
        failures: list[BaseException] = []

        def blocked() -> None:
            try:
                store.autocommit_fetch("UPDATE queues SET paused = 2")
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=blocked)
        thread.start()
        thread.join()
    assert isinstance(failures[0], ContentionError)
    store.close()


def test_four_writes_run_at_once_and_a_fifth_waits(store: Database) -> None:
    inside, leave = threading.Barrier(5), threading.Event()

    def work(number: int) -> None:
        with store.write() as tx:
            tx.execute(MARK, {"name": str(number)})
            inside.wait()
            leave.wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    inside.wait()
    try:
        assert store.try_write() is None
        with pytest.raises(StoreUnreachableError, match="were busy"), store.write():
            pass
    finally:
        leave.set()
        for thread in threads:
            thread.join()
    assert len(names(store)) == 4


def test_many_statements_that_wait_for_a_row_let_the_thread_run_that_holds_it(store: Database, admin: Any) -> None:
    """Or the process would stand still until `lock_timeout`, and both would lose."""
    update = "UPDATE queues SET paused = paused + 1 WHERE name = :name"
    with store.write() as tx:
        tx.execute(MARK, {"name": "a"})
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with store.write() as tx:
                tx.execute_many(update, [{"name": "a"}] * 3)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    with store.write() as tx:
        tx.execute(update, {"name": "a"})
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not admin.execute(waiting).fetchone()[0]:
            assert thread.is_alive(), failures
    thread.join()
    assert failures == []
    with store.read() as tx:
        assert tx.fetch("SELECT paused FROM queues") == [(4,)]


def test_a_nul_is_refused_and_not_cut(store: Database) -> None:
    with pytest.raises(StoreError, match="NUL"), store.write() as tx:
        tx.execute(MARK, {"name": "a\0b"})


def test_lists_are_arrays(store: Database) -> None:
    with store.write() as tx:
        tx.execute_many(MARK, [{"name": name} for name in ('a"b', "c,d", "e\\f", "g")])
        found = tx.fetch("SELECT name FROM queues WHERE name = ANY(:names)", {"names": ['a"b', "e\\f", "c,d", "x"]})
        rows = tx.fetch(
            "SELECT u.n, u.k FROM unnest(CAST(:names AS TEXT[]), CAST(:numbers AS BIGINT[])) AS u (n, k)",
            {"names": ["p", None], "numbers": [1, 2]},
        )
    assert sorted(row[0] for row in found) == ['a"b', "c,d", "e\\f"]
    assert rows == [("p", 1), (None, 2)]


def test_a_plan_that_ddl_outdated_costs_one_failure(store: Database, admin: Any) -> None:
    with store.write() as tx:
        tx.execute("CREATE TABLE shape (id INTEGER)")
    for _ in range(3):
        with store.read() as tx:
            tx.fetch("SELECT * FROM shape")
    admin.execute("ALTER TABLE shape ADD COLUMN more TEXT")
    with pytest.raises(StoreError), store.read() as tx:
        tx.fetch("SELECT * FROM shape")
    with store.read() as tx:
        assert tx.fetch("SELECT * FROM shape") == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://postgres@127.0.0.1:1/x?connect_timeout=2", "pg_isready"),
        ("postgresql://postgres:hunter2@127.0.0.1:1/x", "pg_isready"),
    ],
    ids=["no server", "no password shown"],
)
def test_a_server_that_is_not_there_fails_at_once(url: str, expected: str) -> None:
    with pytest.raises(StoreUnreachableError, match=expected) as caught:
        open_database(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_database_names_the_cure(postgres_url: str) -> None:
    with pytest.raises(StoreUnreachableError, match="does not exist"):
        open_database(postgres_url + "_not_there")


@pytest.mark.parametrize(
    ("sql", "text", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT ':a' || :b", "SELECT ':a' || $1", ("b",)),
        ("SELECT 'it''s :a', :b", "SELECT 'it''s :a', $1", ("b",)),
        ("SELECT x::text, :x::bigint", "SELECT x::text, $1::bigint", ("x",)),
        ('SELECT ":a" FROM t -- :b\n WHERE c = :c', 'SELECT ":a" FROM t -- :b\n WHERE c = $1', ("c",)),
        ("SELECT a[1:2], 5 % :n", "SELECT a[1:2], 5 % $1", ("n",)),
        ("SELECT /* :a */ :b", "SELECT /* :a */ $1", ("b",)),
    ],
)
def test_named_parameters_become_numbers(sql: str, text: str, names: tuple[str, ...]) -> None:
    known = Statement(sql)
    assert (known.text.decode(), known.names) == (text, names)


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SELECT 1", False),
        ("  -- why\n select 1", False),
        ("SELECT 1 FROM t FOR UPDATE SKIP LOCKED", True),
        ("INSERT INTO t VALUES (1)", True),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x", True),
    ],
)
def test_statements_that_may_write_are_known(sql: str, writes: bool) -> None:
    assert Statement(sql).writes is writes

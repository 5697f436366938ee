"""The ground the other tests stand on: every test has a store of its own, and CI skips no service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlmodel import SQLModel

import durable_core.store.tables  # noqa: F401 - declares them
from durable_core.engine.engine import Engine
from tests.architecture.sources import PROJECT
from tests.services import PostgresServer
from tests.stores import StorePool

SKIPPING_TESTS = """
import pytest

@pytest.mark.service("postgres")
def test_service():
    pytest.skip("no server here")

@pytest.mark.browser
def test_browser():
    pytest.skip("no browser here")

def test_other():
    pytest.skip("not on this system")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "failed", "skipped"), [("true", 2, 1), ("", 0, 3), ("false", 0, 3)])
def test_a_skipped_service_test_fails_in_ci_only(tmp_path: Path, ci: str, failed: int, skipped: int) -> None:
    """With CI set, tests marked `service` or `browser` fail with the reason instead of being skipped."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("conftest.py", "generation.py", "services.py"):
        (tests / name).write_text((PROJECT / "tests" / name).read_text())
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    (tests / "test_skipping.py").write_text(SKIPPING_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(PROJECT / "core")},
        capture_output=True,
        text=True,
        check=False,
    )
    counts = [f"{number} {word}" for number, word in ((failed, "failed"), (skipped, "skipped")) if number]
    assert ", ".join(counts) + " in" in done.stdout, done.stdout + done.stderr
    assert ("not skipped, because CI is set: no server here" in done.stdout) is bool(failed)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_store_is_empty_and_its_own(store_url: str, turn: int) -> None:
    """Each test gets a store with nothing in it, by a URL an engine takes, whatever the test before left there."""
    with Engine(store_url, worker=False) as engine, engine.database.write() as tx:
        for table in SQLModel.metadata.tables:
            assert tx.fetch(f"SELECT COUNT(*) FROM {table}") == [(0,)], table
        tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('mine', 1, 2)")


def test_a_store_with_other_tables_is_not_used_again(_postgres_stores: StorePool | str) -> None:
    """Nor one that holds no store at all."""
    if isinstance(_postgres_stores, str):
        pytest.skip(_postgres_stores)
    with (
        _postgres_stores.store() as url,
        psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    with _postgres_stores.store() as another:
        assert another != url


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        ("postgresql://postgres@127.0.0.1:5432/postgres", "postgresql+psycopg://postgres@127.0.0.1:5432/mine"),
        (
            "postgresql://ana:secret@db/postgres?sslmode=require",
            "postgresql+psycopg://ana:secret@db/mine?sslmode=require",
        ),
        ("postgresql:///postgres?host=/run/postgresql", "postgresql+psycopg:///mine?host=/run/postgresql"),
    ],
)
def test_the_url_of_a_database_keeps_everything_but_the_database(admin: str, expected: str) -> None:
    """Role, host, port and options of the administrator's URL carry over."""
    assert PostgresServer(admin, "").engine_url("mine") == expected

"""The ground the other tests stand on: every test has a store of its own, and CI skips no service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PROJECT
from tests.services import PostgresServer

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
    for name in ("conftest.py", "services.py"):
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


def test_a_store_is_empty_and_its_own(store_url: str) -> None:
    """Each test gets a store nobody else has written to, by a URL an engine takes."""
    scheme, _, rest = store_url.partition("://")
    if scheme == "sqlite":
        assert not Path(rest.removeprefix("/")).exists()
        return
    assert scheme == "postgresql+psycopg"
    import psycopg

    with psycopg.connect(store_url.replace("+psycopg", "", 1)) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert row == (0,)


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

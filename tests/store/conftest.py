"""An open store of each kind, and processes that write to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from durable_core.store.database import Database, open_database

CORE = Path(__file__).parents[2] / "core"
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres"))])
def store_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind that nobody has made a store in."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An open store with its tables and one more, `bench (id, a, b)`, `a` unique."""
    opened = open_database(store_url)
    with opened.write() as tx:
        tx.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, a TEXT, b BIGINT, UNIQUE (a))")
    yield opened
    opened.close()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Runs Python code in a process of its own, with the store's URL in argv[1]; ends what is left at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(CORE)!r})\n{code}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()

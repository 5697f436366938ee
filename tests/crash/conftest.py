"""Stores for tests that need several at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.services import PostgresServer

STORES = 3


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What processes under test are forked from."""
    with Nursery() as started:
        yield started


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres"))])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The URLs of a few empty stores of one kind."""
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path / f'store-{number}.db'}" for number in range(STORES)]
        return
    server: PostgresServer | str = request.getfixturevalue("_postgres_or_reason")
    if isinstance(server, str):
        pytest.skip(server)
    names = [server.create_database() for _ in range(STORES)]
    yield [server.engine_url(name) for name in names]
    for name in names:
        server.drop_database(name)

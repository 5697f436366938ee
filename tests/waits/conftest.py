"""The testing kit on each store: a virtual clock on SQLite and on PostgreSQL; every test has a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl import registry
from durable_core.testing.kit import Kit


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """What other modules of the suite define on being collected must not take the names that tests here use."""
    with registry.isolated():
        yield


@pytest.fixture
def kit(store_url: str) -> Iterator[Kit]:
    """An engine on an empty store of each kind in turn, whose clock moves only when it is told."""
    with Kit(store_url) as opened:
        yield opened

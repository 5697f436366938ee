"""An engine on each store; every test has a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl import registry
from durable_core.engine.engine import Engine


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """An engine with a worker, on a store of the test's own."""
    with Engine(store_url, passthrough=False) as opened:
        yield opened


@pytest.fixture
def viewer(store_url: str, engine: Engine) -> Iterator[Engine]:
    """Another engine on the same store: it hears of the first one's commits only as another process would."""
    with Engine(store_url, worker=False) as opened:
        yield opened

"""An engine on each store in turn, and a registry of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl.registry import registry
from durable_core.engine.engine import Engine


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """An engine with a worker, on a store of the test's own."""
    with Engine(store_url) as engine:
        yield engine

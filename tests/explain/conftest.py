"""What is told about executions on each store; every test has a registry of its own."""

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
    with Engine(store_url) as opened:
        yield opened

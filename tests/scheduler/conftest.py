"""An engine without a worker on each store, with a clock that moves when told: the tests tick by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from durable_core.clock import VirtualClock
from durable_core.dsl import registry
from durable_core.engine.engine import Engine

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def engine(store_url: str, clock: VirtualClock) -> Iterator[Engine]:
    with Engine(store_url, worker=False, clock=clock) as opened:
        yield opened

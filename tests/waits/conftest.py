"""The testing kit on each store: a virtual clock on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.testing.kit import Kit


@pytest.fixture
def kit(store_url: str) -> Iterator[Kit]:
    """An engine on an empty store of each kind in turn, whose clock moves only when it is told."""
    with Kit(store_url) as opened:
        yield opened

"""The pytest plugin: the fixture `durable`. It loads with every pytest, so it imports nothing before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from durable_core.testing.kit import Kit


@pytest.fixture
def durable() -> Iterator[Kit]:
    """An engine on its own store in memory and a virtual clock; the test's workflows are forgotten after it."""
    from durable_core.testing.kit import Kit

    with Kit() as kit:
        yield kit

"""Every test has a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl import registry


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """What other modules of the suite define on being collected must not take the names that tests here use."""
    with registry.isolated():
        yield

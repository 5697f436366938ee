"""Every test has a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durable_core.dsl.registry import registry


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield

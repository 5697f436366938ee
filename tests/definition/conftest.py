"""Generated definitions are shared by several areas; every test has a registry of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable_core.dsl.registry import registry

SHARED = str(Path(__file__).parents[1])
if SHARED not in sys.path:
    sys.path.append(SHARED)


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield

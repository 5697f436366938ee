"""What tests that kill processes have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What processes under test are forked from."""
    with Nursery() as started:
        yield started

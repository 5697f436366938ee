"""Which graphs are grown: the first ones in `make check`, all of them in the whole suite."""

from __future__ import annotations

from typing import Any

import pytest

QUICK = 8


def seeds(count: int) -> list[Any]:
    """As many seeds; those that `make check` leaves out are marked slow."""
    return [pytest.param(seed, marks=[pytest.mark.slow] if seed >= QUICK else []) for seed in range(count)]

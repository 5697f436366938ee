"""Modules stay small enough to be read in one go."""

from __future__ import annotations

from statistics import median

from tests.architecture.sources import modules, name_of, text_of

MEDIAN_BELOW = 200
LONGEST = 800


def lines_by_module() -> dict[str, int]:
    """Lines of every module that says more than a docstring."""
    counted = {name_of(path): len(text_of(path).splitlines()) for path in modules()}
    return {name: lines for name, lines in counted.items() if lines > 5}


def test_the_median_module_is_short() -> None:
    """Half of the modules are below 200 lines; empty `__init__` files do not help."""
    assert median(lines_by_module().values()) < MEDIAN_BELOW


def test_no_module_is_a_world_of_its_own() -> None:
    """No module grows beyond 800 lines: by then it does several things."""
    long = {name: lines for name, lines in lines_by_module().items() if lines > LONGEST}
    assert not long

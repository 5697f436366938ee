"""The pytest plugin: the fixture `durable`, and what its executions did in a test that failed.

It loads with every pytest, so it imports nothing before it is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from durable_core.testing.kit import Kit

SHOWN = 5
"""Executions whose history a failed test shows, the newest of them."""


@pytest.fixture
def durable() -> Iterator[Kit]:
    """An engine on its own store in memory and a virtual clock; the test's workflows are forgotten after it."""
    from durable_core.testing.kit import Kit

    with Kit() as kit:
        yield kit


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever assertion failed, the report of a test that has the fixture shows what its executions did."""
    report = yield
    kit = getattr(item, "funcargs", {}).get("durable")
    if report.when == "call" and report.failed and hasattr(kit, "histories"):
        told = _told(kit, str(report.longrepr))
        if told:
            report.sections.append(("executions of this test", told))
    return report


def _told(kit: Any, said: str) -> str:
    """The histories that the failure itself has not shown; a store that is gone must not hide the failure."""
    try:
        found = [text for id, text in kit.histories(SHOWN) if f"execution {id} of" not in said]
    except Exception as error:
        return f"They cannot be read any more: {type(error).__name__}: {error}"
    return "\n\n".join(found)

"""What is stored of many lines at once: each with its own fields, in the order they were written (L-1)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from durable_core.dsl import registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.store.lines import TOGETHER


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.mark.parametrize("count", [1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 3])
def test_many_lines_with_little_or_much_in_common_keep_their_order(store_url: str, count: int) -> None:
    """Runs of lines that differ in number, time and text alone are written together; the rest goes between them."""
    written: list[tuple[str, str, str, Any]] = []

    @step
    def talks(ctx: Any) -> None:
        for turn in range(2):
            for number in range(count):
                print(f"printed {turn} {number} é" if number == 1 else f"printed {turn} {number}")
            print("aside", file=sys.stderr)
            for number in range(count):
                ctx.logger.warning("logged %s", number, extra={"turn": turn})

    for turn in range(2):
        texts = [f"printed {turn} {number}" + (" é" if number == 1 else "") for number in range(count)]
        written += [("stdout", "INFO", text, None) for text in texts]
        written += [("stderr", "WARNING", "aside", None)]
        written += [("logger", "WARNING", f"logged {number}", {"turn": turn}) for number in range(count)]

    @workflow
    def talking() -> Any:
        return [talks, talks.with_options(name="again")]

    with Engine(store_url, passthrough=False) as engine:
        run = engine.start(talking).wait(20)
        assert run.status == "completed", run.error
        lines = list(run.logs())
    told = [(line["step"], line["source"], line["level"], line["message"], line["metadata"]) for line in lines]
    assert told == [(name, *line) for name in ("talks", "again") for line in written]
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)

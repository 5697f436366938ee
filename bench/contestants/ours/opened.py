"""An engine for one measurement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bench.place import Place


@contextlib.contextmanager
def opened(place: Place, **options: Any) -> Iterator[Any]:
    """An engine on the place's store."""
    from durable_studio import Engine

    engine = Engine(place.url, **options)
    try:
        yield engine
    finally:
        engine.close()


def warm(engine: Any) -> None:
    """The worker is up, statements are compiled, and SQLite's log has its size."""
    from durable_studio import step, workflow

    @step
    def nothing() -> None:
        return None

    @workflow
    def warm_up() -> Any:
        return [nothing.with_options(name=f"w{number}") for number in range(200)]

    for _ in range(3):
        engine.run(warm_up, timeout=60)

"""What it costs that output is captured, and how fast it is stored and read."""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

from bench.contestants.ours.opened import opened, warm
from bench.place import Place
from bench.samples import time_prints

PAGE = 1_000


def print_(place: Place) -> dict[str, float]:
    """`print` into a file from inside a step, its lines captured and passed on."""
    from durable_studio import step, workflow

    took: list[float] = []

    @step
    def prints() -> None:
        took.append(time_prints(place.options["lines"]))

    @workflow
    def printing() -> Any:
        return [prints.with_options(name=f"s{number}") for number in range(place.options["steps"])]

    real = sys.stdout
    with open(place.folder / "printed", "w", encoding="utf-8") as file:
        sys.stdout = file
        try:
            with opened(place) as engine:
                warm(engine)
                engine.run(printing, timeout=120)
        finally:
            sys.stdout = real
    return {"us": median(took) / place.options["lines"] * 1e6}


def lines(place: Place) -> dict[str, float]:
    """From the first print to the last commit; then the first and the last page of what was stored."""
    from durable_core.query.logs import lines_of
    from durable_studio import step, workflow

    count, steps = place.options["lines"], place.options["steps"]

    @step
    def talks() -> None:
        time_prints(count)

    @workflow
    def talking() -> Any:
        return [talks.with_options(name=f"s{number}") for number in range(steps)]

    with opened(place, passthrough=False) as engine:
        warm(engine)
        began = time.perf_counter()
        run = engine.run(talking, timeout=240)
        took = time.perf_counter() - began
        with engine.database.read() as tx:
            stored, last = tx.fetch_one("SELECT COUNT(*), MAX(id) FROM logs WHERE execution_id = :id", {"id": run.id})
            assert stored == count * steps, stored

            def page(after: int) -> float:
                began = time.perf_counter()
                assert len(lines_of(tx, run.id, after=after, limit=PAGE)) == PAGE
                return (time.perf_counter() - began) * 1000

            pages = [(page(0), page(last - PAGE)) for _ in range(9)]
    first, final = median(each[0] for each in pages), median(each[1] for each in pages)
    return {"rate": stored / took, "first_ms": first, "last_ms": final, "ratio": final / first}

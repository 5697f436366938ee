"""How fast workflows run in one process."""

from __future__ import annotations

import time
from typing import Any

from bench.contestants.ours.opened import opened, warm
from bench.place import Place
from bench.samples import p50_p99_ms


def step(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    steps = place.options["steps"]

    @step
    def trivial() -> None:
        return None

    @workflow
    def sequence() -> Any:
        return [trivial.with_options(name=f"s{number}") for number in range(steps)]

    with opened(place) as engine:
        warm(engine)
        commits = engine.database.commits
        began = time.perf_counter()
        engine.run(sequence, timeout=300)
        took = time.perf_counter() - began
        return {"us": took / steps * 1e6, "commits": (engine.database.commits - commits) / steps}


def fan(place: Place) -> dict[str, float]:
    short = _short_workflow(place.options["steps"], place.options["bodies"])
    count, together = place.options["workflows"], place.options["together"]
    with opened(place) as engine:
        warm(engine)
        engine.run(short, timeout=60)
        commits = engine.database.commits
        began = time.perf_counter()
        runs = engine.start_many(short, [{}] * count) if together else [engine.start(short) for _ in range(count)]
        started = time.perf_counter() - began
        for run in runs:
            run.wait(timeout=120)
        took = time.perf_counter() - began
        used = engine.database.commits - commits
        assert engine.count_executions(workflow="short", status="completed") == count + 1
    return {
        "rate": count / took,
        "start_us": started / count * 1e6,
        "commits": used / (count * place.options["steps"]),
    }


def _short_workflow(steps: int, bodies: str) -> Any:
    from durable_studio import step, workflow

    if bodies == "async":

        @step
        async def trivial() -> None:
            return None
    else:

        @step
        def trivial() -> None:
            return None

    @workflow
    def short() -> Any:
        return [trivial.with_options(name=f"s{number}") for number in range(steps)]

    return short


def start(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    began_at: list[int] = []

    @step
    def first() -> None:
        began_at.append(time.perf_counter_ns())

    @workflow
    def one() -> Any:
        return [first]

    samples = []
    with opened(place) as engine:
        warm(engine)
        engine.run(one, timeout=60)
        for _ in range(place.options["samples"]):
            began_at.clear()
            asked = time.perf_counter_ns()
            engine.start(one).wait(timeout=60)
            samples.append(began_at[0] - asked)
    return p50_p99_ms(samples)

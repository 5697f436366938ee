"""How soon workflows that wait go on, in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from bench.contestants.ours.opened import opened, warm
from bench.place import Place
from bench.samples import p50_p99_ms, percentile


def event(place: Place) -> dict[str, float]:
    from durable_studio import step, wait_for_event, workflow

    began_at: list[int] = []

    @step
    def after() -> None:
        began_at.append(time.perf_counter_ns())

    @workflow
    def waits() -> Any:
        return [wait_for_event("go"), after]

    samples = []
    with opened(place) as engine:
        warm(engine)
        for _ in range(place.options["samples"]):
            began_at.clear()
            run = engine.start(waits)
            wait_until_waiting(run)
            asked = time.perf_counter_ns()
            engine.send_event("go", {}, execution_id=run.id)
            run.wait(timeout=60)
            samples.append(began_at[0] - asked)
    return p50_p99_ms(samples)


def wait_until_waiting(run: Any) -> None:
    """Until it is stored that it waits."""
    until = time.monotonic() + 60
    while run.status != "waiting":
        assert time.monotonic() < until, run.status
        time.sleep(0.001)


def sleepers(place: Place) -> dict[str, float]:
    from durable_studio import sleep_for, step, workflow

    count = place.options["sleepers"]
    woke: dict[str, int] = {}
    left = threading.Semaphore(0)

    @step
    async def awake(ctx: Any) -> None:
        woke[ctx.execution_id] = time.time_ns() // 1000
        left.release()

    @workflow
    def sleeper() -> Any:
        return [sleep_for(place.options["seconds"]), awake]

    with opened(place) as engine:
        warm(engine)
        began = time.perf_counter()
        engine.start_many(sleeper, [{}] * count)
        started = time.perf_counter() - began
        for _ in range(count):
            assert left.acquire(timeout=60)
        return {**lateness(engine, woke), "start_us": started / count * 1e6}


def lateness(engine: Any, woke: Mapping[str, int]) -> dict[str, float]:
    """How long after its due time each execution went on; times in microseconds since 1970."""
    with engine.database.read() as tx:
        due = dict(tx.fetch("SELECT execution_id, due_at FROM waits WHERE kind = 'sleep'"))
    late = [(woke[each] - due[each]) / 1000 for each in woke]
    assert late
    return {
        "p50_ms": percentile(late, 0.5),
        "p99_ms": percentile(late, 0.99),
        "early": float(sum(each < 0 for each in late)),
    }

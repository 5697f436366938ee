"""Whether many executions in the store make a list or a claim slower."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from bench.contestants.ours.copies import copy
from bench.contestants.ours.opened import opened
from bench.place import Place


def crowd(place: Place) -> dict[str, float]:
    """All of them are ready to be claimed."""
    from durable_studio import step, workflow

    @step
    def never() -> None:
        return None

    @workflow
    def crowded() -> Any:
        return [never]

    # nothing claimed yet, not even where the first one was claimed meanwhile
    ready = {"status": "'ready'", "fence": "0", "worker_id": "NULL", "lease_until": "NULL"}
    with opened(place, worker=False) as engine:
        first = engine.start(crowded, {"order": 1, "name": "one of many"}).id
        few, many = place.options["few"], place.options["many"]
        copy(engine, first, 1, few, ready)
        small = _times(engine)
        copy(engine, first, few + 1, many, ready)
        with engine.database.read() as tx:
            assert tx.fetch_one("SELECT COUNT(*) FROM tokens WHERE status = 'ready'")[0] >= many - few
        large = _times(engine)
    return {
        **large,
        "list_ratio": large["list_ms"] / small["list_ms"],
        "claim_ratio": large["claim_ms"] / small["claim_ms"],
    }


def _times(engine: Any) -> dict[str, float]:
    from durable_core.queue.database import DatabaseQueue
    from durable_core.queue.protocol import ClaimRequest

    queue = DatabaseQueue(engine.committer)
    for _ in range(400):  # SQLite's log has its full length then, and is written over
        queue.pause("unused")
    request = ClaimRequest(worker_id="w_bench", free={"default": 10}, workflows=("crowded",), lease_us=10**9)
    return {
        "list_ms": _time_ms(lambda: engine.list_executions(limit=50), 30),
        "claim_ms": _time_ms(lambda: queue.claim(request), 30),
        "count_ms": _time_ms(lambda: engine.count_executions(), 3),
    }


def _time_ms(function: Any, times: int) -> float:
    function()
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        assert function()
        samples.append((time.perf_counter() - began) * 1000)
    return median(samples)

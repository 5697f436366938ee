"""How soon a view shows that a body has ended."""

from __future__ import annotations

import threading
import time
from typing import Any

from bench.contestants.ours.child import flows, worker
from bench.contestants.ours.opened import opened, warm
from bench.place import Place
from bench.samples import percentile

RATE = 1_000.0
"""Views a second: more than there are changes."""


def view(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    ended_at: list[int] = []

    @step
    def ends() -> None:
        time.sleep(0.02)
        ended_at.append(time.perf_counter_ns())

    @workflow
    def steps() -> Any:
        return [ends.with_options(name=f"s{number}") for number in range(place.options["samples"])]

    with opened(place) as engine:
        warm(engine)
        seen_at = _watch(engine, engine.start(steps))
    return _percentiles(ended_at, seen_at)


def view_remote(place: Place) -> dict[str, float]:
    flow = flows()["remote_steps"]
    ended_at: list[int] = []
    with opened(place, worker=False) as engine, worker(place.url) as child:
        stream = child.stdout
        assert stream is not None

        def listen() -> None:
            for line in stream:
                ended_at.append(int(line))

        threading.Thread(target=listen, daemon=True).start()
        seen_at = _watch(engine, engine.start(flow))
    return _percentiles(ended_at[: place.options["samples"]], seen_at)


def _watch(engine: Any, run: Any) -> list[int]:
    """When each completed step was first seen."""
    seen_at: list[int] = []
    for view in engine.watch(run.id, rate=RATE):
        now = time.perf_counter_ns()
        done = view.counts.get("completed", 0)
        seen_at += [now] * (done - len(seen_at))
    return seen_at


def _percentiles(ended_at: list[int], seen_at: list[int]) -> dict[str, float]:
    assert len(seen_at) >= len(ended_at) > 0, (len(ended_at), len(seen_at))
    waited = [(seen - ended) / 1e6 for ended, seen in zip(ended_at, seen_at, strict=False)]
    return {"p50_ms": percentile(waited, 0.5), "p95_ms": percentile(waited, 0.95)}

"""How soon a worker in another process goes on."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from bench.contestants.ours.child import flows, worker
from bench.contestants.ours.opened import opened
from bench.contestants.ours.waiting import lateness, wait_until_waiting
from bench.place import Place
from bench.samples import p50_p99_ms


def remote(place: Place) -> dict[str, float]:
    flow = flows()["remote_one"]
    samples = []
    with opened(place, worker=False) as engine, worker(place.url) as child:
        assert child.stdout is not None
        for number in range(place.options["samples"] + 1):
            time.sleep(0.05)  # it is idle again
            asked = time.perf_counter_ns()
            engine.start(flow)
            took = int(child.stdout.readline()) - asked
            if number:  # the first one compiles statements
                samples.append(took)
    return p50_p99_ms(samples)


def event_remote(place: Place) -> dict[str, float]:
    flow = flows()["remote_event"]
    samples = []
    with opened(place, worker=False) as engine, worker(place.url) as child:
        assert child.stdout is not None
        for number in range(place.options["samples"] + 1):
            run = engine.start(flow)
            wait_until_waiting(run)
            time.sleep(0.02)
            asked = time.perf_counter_ns()
            engine.send_event("go", {}, execution_id=run.id)
            took = int(child.stdout.readline()) - asked
            if number:
                samples.append(took)
    return p50_p99_ms(samples)


def sleepers_remote(place: Place) -> dict[str, float]:
    """Two workers: the one that wakes an execution is not always the one that laid it down."""
    flow = flows()["remote_sleeper"]
    count = place.options["sleepers"]
    woke: dict[str, int] = {}
    left = threading.Semaphore(0)

    def listen(lines: object) -> None:
        for line in lines:  # type: ignore[attr-defined]
            execution_id, at = line.split()
            woke[execution_id] = int(at)
            left.release()

    with ExitStack() as stack:
        engine = stack.enter_context(opened(place, worker=False))
        children = [stack.enter_context(worker(place.url)) for _ in range(2)]
        for child in children:
            threading.Thread(target=listen, args=(child.stdout,), daemon=True).start()
        engine.start_many(flow, [{}] * count)
        for _ in range(count):
            assert left.acquire(timeout=60)
        return lateness(engine, woke)

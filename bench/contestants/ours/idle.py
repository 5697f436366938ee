"""What an idle worker costs while others sleep."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.contestants.ours.child import flows, worker
from bench.contestants.ours.copies import copy
from bench.contestants.ours.opened import opened
from bench.contestants.ours.waiting import wait_until_waiting
from bench.place import Place


def idle(place: Place) -> dict[str, float]:
    """The worker's own CPU time; the first seconds, in which it imports and looks around, are left out."""
    flow = flows()["long_sleeper"]
    few, many = place.options["few"], place.options["many"]
    with opened(place) as engine:
        run = engine.start(flow)
        wait_until_waiting(run)
    numbers = {}
    for key, low, high in (("few_percent", 1, few), ("many_percent", few + 1, many)):
        with opened(place, worker=False) as engine:
            copy(engine, run.id, low, high, {})
        numbers[key] = _busy_percent(place)
    return {**numbers, "ratio": numbers["many_percent"] / max(numbers["few_percent"], 0.1)}


def _busy_percent(place: Place) -> float:
    with worker(place.url) as child:
        time.sleep(2.5)
        began, used = time.perf_counter(), _cpu_seconds(child.pid)
        time.sleep(place.options["seconds"])
        return (_cpu_seconds(child.pid) - used) / (time.perf_counter() - began) * 100


def _cpu_seconds(pid: int) -> float:
    """All threads of a process, as exactly as the scheduler knows."""
    tasks = Path(f"/proc/{pid}/task")
    runtimes = [int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()]
    assert os.path.exists(tasks)
    return sum(runtimes) / 1e9

"""Small arithmetic on samples, and measurements that several contestants share."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Sequence


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all are no greater than."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def p50_p99_ms(samples_ns: Sequence[int]) -> dict[str, float]:
    """Of durations in nanoseconds."""
    return {"p50_ms": percentile(samples_ns, 0.5) / 1e6, "p99_ms": percentile(samples_ns, 0.99) / 1e6}


def import_times(programs: dict[str, tuple[str, ...]], times: int) -> dict[str, float]:
    """How much more processor time than an empty program each takes; by turns, the quickest of each counts.

    With warm files an import waits for nothing, so this is its duration on a machine that has nothing else to do.
    """
    best: dict[str, float] = {}
    for number in range(times + 1):
        for key, arguments in {"bare": ("-c", "pass"), **programs}.items():
            began = _spent_by_children()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            if number:  # the first time compiles
                best[key] = min(best.get(key, 1e9), (_spent_by_children() - began) * 1000)
    bare = best.pop("bare")
    return {key: took - bare for key, took in best.items()}


def _spent_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_prints(lines: int) -> float:
    """Seconds that so many prints take."""
    began = time.perf_counter()
    for number in range(lines):
        print(f"line {number} of a step that talks a lot, and always about the same thing")
    return time.perf_counter() - began

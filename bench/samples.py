"""Small arithmetic on samples."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all are no greater than."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def p50_p99_ms(samples_ns: Sequence[int]) -> dict[str, float]:
    """Of durations in nanoseconds."""
    return {"p50_ms": percentile(samples_ns, 0.5) / 1e6, "p99_ms": percentile(samples_ns, 0.99) / 1e6}

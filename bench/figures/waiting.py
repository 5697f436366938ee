"""How soon workflows that wait go on, and what it costs that they wait."""

from __future__ import annotations

from typing import Final

from bench.figures.model import DBOS, LANGGRAPH, OURS, Figure, Metric

FIGURES: Final = (
    Figure(
        name="sleepers",
        title="1,000 sleepers of 2 s, one process (raw: a bare timer)",
        metrics=(
            Metric(key="p50_ms", title="lateness p50", unit="ms", at_most=10),
            Metric(key="p99_ms", title="lateness p99", unit="ms", at_most=40),
            Metric(key="early", title="woken early", at_most=0),
            Metric(key="start_us", title="starting one of them", unit="us", at_most=500),
        ),
        on=(("raw", "sqlite"), ("raw", "postgres"), *OURS, *DBOS),
        options={"sleepers": 1_000, "peer_sleepers": 200, "seconds": 2.0},
        quick={"sleepers": 200, "peer_sleepers": 50, "seconds": 1.0},
    ),
    Figure(
        name="sleepers-remote",
        title="200 sleepers of 1 s, started here, woken by workers in two other processes",
        metrics=(
            Metric(key="p50_ms", title="lateness p50", unit="ms"),
            Metric(key="p99_ms", title="lateness p99", unit="ms", at_most=250),
            Metric(key="early", title="woken early", at_most=0),
        ),
        on=OURS,
        options={"sleepers": 200, "seconds": 1.0},
        quick={"sleepers": 50},
    ),
    Figure(
        name="event",
        title="event -> next step, same process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", at_most=3),
            Metric(key="p99_ms", title="p99", unit="ms", at_most=15),
        ),
        on=(*OURS, *DBOS, *LANGGRAPH),
        options={"samples": 100, "peer_samples": 8},
        quick={"samples": 20, "peer_samples": 2},
    ),
    Figure(
        name="event-remote",
        title="event -> next step, worker in another process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms"),
            Metric(key="p99_ms", title="p99", unit="ms", at_most=250),
        ),
        on=OURS,
        options={"samples": 50},
        quick={"samples": 10},
    ),
    Figure(
        name="idle",
        title="an idle worker's CPU, 100,000 sleeping executions in the store against 100",
        metrics=(
            Metric(key="few_percent", title="with 100", unit="%"),
            Metric(key="many_percent", title="with 100,000", unit="%"),
            Metric(key="ratio", title="the second against the first", unit="x", at_most=2),
        ),
        on=OURS,
        options={"few": 100, "many": 100_000, "seconds": 6.0},
        quick={"many": 5_000, "seconds": 3.0},
    ),
)

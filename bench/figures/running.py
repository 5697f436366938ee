"""How fast workflows run."""

from __future__ import annotations

from typing import Final

from bench.figures.model import DBOS, LANGGRAPH, OURS, RAW, Figure, Metric

_EVERYBODY: Final = (*OURS, *DBOS, *LANGGRAPH)
_FAN: Final = {"workflows": 500, "peer_workflows": 100, "steps": 5}
_FEW: Final = {"workflows": 100, "peer_workflows": 20}


def _fan(times_dbos: float, *, commits: float | None) -> tuple[Metric, ...]:
    return (
        Metric(key="rate", title="workflows", unit="/s", higher_is_better=True, times_dbos=times_dbos),
        Metric(key="start_us", title="of which: starting, a workflow", unit="us"),
        Metric(key="commits", title="durable commits a step", at_most=commits),
    )


FIGURES: Final = (
    Figure(
        name="step",
        title="one workflow of many trivial steps",
        metrics=(
            Metric(key="us", title="a step", unit="us", times_raw={"sqlite": 1.8, "postgres": 2.0}),
            Metric(key="apart_us", title="a raw commit after 50 us of computing", unit="us"),
            Metric(key="commits", title="durable commits a step"),
        ),
        on=(*RAW, *_EVERYBODY),
        options={"steps": 2_000, "peer_steps": 400},
        quick={"steps": 500, "peer_steps": 100},
    ),
    Figure(
        name="fan",
        title="500 workflows of 5 async steps, started together",
        metrics=_fan(10, commits=0.1),
        on=_EVERYBODY,
        options={**_FAN, "bodies": "async", "together": True},
        quick=_FEW,
    ),
    Figure(
        name="fan-sync",
        title="500 workflows of 5 sync steps, started together",
        metrics=_fan(5, commits=0.1),
        on=_EVERYBODY,
        options={**_FAN, "bodies": "sync", "together": True},
        quick=_FEW,
    ),
    Figure(
        name="fan-single",
        title="500 workflows of 5 async steps, started one by one",
        # each start is durable before it returns: 0.2 commits a step are the floor
        metrics=_fan(10, commits=None),
        on=(*OURS, *DBOS),
        options={**_FAN, "bodies": "async", "together": False},
        quick=_FEW,
    ),
    Figure(
        name="start",
        title="start -> first step, same process (raw: one commit)",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", times_raw={"sqlite": 4, "postgres": 4}),
            Metric(key="p99_ms", title="p99", unit="ms", at_most=5),
        ),
        on=(*RAW, *_EVERYBODY),
        options={"samples": 200, "peer_samples": 50},
        quick={"samples": 50, "peer_samples": 10},
    ),
    Figure(
        name="remote",
        title="enqueued -> first step, idle worker in another process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", at_most=4),
            Metric(key="p99_ms", title="worst", unit="ms", at_most=15),
        ),
        on=(*OURS, *DBOS),
        options={"samples": 20, "peer_samples": 3},
        quick={"samples": 5, "peer_samples": 2},
    ),
    Figure(
        name="resume",
        title="a killed loop goes on: open the store -> next body",
        metrics=(
            Metric(key="short_ms", title="after 10 iterations", unit="ms"),
            Metric(key="long_ms", title="after 100,000 iterations", unit="ms"),
            Metric(key="ratio", title="the second against the first", unit="x", at_most=2),
        ),
        on=(("ours", "sqlite"),),
        options={"short": 10, "long": 100_000},
        quick={"long": 5_000},
    ),
    Figure(
        name="crowd",
        title="with 100,000 executions in the store, against 1,000",
        metrics=(
            Metric(key="list_ms", title="a page of the list", unit="ms"),
            Metric(key="list_ratio", title="... against 1,000", unit="x", at_most=2),
            Metric(key="claim_ms", title="a claim of 10 tokens", unit="ms"),
            Metric(key="claim_ratio", title="... against 1,000", unit="x", at_most=2),
            Metric(key="count_ms", title="counting them all", unit="ms"),
        ),
        on=OURS,
        options={"few": 1_000, "many": 100_000},
        quick={"many": 10_000},
    ),
)

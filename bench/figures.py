"""What is measured, on which stores, and of whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Store = Literal["sqlite", "postgres", "-"]
CONTESTANTS: Final = ("raw", "ours", "dbos", "langgraph")
PEERS: Final = {"dbos": ("dbos",), "langgraph": ("langgraph", "langgraph.checkpoint.sqlite", "aiosqlite")}
"""What must be importable to measure a peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a figure."""

    key: str
    title: str
    unit: str
    higher_is_better: bool = False
    target: str = ""
    """What is to be reached, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement: a figure of one contestant on one store."""

    figure: str
    contestant: str
    store: Store
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A question, its numbers, and who is asked."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    on: tuple[tuple[str, Store], ...]
    options: tuple[tuple[str, Any], ...] = ()

    def runs(self) -> list[Run]:
        return [Run(figure=self.name, contestant=who, store=store, options=self.options) for who, store in self.on]


_BOTH: Final[tuple[tuple[str, Store], ...]] = (("ours", "sqlite"), ("ours", "postgres"))
_DBOS: Final[tuple[tuple[str, Store], ...]] = (("dbos", "sqlite"), ("dbos", "postgres"))

FIGURES: Final = (
    Figure(
        name="step",
        title="one workflow of many trivial steps",
        metrics=(
            Metric(key="us", title="a step", unit="us", target="<= 1.8x raw (SQLite), <= 2x raw (PostgreSQL)"),
            Metric(key="commits", title="durable commits a step", unit="", target="1"),
        ),
        on=(("raw", "sqlite"), ("raw", "postgres"), *_BOTH, *_DBOS, ("langgraph", "sqlite")),
        options=(("steps", 2_000), ("peer_steps", 500)),
    ),
    Figure(
        name="fan",
        title="500 workflows of 5 async steps at once, one process",
        metrics=(
            Metric(key="rate", title="workflows", unit="/s", higher_is_better=True, target=">= 10x dbos"),
            Metric(key="start_us", title="of which: starting, a workflow", unit="us"),
            Metric(key="commits", title="durable commits a step", unit="", target="<= 0.1"),
        ),
        on=(*_BOTH, *_DBOS, ("langgraph", "sqlite")),
        options=(("workflows", 500), ("peer_workflows", 100), ("steps", 5), ("bodies", "async")),
    ),
    Figure(
        name="fan-sync",
        title="500 workflows of 5 sync steps at once, one process",
        metrics=(
            Metric(key="rate", title="workflows", unit="/s", higher_is_better=True, target=">= 5x dbos"),
            Metric(key="start_us", title="of which: starting, a workflow", unit="us"),
            Metric(key="commits", title="durable commits a step", unit="", target="<= 0.1"),
        ),
        on=(*_BOTH, *_DBOS, ("langgraph", "sqlite")),
        options=(("workflows", 500), ("peer_workflows", 100), ("steps", 5), ("bodies", "sync")),
    ),
    Figure(
        name="start",
        title="start -> first step, same process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", target="<= 4 raw commits"),
            Metric(key="p99_ms", title="p99", unit="ms", target="<= 5 ms"),
        ),
        on=(*_BOTH, *_DBOS, ("langgraph", "sqlite")),
        options=(("samples", 200), ("peer_samples", 100)),
    ),
    Figure(
        name="event",
        title="event -> next step, same process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", target="<= 3 ms"),
            Metric(key="p99_ms", title="p99", unit="ms", target="<= 15 ms"),
        ),
        on=(*_BOTH, *_DBOS, ("langgraph", "sqlite")),
        options=(("samples", 100), ("peer_samples", 20)),
    ),
    Figure(
        name="remote",
        title="enqueued -> first step, idle worker in another process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms", target="<= 4 ms"),
            Metric(key="p99_ms", title="worst", unit="ms", target="<= 15 ms"),
        ),
        on=(*_BOTH, *_DBOS),
        options=(("samples", 20), ("budget_s", 5)),
    ),
    Figure(
        name="sleepers",
        title="1,000 sleepers of 2 s, one process",
        metrics=(
            Metric(key="p50_ms", title="lateness p50", unit="ms", target="<= 10 ms"),
            Metric(key="p99_ms", title="lateness p99", unit="ms", target="<= 40 ms"),
            Metric(key="start_us", title="starting one of them", unit="us", target="<= 500 us"),
        ),
        on=(*_BOTH, *_DBOS),
        options=(("sleepers", 1_000), ("peer_sleepers", 200), ("seconds", 2.0)),
    ),
    Figure(
        name="resume",
        title="a killed loop goes on: open the store -> next body",
        metrics=(
            Metric(key="short_ms", title="after 10 iterations", unit="ms"),
            Metric(key="long_ms", title="after 100,000 iterations", unit="ms", target="as after 10"),
        ),
        on=(("ours", "sqlite"),),
        options=(("short", 10), ("long", 100_000)),
    ),
    Figure(
        name="crowd",
        title="with 100,000 executions in the store, against 1,000",
        metrics=(
            Metric(key="list_ms", title="a page of the list", unit="ms"),
            Metric(key="list_ratio", title="... against 1,000", unit="x", target="1x"),
            Metric(key="claim_ms", title="a claim of 10 tokens", unit="ms"),
            Metric(key="claim_ratio", title="... against 1,000", unit="x", target="1x"),
            Metric(key="count_ms", title="counting them all", unit="ms"),
        ),
        on=_BOTH,
        options=(("few", 1_000), ("many", 100_000)),
    ),
    Figure(
        name="imports",
        title="what importing costs, over a bare interpreter",
        metrics=(
            Metric(key="facade_ms", title="the package (what users import)", unit="ms"),
            Metric(key="help_ms", title="the command with --help", unit="ms"),
            Metric(key="engine_ms", title="engine and store", unit="ms", target="<= 1.2x sqlmodel"),
            Metric(key="sqlmodel_ms", title="sqlmodel alone", unit="ms"),
        ),
        on=(("ours", "-"), ("dbos", "-"), ("langgraph", "-")),
    ),
)


def figure(name: str) -> Figure:
    """The figure of that name."""
    return next(each for each in FIGURES if each.name == name)

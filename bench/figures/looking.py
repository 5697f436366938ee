"""What it costs to look: pictures, live views, logs."""

from __future__ import annotations

from typing import Final

from bench.figures.model import OURS, Figure, Metric

FORMATS: Final = ("dot", "mermaid", "cytoscape", "json", "svg", "text", "html", "networkx")

FIGURES: Final = (
    Figure(
        name="picture",
        title="layout and text of a graph, processor time",
        metrics=(
            Metric(key="small_ms", title="200 nodes", unit="ms", at_most=2),
            Metric(key="large_ms", title="20,000 nodes", unit="ms"),
            Metric(key="ratio", title="20,000 against 200", unit="x", at_most=120),
            Metric(key="view_ms", title="84 x 36 cells of the 20,000, painted again", unit="ms"),
            Metric(key="nested_ms", title="3,000 nested loops, in 100 columns", unit="ms"),
        ),
        on=(("ours", "-"),),
        options={"small": 200, "large": 20_000, "nested": 3_000},
        quick={"large": 4_000},
    ),
    Figure(
        name="exports",
        title="2,000 nodes, from the definition, processor time, as",
        metrics=tuple(Metric(key=f"{format_}_ms", title=format_, unit="ms", at_most=1_000) for format_ in FORMATS),
        on=(("ours", "-"),),
        options={"nodes": 2_000},
    ),
    Figure(
        name="view",
        title="end of a body -> view that shows it, same process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms"),
            Metric(key="p95_ms", title="p95", unit="ms", at_most=20),
        ),
        on=OURS,
        options={"samples": 100},
        quick={"samples": 20},
    ),
    Figure(
        name="view-remote",
        title="end of a body -> view that shows it, worker in another process",
        metrics=(
            Metric(key="p50_ms", title="p50", unit="ms"),
            Metric(key="p95_ms", title="p95", unit="ms", at_most=250),
        ),
        on=OURS,
        options={"samples": 40},
        quick={"samples": 10},
    ),
    Figure(
        name="print",
        title="print into a file, inside a step (raw: outside)",
        metrics=(Metric(key="us", title="a line", unit="us", times_raw={"sqlite": 5}),),
        on=(("raw", "sqlite"), ("ours", "sqlite")),
        options={"lines": 5_000, "steps": 20},
        quick={"steps": 5},
    ),
    Figure(
        name="lines",
        title="1,000,000 printed lines, captured and stored",
        metrics=(
            Metric(key="rate", title="lines", unit="/s", higher_is_better=True, at_least=50_000),
            Metric(key="first_ms", title="the first page of 1,000", unit="ms"),
            Metric(key="last_ms", title="the last page of 1,000", unit="ms"),
            Metric(key="ratio", title="last page against first", unit="x", at_most=2),
        ),
        on=(("ours", "sqlite"),),
        options={"steps": 125, "lines": 8_000},
        quick={"steps": 10},
    ),
)

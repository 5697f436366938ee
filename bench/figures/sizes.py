"""What importing and installing costs."""

from __future__ import annotations

from typing import Final

from bench.figures.model import Figure, Metric

FIGURES: Final = (
    Figure(
        name="imports",
        title="what importing costs, over a bare interpreter (raw: sqlmodel)",
        metrics=(
            Metric(key="facade_ms", title="import durable_studio", unit="ms", at_most=60),
            Metric(key="names_ms", title="from durable_studio import workflow, step, Engine", unit="ms"),
            Metric(key="engine_ms", title="engine and store", unit="ms", times_raw={"-": 1.2}),
            Metric(key="help_ms", title="durable-studio --help", unit="ms", at_most=300),
        ),
        on=(("raw", "-"), ("ours", "-"), ("dbos", "-"), ("langgraph", "-")),
        options={"times": 5},
        quick={"times": 2},
    ),
    Figure(
        name="installed",
        title="site-packages with the engine's own dependencies, compiled files left out",
        metrics=(
            Metric(key="mb", title="size", unit="MB", at_most=45),
            Metric(key="distributions", title="distributions", at_most=12),
        ),
        on=(("ours", "-"), ("dbos", "-"), ("langgraph", "-")),
    ),
)

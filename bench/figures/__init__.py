"""What is measured, on which stores, and of whom."""

from __future__ import annotations

from typing import Final

from bench.figures import looking, running, sizes, waiting
from bench.figures.model import Figure, Metric, Run, Store

__all__ = ["CONTESTANTS", "FIGURES", "PEERS", "Figure", "Metric", "Run", "Store"]

CONTESTANTS: Final = ("raw", "ours", "dbos", "langgraph")
PEERS: Final = {"dbos": ("dbos",), "langgraph": ("langgraph", "langgraph.checkpoint.sqlite", "aiosqlite")}
"""What must be importable to measure a peer."""

FIGURES: Final = (*running.FIGURES, *waiting.FIGURES, *looking.FIGURES, *sizes.FIGURES)

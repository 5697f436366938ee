"""The results as one table, for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.figures import CONTESTANTS, Figure, Metric
from bench.rounds import Results

HEADER = ("figure", "store", *CONTESTANTS, "ours / raw", "dbos : ours", "langgraph : ours", "target", "kept")


def rows(figures: Sequence[Figure], results: Results) -> list[tuple[str, ...]]:
    """A row for each number and store. A peer's ratio above 1 says how many times better ours is."""
    made = []
    for figure in figures:
        asked = {(who, store) for who, store in figure.on}
        for metric in figure.metrics:
            for store in dict.fromkeys(store for _, store in figure.on):
                values = {who: results.median(figure.name, who, store, metric.key) for who in CONTESTANTS}
                why = {who: results.missing.get((figure.name, who, store)) for who in CONTESTANTS}
                if not any(value is not None for value in values.values()) and not any(why.values()):
                    continue
                ours = values["ours"]
                made.append(
                    (
                        f"{figure.title}: {metric.title}" + (f", {metric.unit}" if metric.unit else ""),
                        "" if store == "-" else store,
                        *(_cell(values[who], why[who] if (who, store) in asked else None) for who in CONTESTANTS),
                        _ratio(ours, values["raw"]),
                        _better(metric, ours, values["dbos"]),
                        _better(metric, ours, values["langgraph"]),
                        metric.target(store),
                        {True: "yes", False: "no", None: ""}[metric.holds(store, ours, values["raw"], values["dbos"])],
                    )
                )
    return made


def _cell(value: float | None, why: str | None) -> str:
    if value is None:
        return why or ""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ratio(value: float | None, base: float | None) -> str:
    return f"{value / base:.2f}x" if value is not None and base else ""


def _better(metric: Metric, ours: float | None, theirs: float | None) -> str:
    if not ours or not theirs:
        return ""
    ratio = ours / theirs if metric.higher_is_better else theirs / ours
    return f"{ratio:.2g}x" if ratio < 100 else f"{ratio:.0f}x"


def as_text(figures: Sequence[Figure], results: Results) -> str:
    """Columns of equal width."""
    lines = [HEADER, *rows(figures, results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    left = {0, 1, len(HEADER) - 2, len(HEADER) - 1}
    drawn = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    drawn.insert(1, "-" * max(map(len, drawn)))
    return "\n".join(drawn)


def as_markdown(figures: Sequence[Figure], results: Results) -> str:
    """For `docs/benchmarks.md`."""
    words = {0, 1, len(HEADER) - 2, len(HEADER) - 1}
    lines = [HEADER, tuple("---" if column in words else "---:" for column in range(len(HEADER)))]
    lines += rows(figures, results)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(results: Results) -> dict[str, Any]:
    """Every number of every round."""
    return {
        "rounds": results.rounds,
        "results": [
            {"figure": figure, "contestant": contestant, "store": store, "rounds": numbers}
            for (figure, contestant, store), numbers in results.numbers.items()
        ],
        "missing": [
            {"figure": figure, "contestant": contestant, "store": store, "why": why}
            for (figure, contestant, store), why in results.missing.items()
        ],
    }

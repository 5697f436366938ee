"""When each attempt ran, as bars on one time line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from durable_core.graph.escape import xml
from durable_core.graph.measure import clip
from durable_core.graph.palette import STATES
from durable_core.graph.svg_paint import Paint, number
from durable_core.graph.words import lasting

ROWS: Final = 200
LABELS: Final = 190
WIDTH: Final = 1100
ROW: Final = 18


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt on the time line; without an end it is still going."""

    label: str
    status: str
    start: datetime | None
    end: datetime | None


def gantt(bars: Sequence[Bar], now: datetime) -> str:
    """An SVG with one row per attempt, at most 200; empty when nothing has begun."""
    begun = [(bar, bar.start) for bar in bars if bar.start is not None]
    if not begun:
        return ""
    first = min(start for _, start in begun)
    last = max([bar.end or now for bar, _ in begun])
    span = max((last - first).total_seconds(), 0.001)
    room = WIDTH - LABELS - 70
    ink = Paint("adaptive")
    rows = []
    for position, (bar, start) in enumerate(begun[:ROWS]):
        y = 24 + position * ROW
        end = bar.end or now
        x = LABELS + (start - first).total_seconds() / span * room
        wide = max(2.0, (end - start).total_seconds() / span * room)
        spent = lasting((end - start).total_seconds())
        token = f"{bar.status}.stroke" if bar.status in STATES else "edge"
        rows.append(
            f'<g role="img" aria-label="{xml(f"{bar.label}: {bar.status}, {spent}")}">'
            f'<text x="{LABELS - 10}" y="{y + 12}" text-anchor="end" {ink.paint("ink")}>'
            f"{xml(clip(bar.label, LABELS - 20, 11))}</text>"
            f'<rect x="{number(x)}" y="{y + 3}" width="{number(wide)}" height="11" rx="2" {ink.paint(token)}/>'
            f'<text x="{number(x + wide + 6)}" y="{y + 12}" {ink.paint("ink2")}>{spent}</text></g>'
        )
    height = 24 + min(len(begun), ROWS) * ROW + 12
    axis = "".join(
        f'<path d="M{number(LABELS + share * room)} 20V{height - 8}" {ink.paint(None, "line")}/>'
        f'<text x="{number(LABELS + share * room)}" y="14" text-anchor="middle" {ink.paint("ink2")}>'
        f"{lasting(share * span)}</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    left_out = f"<p>{len(begun) - ROWS} more attempts are not drawn.</p>" if len(begun) > ROWS else ""
    return (
        f'<figure><svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="graphics-document document" aria-label="Times of {len(begun)} attempts" '
        f'font-size="11">{ink.style()}<g aria-hidden="true">{axis}</g>{"".join(rows)}</svg></figure>{left_out}'
    )

"""Rows of styled text within a viewport: spans are put down anywhere, what lies outside is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from durable_core.graph.layout import Point
from durable_core.graph.measure import cell_width, character_cells, is_narrow
from durable_core.graph.plain import plain

Segment = tuple[str, str]
"""Text and its style token; an empty token is blank ground."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """A part of the picture, in cells."""

    x: int
    y: int
    width: int
    height: int


class Form(NamedTuple):
    """What boxes that differ only in their names have in common: three rows, the second of them in two parts."""

    head: str
    left: str
    right: str
    foot: str
    wide: int
    style: str
    drawn: tuple[bytes, ...] = ()
    """The same four parts as a grid has them."""


UP: Final = 1
RIGHT: Final = 2
DOWN: Final = 4
LEFT: Final = 8
LINES: Final = dict(enumerate(" │─╰││╭├─╯─┴╮┤┬┼"))
DOTTED: Final = {**LINES, UP: "┆", DOWN: "┆", UP | DOWN: "┆", LEFT: "┄", RIGHT: "┄", LEFT | RIGHT: "┄"}
ASCII_LINES: Final = {
    mask: "|" if not mask & (LEFT | RIGHT) else "-" if not mask & (UP | DOWN) else "+" for mask in range(16)
}
RANK: Final = {"edge.off": 0, "edge": 1, "edge.taken": 2, "edge.live": 3}


class Canvas:
    """Collects spans and line cells; later spans must not overlap earlier ones."""

    def __init__(self, view: Viewport, *, ascii: bool = False) -> None:
        self.view, self.ascii = view, ascii
        self.top, self.bottom = view.y, view.y + view.height
        self.left, self.right = view.x, view.x + view.width
        self.spans: list[list[tuple[int, str, str, int]]] = [[] for _ in range(view.height)]
        self.cells: list[dict[int, tuple[int, str]] | None] = [None] * view.height

    def put(self, x: int, y: int, text: str, style: str, wide: int = -1) -> None:
        """Text at a place; `wide` columns, where that is known."""
        if self.top <= y < self.bottom and x < self.right:
            if self.ascii:
                text = plain(text)
            self.spans[y - self.top].append((x, text, style, cell_width(text) if wide < 0 else wide))

    def ready(self, form: Form) -> Form:
        """The form as it is to be given to `box`."""
        return form

    def box(self, x: int, y: int, form: Form, name: str, style: str) -> None:
        """A box with a name in the middle of its three rows."""
        head, left, right, foot, wide, tone, _ = form
        if y < self.bottom and y + 3 > self.top and x < self.right and x + wide > self.left:
            self.put(x, y, head, tone, wide)
            self.put(x, y + 1, left, tone, len(left))
            self.put(x + len(left), y + 1, name, style)
            self.put(x + wide - len(right), y + 1, right, tone, len(right))
            self.put(x, y + 2, foot, tone, wide)

    def column(self, x: int, first: int, last: int, text: str, style: str) -> None:
        """One character in every row from `first` to `last`."""
        if x < self.right:
            for y in range(max(first, self.top), min(last, self.bottom - 1) + 1):
                self.spans[y - self.top].append((x, text, style, 1))

    def joint(self, x: int, y: int, mask: int, style: str) -> None:
        """One cell of a line, open to the sides in the mask; cells put twice are open to both."""
        if not (self.top <= y < self.bottom and self.left <= x < self.right):
            return
        row = self.cells[y - self.top]
        if row is None:
            row = self.cells[y - self.top] = {}
        known = row.get(x)
        if known is not None:
            mask |= known[0]
            if RANK[known[1]] > RANK[style]:
                style = known[1]
        row[x] = (mask, style)

    def line(self, points: Sequence[Point], begun: int, style: str, tip: str = "") -> None:
        """A line through corner points; its first cell is open to `begun` too, its last may be an arrow."""
        self.joint(*points[0], begun, style)
        for (ax, ay), (bx, by) in pairwise(points):
            if ax == bx:
                low, high = (ay, by) if ay < by else (by, ay)
                self.joint(ax, low, DOWN, style)
                self.joint(ax, high, UP, style)
                self.vertical(ax, low + 1, high - 1, style)
            else:
                low, high = (ax, bx) if ax < bx else (bx, ax)
                self.joint(low, ay, RIGHT, style)
                self.joint(high, ay, LEFT, style)
                self.horizontal(ay, low + 1, high - 1, style)
        if tip:
            self.put(*points[-1], tip, style, 1)

    def vertical(self, x: int, first: int, last: int, style: str) -> None:
        """Cells open up and down, both ends included."""
        for y in range(max(first, self.top), min(last, self.bottom - 1) + 1):
            self.joint(x, y, UP | DOWN, style)

    def horizontal(self, y: int, first: int, last: int, style: str) -> None:
        if self.top <= y < self.bottom:
            for x in range(max(first, self.left), min(last, self.right - 1) + 1):
                self.joint(x, y, LEFT | RIGHT, style)

    def rows(self) -> list[list[Segment]]:
        """Every row as segments that together are exactly as wide as the viewport."""
        return [self._row(spans, cells) for spans, cells in zip(self.spans, self.cells, strict=True)]

    def _row(self, spans: list[tuple[int, str, str, int]], cells: dict[int, tuple[int, str]] | None) -> list[Segment]:
        if cells is not None:
            taken = [(x, x + wide) for x, _, _, wide in spans]
            characters = ASCII_LINES if self.ascii else LINES
            for x, (mask, style) in cells.items():
                if taken and any(start <= x < end for start, end in taken):
                    continue  # an arrow or a bar stands on the line
                dotted = style == "edge.off" and not self.ascii
                spans.append((x, (DOTTED if dotted else characters)[mask], style, 1))
        if len(spans) > 1:
            spans.sort()
        row: list[Segment] = []
        cursor, right = self.left, self.right
        for x, text, style, wide in spans:
            if x < cursor or x + wide > right:
                text, x = _crop(text, x, cursor, right)
                wide = cell_width(text)
                if not wide:
                    continue
            if x > cursor:
                row.append((" " * (x - cursor), ""))
            if row and row[-1][1] == style:
                row[-1] = (row[-1][0] + text, style)
            else:
                row.append((text, style))
            cursor = x + wide
        if cursor < right:
            row.append((" " * (right - cursor), ""))
        return row


def _crop(text: str, x: int, left: int, right: int) -> tuple[str, int]:
    """The part of a text between two columns; half of a wide character is a space."""
    kept: list[str] = []
    start = None
    for character in text:
        wide = character_cells(character)
        if x >= left and x + wide <= right and (wide or kept):
            start = x if start is None else start
            kept.append(character)
        elif wide == 2 and (left <= x < right or left <= x + 1 < right):
            place = x if left <= x < right else x + 1
            start = place if start is None else start
            kept.append(" ")
        x += wide
    return "".join(kept), left if start is None else start


def cell_clip(text: str, room: int) -> str:
    """The text, or as much of its beginning as fits into so many columns with an ellipsis."""
    if is_narrow(text):
        return text if len(text) <= room else text[: room - 1] + "…" if room > 0 else ""
    if cell_width(text) <= room:
        return text
    kept, used = [], 0
    for character in text:
        used += character_cells(character)
        if used > room - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if room > 0 else ""


def cell_cut(text: str, room: int) -> str:
    """As much of the text's beginning as fits into so many columns; half of a wide character is a blank."""
    if is_narrow(text):
        return text[:room]
    return _crop(text, 0, 0, room)[0]

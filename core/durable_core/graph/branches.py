"""Branches side by side: their distances, the axis they fork from, and rows where they do not fit beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from durable_core.graph.measure import Measures


@dataclass(slots=True)
class Sides:
    """The branches of a composite: how far each reaches from its axis, its height, and whether nothing is in it.

    Lists, and no object a branch: a large graph has tens of thousands.
    """

    left: list[int]
    right: list[int]
    height: list[int]
    empty: list[bool]


@dataclass(slots=True)
class Row:
    """Branches that stand beside each other. Heights count from the lower edge of the header."""

    first: int
    last: int
    fork_bus: int = 0
    branch_top: int = 0
    join_bus: int = 0


@dataclass(slots=True)
class Fork:
    """Where the branches of a decision, switch or parallel stand, from the axis and the lower edge of their header."""

    axes: list[int]
    rows: list[Row]
    left: int = 0
    right: int = 0
    height: int = 0
    """Down to the last join bus."""
    left_lane: int = 0
    """The lane that feeds the second and later rows, and the one by which the others leave; 0, 0 with one row."""
    right_lane: int = 0

    def row(self, way: int) -> Row:
        """The row a branch stands in."""
        return self.rows[0] if len(self.rows) == 1 else next(row for row in self.rows if way <= row.last)


def spread(sides: Sides, m: Measures, *, drop: int, budget: int | None) -> Fork:
    """Place the branches in written order; more rows than one only where the budget is too small.

    `drop` is the distance from the fork bus to the branches.
    """
    rows = _rows(sides, m, budget)
    fork = Fork([0] * len(sides.left), rows)
    bus = m.fork
    for row in rows:
        left, right = _beside(fork.axes, sides, row, m)
        if left > fork.left:
            fork.left = left
        if right > fork.right:
            fork.right = right
        row.fork_bus = bus
        row.branch_top = bus + drop
        row.join_bus = row.branch_top + max(sides.height[row.first : row.last + 1]) + m.join
        bus = row.join_bus + m.point + m.rows
    fork.height = rows[-1].join_bus
    if len(rows) > 1:
        fork.left_lane = -(fork.left + m.row_lane_at)
        fork.right_lane = fork.right + m.row_lane_at - m.point
        fork.left += m.row_lane
        fork.right += m.row_lane
    return fork


def _gap(sides: Sides, way: int, m: Measures) -> int:
    """Between a branch and the one before it."""
    return m.between // 2 if sides.empty[way - 1] or sides.empty[way] else m.between


def _beside(axes: list[int], sides: Sides, row: Row, m: Measures) -> tuple[int, int]:
    """Set the axes of one row, counted from the axis of the header; returns how far the row reaches left and right."""
    numbers = range(row.first, row.last + 1)
    cursor, opening, closing = 0, -1, 0
    for way in numbers:
        if way > row.first:
            cursor += _gap(sides, way, m)
        axes[way] = here = cursor + sides.left[way]
        cursor = here + sides.right[way]
        if not sides.empty[way]:
            closing = here
            if opening < 0:
                opening = here
    axis = (axes[row.first] + axes[row.last]) // 2 if opening < 0 else (opening + closing) // 2
    # no tiny jogs: a branch that is nearly below the header is exactly below it
    nearest = axes[row.first]
    for way in numbers:
        if abs(axes[way] - axis) < abs(nearest - axis):
            nearest = axes[way]
    if abs(nearest - axis) <= m.snap:
        axis = nearest
    for way in numbers:
        axes[way] -= axis
    return axis, cursor - axis


def _rows(sides: Sides, m: Measures, budget: int | None) -> list[Row]:
    count = len(sides.left)
    if budget is None or _width(sides, 0, count, m) <= budget:
        return [Row(0, count - 1)]
    greedy: list[Row] = []
    first = used = 0
    for way in range(count):
        wide = sides.left[way] + sides.right[way]
        wider = wide if way == first else used + _gap(sides, way, m) + wide
        if way > first and wider > budget:
            greedy.append(Row(first, way - 1))
            first, wider = way, wide
        used = wider
    greedy.append(Row(first, count - 1))
    least, more = divmod(count, len(greedy))
    starts = [number * least + min(number, more) for number in range(len(greedy) + 1)]
    even = [Row(start, end - 1) for start, end in pairwise(starts)]
    fits = all(_width(sides, row.first, row.last + 1, m) <= budget for row in even)
    return even if fits else greedy


def _width(sides: Sides, first: int, end: int, m: Measures) -> int:
    total = sum(sides.left[first:end]) + sum(sides.right[first:end])
    return total + sum([_gap(sides, way, m) for way in range(first + 1, end)])

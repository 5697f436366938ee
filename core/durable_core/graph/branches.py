"""Branches side by side: their distances, the axis they fork from, and rows where they do not fit beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from durable_core.graph.measure import Measures


@dataclass(slots=True)
class Side:
    """One branch: how far it reaches from its axis, and its height."""

    left: int
    right: int
    height: int
    empty: bool = False


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
        return next(row for row in self.rows if way <= row.last)


def spread(sides: list[Side], m: Measures, *, labelled: bool, budget: int | None) -> Fork:
    """Place the branches in written order; more rows than one only where the budget is too small."""
    rows = _rows(sides, m, budget)
    fork = Fork([0] * len(sides), rows)
    drop = (m.labelled if labelled else m.plain) - m.fork
    bus = m.fork
    for row in rows:
        left, right = _beside(fork, sides, row, m)
        fork.left, fork.right = max(fork.left, left), max(fork.right, right)
        row.fork_bus = bus
        row.branch_top = bus + drop
        row.join_bus = row.branch_top + max([side.height for side in sides[row.first : row.last + 1]]) + m.join
        bus = row.join_bus + m.point + m.rows
    fork.height = rows[-1].join_bus
    if len(rows) > 1:
        fork.left_lane = -(fork.left + m.row_lane_at)
        fork.right_lane = fork.right + m.row_lane_at - m.point
        fork.left += m.row_lane
        fork.right += m.row_lane
    return fork


def _gap(before: Side, after: Side, m: Measures) -> int:
    return m.between // 2 if before.empty or after.empty else m.between


def _beside(fork: Fork, sides: list[Side], row: Row, m: Measures) -> tuple[int, int]:
    """Set the axes of one row, counted from the axis of the header; returns how far the row reaches left and right."""
    axes = fork.axes
    cursor = 0
    for way in range(row.first, row.last + 1):
        if way > row.first:
            cursor += _gap(sides[way - 1], sides[way], m)
        axes[way] = cursor + sides[way].left
        cursor = axes[way] + sides[way].right
    numbers = range(row.first, row.last + 1)
    carrying = [way for way in numbers if not sides[way].empty] or list(numbers)
    axis = (axes[carrying[0]] + axes[carrying[-1]]) // 2
    # no tiny jogs: a branch that is nearly below the header is exactly below it
    nearest = min((axes[way] for way in numbers), key=lambda x: abs(x - axis))
    if abs(nearest - axis) <= m.snap:
        axis = nearest
    for way in numbers:
        axes[way] -= axis
    return axis, cursor - axis


def _rows(sides: list[Side], m: Measures, budget: int | None) -> list[Row]:
    count = len(sides)
    if budget is None or _width(sides, 0, count, m) <= budget:
        return [Row(0, count - 1)]
    greedy: list[Row] = []
    first = used = 0
    for way, side in enumerate(sides):
        wide = side.left + side.right
        wider = wide if way == first else used + _gap(sides[way - 1], side, m) + wide
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


def _width(sides: list[Side], first: int, end: int, m: Measures) -> int:
    total = sides[first].left + sides[first].right
    for way in range(first + 1, end):
        total += _gap(sides[way - 1], sides[way], m) + sides[way].left + sides[way].right
    return total

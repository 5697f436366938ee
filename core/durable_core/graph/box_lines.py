"""The lines of open composites, in character cells: a row of a fork is one text, a lane is one column.

That is for the commonest: a picture from top to bottom. Where it goes to the right, or branches stand in several rows,
lines are put corner by corner, as `routes` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from durable_core.graph.box_routes import LABELS, RoutePainter, written
from durable_core.graph.branches import Fork
from durable_core.graph.canvas import ASCII_LINES, DOTTED, DOWN, LEFT, LINES, RANK, RIGHT, UP, Canvas
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout
from durable_core.graph.model import GraphData
from durable_core.graph.routes import pair_route
from durable_core.graph.structure import Block


class LinePainter(RoutePainter):
    """Lines between blocks and inside composites, most of them by whole rows and columns."""

    def __init__(self, graph: GraphData, layout: Layout, canvas: Canvas | Grid) -> None:
        super().__init__(graph, layout, canvas)
        self._stacked = layout.measures.gap == 1 and not layout.turned
        """Between two blocks there is room for an arrow and nothing else."""
        self._signs = {style: self._drawn(style) for style in RANK}
        self._upright = {style: signs[UP | DOWN] for style, signs in self._signs.items()}
        self._alike: dict[tuple[int, ...], tuple[int, str]] = {}

    def _drawn(self, style: str) -> dict[int, str]:
        return ASCII_LINES if self.canvas.ascii else DOTTED if style == "edge.off" else LINES

    def after(self, block: int, following: int) -> None:
        """The line from a block to the next in its sequence."""
        layout = self.layout
        if self._stacked:
            style = self.style(layout.structure.blocks[block].after) if self.states else "edge"
            y = (layout.top[block] or 0) + layout.height[block]
            self.canvas.put(layout.axis[block], y, self.down, style, 1)
        else:
            self.route(pair_route(layout, block, following))

    def inside(self, number: int, block: Block) -> None:
        """What leads into, out of and back inside an open composite."""
        layout = self.layout
        fork = layout.forks.get(number)
        if layout.turned or (fork is not None and len(fork.rows) > 1):
            self.corner_by_corner(number, block)
        elif fork is not None:
            self._fork(number, block, fork)
        elif block.kind == "loop":
            self._loop(number, block)
        else:
            self._foreach(number, block)

    def _fork(self, number: int, block: Block, fork: Fork) -> None:
        layout, canvas, upright = self.layout, self.canvas, self._upright
        tops, heights, states, axes = layout.top, layout.height, self.states, fork.axes
        axis, start = layout.axis[number], layout.header_bottom(number)
        end = start + fork.height
        first = start + 1
        enter = leave = "edge"
        enters, leaves = [], []
        for way, beside in zip(block.ways, axes, strict=True):
            x, bottom = axis + beside, first
            if states:
                enter = leave = self.style(way.enter)
            if way.blocks:
                last = way.blocks[-1]
                top, bottom = tops[way.blocks[0]] or 0, (tops[last] or 0) + heights[last]
                if top - 1 > first:
                    canvas.column(x, first, top - 2, upright[enter], enter)
                canvas.put(x, top - 1, self.down, enter, 1)
                if states:
                    leave = self.style(way.leave)
            if way.shown:
                canvas.put(x + 2, first, written(way), LABELS[enter])
            if bottom < end:
                canvas.column(x, bottom, end - 1, upright[leave], leave)
            if states:
                enters.append(enter)
                leaves.append(leave)
        leaves.append(self.style(block.after))
        self._bus(axis, start, axes, enters, DOWN, UP)
        self._bus(axis, end, axes, leaves, UP, UP | DOWN if block.kind == "parallel" else DOWN)

    def _bus(self, axis: int, y: int, axes: Sequence[int], styles: list[str], mask: int, middle: int) -> None:
        """The row in which branches part or meet: open to `mask` at each of them and to `middle` at the axis.

        Styles are those of the branches; one more is that of the axis.
        """
        if not self.states:
            key = (mask, middle, *axes)
            known = self._alike.get(key)
            if known is None:
                low, high = min(axes[0], 0), max(axes[-1], 0)
                signs = self._signs["edge"]
                known = self._alike[key] = low, "".join([signs[each] for each in _masks(low, high, mask, middle, axes)])
            self.canvas.put(axis + known[0], y, known[1], "edge", len(known[1]))
            return
        low, high = min(axes[0], 0), max(axes[-1], 0)
        cells = zip(_masks(low, high, mask, middle, axes), _strongest(low, high, axes, styles), strict=True)
        x = axis + low
        for style, piece in groupby(cells, lambda cell: cell[1]):
            text = "".join([self._signs[style][each] for each, _ in piece])
            self.canvas.put(x, y, text, style, len(text))
            x += len(text)

    def _foreach(self, number: int, block: Block) -> None:
        """Into the body; the way out is the sign on the frame."""
        way = block.ways[0]
        self._into(number, way.blocks, self.style(way.enter), self.layout.bottom(number) - 1)

    def _into(self, number: int, body: Sequence[int], style: str, end: int) -> None:
        """From a header to the body below it, or past where it would be."""
        layout = self.layout
        axis, start = layout.axis[number], layout.header_bottom(number)
        if body:
            end = (layout.top[body[0]] or 0) - 1
            self.canvas.put(axis, end, self.down, style, 1)
        self.canvas.column(axis, start, end - 1, self._upright[style], style)

    def _loop(self, number: int, block: Block) -> None:
        layout, canvas, way, m = self.layout, self.canvas, block.ways[0], self.layout.measures
        axis, start = layout.axis[number], layout.header_bottom(number)
        gate = start + m.body + layout.bodies[number] + m.gate
        under = axis + layout.extents.right[number] - m.back_in
        lane = axis + layout.right[number] - m.margin
        enter = back = style = "edge"
        if self.states:
            enter = self.style(way.enter)
            back = self.style(way.leave) if way.blocks else enter
            left = self.left_style(way.blocks[-1]) if way.blocks else enter
            style = max(back, left, self.style(block.after), key=RANK.__getitem__)
        self._into(number, way.blocks, enter, gate)
        signs, gate_sign = self._signs[back], self._signs[style][UP | RIGHT | DOWN]
        across = signs[LEFT | RIGHT]
        canvas.put(under, start, self.up, back, 1)
        turn = f"{signs[UP | RIGHT]}{across * (lane - under - 1)}{signs[DOWN | LEFT]}"
        canvas.put(under, start + 1, turn, back, lane - under + 1)
        canvas.column(lane, start + 2, gate - 1, signs[UP | DOWN], back)
        canvas.put(axis, gate, gate_sign, style, 1)
        canvas.put(axis + 1, gate, f"{across * (lane - axis - 1)}{signs[UP | LEFT]}", back, lane - axis)


def _masks(low: int, high: int, mask: int, middle: int, axes: Sequence[int]) -> list[int]:
    """The sides to which each cell of a bus is open."""
    cells = [LEFT | RIGHT] * (high - low + 1)
    cells[0] &= ~LEFT
    cells[-1] &= ~RIGHT
    for beside in axes:
        cells[beside - low] |= mask
    cells[-low] |= middle
    return cells


def _strongest(low: int, high: int, axes: Sequence[int], styles: list[str]) -> list[str]:
    """The style of each cell of a bus: of all that pass it, the one to be seen."""
    found = [""] * (high - low + 1)
    reached = list(zip(axes, styles, strict=False))
    for side in ([way for way in reached if way[0] <= 0], [way for way in reversed(reached) if way[0] >= 0]):
        strongest = "edge.off"
        for (beside, style), (following, _) in zip(side, [*side[1:], (0, "")], strict=True):
            strongest = max(strongest, style, key=RANK.__getitem__)
            first, last = sorted((beside, following))
            for x in range(first, last + 1):
                found[x - low] = strongest
    found[-low] = max(styles, key=RANK.__getitem__)
    return found

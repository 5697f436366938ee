"""Paints a layout of character cells: every block that is in sight, in written order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from durable_core.graph.box_cards import CardPainter
from durable_core.graph.box_frames import FramePainter
from durable_core.graph.box_lines import LinePainter
from durable_core.graph.canvas import Canvas
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout
from durable_core.graph.model import GraphData


class BoxPainter:
    """Paints as much of a graph as the canvas shows."""

    def __init__(self, graph: GraphData, layout: Layout, canvas: Canvas | Grid, cursor: str | None) -> None:
        self.graph, self.layout, self.canvas = graph, layout, canvas
        self.lines = LinePainter(graph, layout, canvas)
        self.frames = FramePainter(graph, layout, canvas, self.lines)
        self.cards = CardPainter(graph, layout, canvas, self.lines, cursor)

    def paint(self) -> None:
        """Put everything that meets the canvas on it, in written order: of each block the lines, the frame, the box."""
        blocks, layout, canvas = self.graph.structure.blocks, self.layout, self.canvas
        lines, frames, cards = self.lines, self.frames, self.cards
        forks, bodies = layout.forks, layout.bodies
        tops, axes, lefts, rights = layout.top, layout.axis, layout.left, layout.right
        begin, end, near, far = canvas.top, canvas.bottom, canvas.left, canvas.right
        across = layout.width
        if layout.turned:
            begin, end, near, far, across = near, far, begin, end, layout.total_height
        narrow = near > 0 or far < across
        # sequences, where to go on in them (-1: with the first that is in sight), and the kind of what repeats them
        stack: list[tuple[Sequence[int], int, str]] = [(self.graph.structure.root, -1, "")]
        while stack:
            sequence, index, repeats = stack.pop()
            if index < 0:  # the line from the one before may be in sight
                index = max(0, bisect_left(sequence, begin, key=layout.bottom) - 1) if begin > 0 else 0
            last = len(sequence) - 1
            while index <= last:
                number = sequence[index]
                if (tops[number] or 0) >= end:
                    break
                index += 1
                if narrow and (axes[number] - lefts[number] >= far or axes[number] + rights[number] <= near):
                    continue
                block = blocks[number]
                if index <= last:
                    lines.after(number, sequence[index])
                is_open = block.ways and (number in forks or number in bodies)
                if is_open:
                    lines.inside(number, block)
                    if block.kind != "fork":
                        frames.frame(number, block)
                cards.paint(number, block, repeats)
                if is_open:
                    inner = block.kind if block.kind in ("loop", "foreach") else repeats
                    stack.append((sequence, index, repeats))
                    stack.extend([(way.blocks, -1, inner) for way in reversed(block.ways) if way.blocks])
                    break

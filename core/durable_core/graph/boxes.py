"""The picture in character cells: boxes, lines and frames, whole or only the part a screen shows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from durable_core.graph.box_painter import BoxPainter
from durable_core.graph.canvas import Canvas, Segment, Viewport
from durable_core.graph.fit import fit_cells
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout
from durable_core.graph.model import Direction, GraphData

GRID_CELLS: Final = 64_000_000
"""Pictures of more cells than that are mostly blank (thousands of nested loops): they are put together row by row."""


def to_text(graph: GraphData, width: int | None = None, *, ascii: bool = False, direction: Direction = "down") -> str:
    """The whole picture as lines of text without trailing blanks."""
    picture = TextPicture(graph, width=width, ascii=ascii, direction=direction)
    if picture.width * picture.height <= GRID_CELLS:
        grid = Grid(Viewport(0, 0, picture.width, picture.height), ascii=ascii)
        BoxPainter(graph, picture.layout, grid, None).paint()
        return grid.text(width)
    lines = ["".join([text for text, _ in row]).rstrip() for row in picture.paint()]
    return "\n".join(lines) + "\n"


class TextPicture:
    """A graph laid out in cells. Lay out once, paint as often as states or the viewport change."""

    def __init__(
        self,
        graph: GraphData,
        *,
        width: int | None = None,
        ascii: bool = False,
        fold: int | None = None,
        direction: Direction = "down",
    ) -> None:
        self.graph, self.ascii = graph, ascii
        self.asked = width
        self.layout: Layout = fit_cells(graph.nodes, graph.structure, width, fold, direction)
        self.width, self.height = self.layout.width, self.layout.total_height

    @cached_property
    def _position(self) -> dict[str, int]:
        return {self.graph.nodes[block.node].id: number for number, block in enumerate(self.graph.structure.blocks)}

    def show(self, graph: GraphData) -> None:
        """Take over the states of the same workflow's graph; nothing moves."""
        self.graph = graph

    def box_of(self, id_: str) -> Viewport | None:
        """Where a node's box is; None while it is folded away."""
        block = self._position.get(id_)
        if block is None or self.layout.is_hidden(block):
            return None
        return Viewport(*self.layout.card(block))

    def node_at(self, x: int, y: int) -> str | None:
        """Id of the node whose box covers a cell, for the mouse."""
        blocks = self.graph.structure.blocks
        sequences: list[Sequence[int]] = [self.graph.structure.root]
        while sequences:
            sequence = sequences.pop()
            along = x if self.layout.turned else y
            first = bisect_left(sequence, along + 1, key=self.layout.bottom)
            if first >= len(sequence):
                continue
            block = sequence[first]
            left, top, wide, high = self.layout.card(block)
            if left <= x < left + wide and top <= y < top + high:
                return self.graph.nodes[blocks[block].node].id
            if block in self.layout.forks or block in self.layout.bodies:
                sequences.extend(way.blocks for way in blocks[block].ways if way.blocks)
        return None

    def paint(self, view: Viewport | None = None, *, cursor: str | None = None) -> list[list[Segment]]:
        """Rows of (text, style token), each exactly as wide as the viewport; only what meets it is looked at."""
        width = self.width if self.asked is None else max(1, min(self.width, self.asked))
        canvas = Canvas(view or Viewport(0, 0, width, self.height), ascii=self.ascii)
        BoxPainter(self.graph, self.layout, canvas, cursor).paint()
        return canvas.rows()

"""Frames around parallels, loops and foreachs, in character cells."""

from __future__ import annotations

from typing import Final

from durable_core.graph.box_lines import LinePainter
from durable_core.graph.box_routes import style_of
from durable_core.graph.canvas import Canvas
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout
from durable_core.graph.model import GraphData
from durable_core.graph.routes import exit_at, frame_of
from durable_core.graph.structure import Block

BOX: Final = tuple("╭─╮│╰╯")
ASCII_BOX: Final = tuple("+-+|++")
FRAMED: Final = frozenset(("parallel", "loop", "foreach"))
"""Kinds of blocks that stand in a frame, unless they are folded."""


class FramePainter:
    """What stands around the inside of open composites, but for decisions and switches."""

    def __init__(self, graph: GraphData, layout: Layout, canvas: Canvas | Grid, lines: LinePainter) -> None:
        self.graph, self.layout, self.canvas, self.lines = graph, layout, canvas, lines
        self.box = ASCII_BOX if canvas.ascii else BOX

    def frame(self, number: int, block: Block) -> None:
        """Two sides along the flow, one before and one behind; the header stands in the first, the exit in the last."""
        after = self.lines.style(block.after)
        if block.kind == "parallel":
            state = self.graph.nodes[block.join].state
            after = style_of(None if state is None else state.status != "skipped")
        if self.layout.turned:
            self._turned(number, block, after)
        else:
            self._upright(number, block, after)

    def _upright(self, number: int, block: Block, after: str) -> None:
        layout, canvas = self.layout, self.canvas
        left, across, right, upright, lower_left, lower_right = self.box
        own, out = layout.extents, layout.axis[number]
        x, last_x = out - layout.left[number], out + layout.right[number] - 1
        y, last_y = (layout.top[number] or 0) + own.height[number] // 2, layout.bottom(number) - 1
        head, behind = out - own.left[number], out + own.right[number]
        canvas.put(x, y, left + across * (head - x - 1), "frame", head - x)
        canvas.put(behind, y, across * (last_x - behind) + right, "frame", last_x - behind + 1)
        canvas.column(x, y + 1, last_y - 1, upright, "frame")
        canvas.column(last_x, y + 1, last_y - 1, upright, "frame")
        if block.kind == "parallel":
            canvas.put(x, last_y, lower_left + across * (out - x - 2), "frame", out - x - 1)
            canvas.put(out - 1, last_y, "===" if canvas.ascii else "━━━", after, 3)
            canvas.put(out + 2, last_y, across * (last_x - out - 2) + lower_right, "frame", last_x - out - 1)
            return
        canvas.put(x, last_y, lower_left + across * (out - x - 1), "frame", out - x)
        canvas.put(out, last_y, "+" if canvas.ascii else "┬", after, 1)
        said = self._passes(block, out + 2, last_y)
        if said:
            canvas.put(out + 1, last_y, across, "frame", 1)
        rest = out + 1 + (1 + said if said else 0)
        canvas.put(rest, last_y, across * (last_x - rest) + lower_right, "frame", last_x - rest + 1)

    def _turned(self, number: int, block: Block, after: str) -> None:
        frame = frame_of(self.layout, number)
        assert frame is not None
        canvas, (x, y, wide, high) = self.canvas, frame
        left, across, right, upright, lower_left, lower_right = self.box
        _, head_y, _, head_high = self.layout.card(number)
        last_x, last_y = x + wide - 1, y + high - 1
        _, out_y = exit_at(self.layout, number)
        bar = block.kind == "parallel"
        canvas.put(x, y, left + across * (wide - 2) + right, "frame", wide)
        said = self._passes(block, x + 2, last_y)
        canvas.put(x, last_y, lower_left + across, "frame", 2)
        canvas.put(x + 2 + said, last_y, across * (wide - 3 - said) + lower_right, "frame", wide - 2 - said)
        canvas.column(x, y + 1, head_y - 1, upright, "frame")
        canvas.column(x, head_y + head_high, last_y - 1, upright, "frame")
        reach = 1 if bar else 0
        canvas.column(last_x, y + 1, out_y - reach - 1, upright, "frame")
        sign = ("H" if canvas.ascii else "┃") if bar else "+" if canvas.ascii else "├"
        canvas.column(last_x, out_y - reach, out_y + reach, sign, after)
        canvas.column(last_x, out_y + reach + 1, last_y - 1, upright, "frame")

    def _passes(self, block: Block, x: int, y: int) -> int:
        """`×3` on the border of a loop that has run; returns how many columns that took."""
        state = self.graph.nodes[block.node].state
        if block.kind != "loop" or state is None or not state.iterations or state.status == "skipped":
            return 0
        text = f" ×{state.iterations} "
        self.canvas.put(x, y, text, "label.taken", len(text))
        return len(text)

"""The picture in character cells: boxes, lines and frames, whole or only the part a screen shows."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from durable_core.graph.canvas import DOWN, LEFT, RIGHT, UP, Canvas, Segment, Viewport, cell_clip
from durable_core.graph.escape import one_line
from durable_core.graph.fit import CELL_LABEL, fit_cells
from durable_core.graph.layout import Layout
from durable_core.graph.look import Look, Tone, look_of, tone_of, worst
from durable_core.graph.measure import cell_width
from durable_core.graph.model import GraphData, GraphNode
from durable_core.graph.routes import Route, compensation_route, frame_of, inner_routes, pair_route
from durable_core.graph.structure import Block

GLYPHS: Final[dict[Tone, str]] = {
    "completed": "✔",
    "failed": "✘",
    "running": "◐",
    "waiting": "◷",
    "needs_you": "◈",
    "retry": "↻",
    "pending": "◔",
    "uncertain": "?",
    "compensated": "↶",
    "cancelled": "⊗",
    "not_taken": "⊘",
    "not_reached": "○",
}
ASCII_GLYPHS: Final[dict[Tone, str]] = {
    "completed": "+",
    "failed": "x",
    "running": ">",
    "waiting": "=",
    "needs_you": "?",
    "retry": "~",
    "pending": ".",
    "uncertain": "%",
    "compensated": "<",
    "cancelled": "!",
    "not_taken": "/",
    "not_reached": "o",
}
TYPE_MARKS: Final = {
    "decision": "◇",
    "switch": "◇",
    "parallel": "∥",
    "loop": "↻",
    "foreach": "≡",
    "sleep": "◷",
    "event": "ϟ",
    "input": "?",
    "call": "»",
}
ASCII_MARKS: Final = {
    "decision": "<>",
    "switch": "<>",
    "parallel": "||",
    "loop": "@",
    "foreach": "#",
    "sleep": "z",
    "event": "!",
    "input": "?",
    "call": ">>",
}
_UNIT: Final = re.compile(r"(\d) (s|min|h)\b")
_PLAIN: Final = "╭─╮│╰╯"
_CURSOR: Final = "╔═╗║╚╝"
_DASHED: Final = "╭╌╮╎╰╯"
_ASCII_BOX: Final = "+-+|++"
_ASCII_CURSOR: Final = "#=#H##"
_ASCII_DASHED: Final = "+.+:++"


def to_text(graph: GraphData, width: int | None = None, *, ascii: bool = False) -> str:
    """The whole picture as lines of text without trailing blanks."""
    picture = TextPicture(graph, width=width, ascii=ascii)
    rows = picture.paint()
    lines = ["".join(text for text, _ in row).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


class TextPicture:
    """A graph laid out in cells. Lay out once, paint as often as states or the viewport change."""

    def __init__(
        self, graph: GraphData, *, width: int | None = None, ascii: bool = False, fold: int | None = None
    ) -> None:
        self.graph, self.ascii = graph, ascii
        self.asked = width
        self.layout: Layout = fit_cells(graph.nodes, graph.structure, width, fold)
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
        top = None if block is None else self.layout.top[block]
        if block is None or top is None:
            return None
        left = self.layout.extents.left[block]
        return Viewport(self.layout.axis[block] - left, top, self._box_width(block), self.layout.extents.height[block])

    def node_at(self, x: int, y: int) -> str | None:
        """Id of the node whose box covers a cell, for the mouse."""
        sequences: list[Sequence[int]] = [self.graph.structure.root]
        while sequences:
            sequence = sequences.pop()
            first = bisect_left(sequence, y + 1, key=self.layout.bottom)
            if first >= len(sequence):
                continue
            block = sequence[first]
            box = self.box_of(self.graph.nodes[self.graph.structure.blocks[block].node].id)
            if box and box.x <= x < box.x + box.width and box.y <= y < box.y + box.height:
                return self.graph.nodes[self.graph.structure.blocks[block].node].id
            if block in self.layout.forks or block in self.layout.bodies:
                sequences.extend(way.blocks for way in self.graph.structure.blocks[block].ways if way.blocks)
        return None

    def paint(self, view: Viewport | None = None, *, cursor: str | None = None) -> list[list[Segment]]:
        """Rows of (text, style token), each exactly as wide as the viewport; only what meets it is looked at."""
        width = self.width if self.asked is None else max(1, min(self.width, self.asked))
        canvas = Canvas(view or Viewport(0, 0, width, self.height), ascii=self.ascii)
        _Painter(self, canvas, cursor).paint()
        return canvas.rows()

    def _box_width(self, block: int) -> int:
        wide = self.layout.extents.left[block] + self.layout.extents.right[block]
        if self.graph.structure.blocks[block].compensation >= 0 and not self.layout.marks:
            wide -= self.layout.measures.compensation[0] + self.layout.measures.compensation_gap
        return wide


class _Painter:
    def __init__(self, picture: TextPicture, canvas: Canvas, cursor: str | None) -> None:
        self.picture, self.canvas, self.cursor = picture, canvas, cursor
        self.graph, self.layout = picture.graph, picture.layout
        self.blocks = self.graph.structure.blocks
        self.glyphs = ASCII_GLYPHS if canvas.ascii else GLYPHS
        self.marks = ASCII_MARKS if canvas.ascii else TYPE_MARKS
        self.arrows = ("v", ">", "^") if canvas.ascii else ("▼", "▸", "▲")

    def paint(self) -> None:
        layout, canvas = self.layout, self.canvas
        stack: list[tuple[Sequence[int], str]] = [(self.graph.structure.root, "")]
        while stack:
            sequence, repeats = stack.pop()
            first = bisect_left(sequence, canvas.top, key=layout.bottom)
            for index in range(max(0, first - 1), len(sequence)):
                block = sequence[index]
                top = layout.top[block] or 0
                if top >= canvas.bottom:
                    break
                if index + 1 < len(sequence):
                    self._line(pair_route(layout, block, sequence[index + 1]))
                axis = layout.axis[block]
                if axis - layout.left[block] >= canvas.right or axis + layout.right[block] <= canvas.left:
                    continue
                self._block(block, repeats)
                if block in layout.forks or block in layout.bodies:
                    self._composite(block)
                    kind = self.blocks[block].kind
                    inner = kind if kind in ("loop", "foreach") else repeats
                    stack.extend((way.blocks, inner) for way in self.blocks[block].ways if way.blocks)

    def _composite(self, number: int) -> None:
        block = self.blocks[number]
        frame = frame_of(self.layout, number)
        if frame is not None:
            self._frame(number, block, *frame)
        for route in inner_routes(self.layout, number):
            self._line(route)
        fork = self.layout.forks.get(number)
        if fork is None:
            return
        start = self.layout.header_bottom(number)
        self.canvas.joint(self.layout.axis[number], start + fork.height, DOWN, self._after_style(block))
        for way_number, way in enumerate(block.ways):
            if way.shown:
                row = fork.row(way_number)
                x = self.layout.axis[number] + fork.axes[way_number] + 2
                went = self.graph.edges[way.enter].taken
                style = "label" if went is None else "label.taken" if went else "label.off"
                text = cell_clip(one_line(way.label), CELL_LABEL)
                self.canvas.put(x, start + row.fork_bus + 1, text, style)

    def _after_style(self, block: Block) -> str:
        return _edge_style(self.graph.edges[block.after].taken) if block.after >= 0 else "edge"

    def _frame(self, number: int, block: Block, x: int, y: int, wide: int, high: int) -> None:
        canvas = self.canvas
        left, across, right, upright, lower_left, lower_right = _ASCII_BOX if canvas.ascii else _PLAIN
        axis, own = self.layout.axis[number], self.layout.extents
        inner_left, inner_right = axis - own.left[number], axis + own.right[number]
        canvas.put(x, y, left + across * (inner_left - x - 1), "frame")
        canvas.put(inner_right, y, across * (x + wide - inner_right - 1) + right, "frame")
        for row in range(max(y + 1, canvas.top), min(y + high - 1, canvas.bottom)):
            canvas.put(x, row, upright, "frame")
            canvas.put(x + wide - 1, row, upright, "frame")
        bottom = y + high - 1
        text = ""
        if block.kind == "parallel":
            bar = "===" if canvas.ascii else "━━━"
            state = self.graph.nodes[block.join].state
            canvas.put(axis - 1, bottom, bar, _edge_style(None if state is None else state.status != "skipped"))
            canvas.put(x, bottom, lower_left + across * (axis - x - 2), "frame")
            canvas.put(axis + 2, bottom, across * (x + wide - axis - 3) + lower_right, "frame")
            return
        state = self.graph.nodes[block.node].state
        if block.kind == "loop" and state is not None and state.iterations and state.status != "skipped":
            text = f" ×{state.iterations} "
        canvas.put(x, bottom, lower_left + across * (axis - x - 1), "frame")
        canvas.put(axis, bottom, "+" if canvas.ascii else "┬", self._after_style(block))
        if text:
            canvas.put(axis + 1, bottom, across, "frame")
            canvas.put(axis + 2, bottom, text, "label.taken")
        rest = axis + 1 + (1 + len(text) if text else 0)
        canvas.put(rest, bottom, across * (x + wide - rest - 1) + lower_right, "frame")

    def _line(self, route: Route) -> None:
        canvas, points = self.canvas, route.points
        style = self._style_of(route)
        if route.sideways:
            (x0, y), (x1, _) = points[0], points[-1]
            canvas.put(x0, y, ("." if canvas.ascii else "╌") * (x1 - x0) + self.arrows[1], "compensation")
            return
        x, y = points[0]
        end_x, end_y = points[-1]
        if len(points) == 1 or points[0] == points[-1]:
            if route.tip:
                canvas.put(x, y, self.arrows[0], style)
            else:
                canvas.joint(x, y, UP | DOWN, style)
            return
        canvas.joint(x, y, UP, style)
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
            if ax == bx:
                low, high = min(ay, by), max(ay, by)
                canvas.joint(ax, low, DOWN, style)
                canvas.joint(ax, high, UP, style)
                canvas.vertical(ax, low + 1, high - 1, style)
            else:
                low, high = min(ax, bx), max(ax, bx)
                canvas.joint(low, ay, RIGHT, style)
                canvas.joint(high, ay, LEFT, style)
                canvas.horizontal(ay, low + 1, high - 1, style)
        if route.tip:
            upwards = points[-2][1] > end_y
            canvas.put(end_x, end_y, self.arrows[2 if upwards else 0], style)

    def _style_of(self, route: Route) -> str:
        if route.left >= 0:
            state = self.graph.nodes[self.graph.structure.exit_node(route.left)].state
            went = None if state is None else {"completed": True, "skipped": False}.get(state.status)
            return _edge_style(went)
        if route.edge < 0:
            return "edge"
        return _edge_style(self.graph.edges[route.edge].taken)

    def _block(self, number: int, repeats: str) -> None:
        block, layout, canvas = self.blocks[number], self.layout, self.canvas
        node = self.graph.nodes[block.node]
        x, y = layout.axis[number] - layout.extents.left[number], layout.top[number] or 0
        if node.type in ("start", "end"):
            mark = "" if canvas.ascii else "▷ " if node.type == "start" else "□ "
            text = f"{mark}{node.label}"
            style = "name" if node.state is not None or not self.graph.has_state else "name.off"
            canvas.put(x + (9 - len(text)) // 2, y, text, style)
            return
        look = look_of(self.graph, node, repeats=repeats)
        folded = layout.is_folded(number)
        if folded:
            inside = self.blocks[number : block.last + 1]
            tone = worst({tone_of(self.graph.nodes[one.node].state) for one in inside})
            if look.tone != "not_taken":
                look = Look(tone, f"{block.last - number} inside", "")
            else:
                look = Look("not_taken", f"{block.last - number} inside", None)
        wide = self.picture._box_width(number)
        framed = frame_of(layout, number) is not None
        undo = self.graph.nodes[block.compensation] if block.compensation >= 0 else None
        self._box(node, look, x, y, wide, framed=framed, folded=folded, mark=undo if layout.marks else None)
        if undo is not None and not layout.marks:
            self._line(compensation_route(layout, number))
            across = layout.measures.compensation[0]
            self._compensation(undo, layout.axis[number] + layout.extents.right[number] - across, y, across)

    def _box(
        self,
        node: GraphNode,
        look: Look,
        x: int,
        y: int,
        wide: int,
        *,
        framed: bool,
        folded: bool,
        mark: GraphNode | None,
    ) -> None:
        canvas, tone = self.canvas, look.tone
        here = node.id == self.cursor
        if canvas.ascii:
            left, across, right, upright, lower_left, lower_right = _ASCII_CURSOR if here else _ASCII_BOX
        else:
            left, across, right, upright, lower_left, lower_right = _CURSOR if here else _PLAIN
        sign = self.marks.get(node.type, "")
        if sign:
            head = f"{left}{across} {sign} {across * (wide - 5 - len(sign))}{right}"
        else:
            head = f"{left}{across * (wide - 2)}{right}"
        canvas.put(x, y, head, tone)
        before, behind = (upright, upright) if not framed or here or canvas.ascii else ("┤", "├")
        canvas.put(x, y + 1, f"{before} {self.glyphs[tone]} ", tone)
        name = cell_clip(node.label, wide - (8 if folded else 6))
        canvas.put(x + 4, y + 1, name, "name.off" if tone == "not_taken" else "name")
        if folded:
            canvas.put(x + wide - 3, y + 1, ">" if canvas.ascii else "▸", tone)
        canvas.put(x + wide - 1, y + 1, behind, tone)
        room = wide - 4 - (3 if mark is not None else 0)
        words = cell_clip(self._foot(node, look, room), room)
        undo = ""
        if mark is not None:
            undo = f"{'<' if canvas.ascii else '↶'} "
        fill = across * (wide - 2 - len(undo) - (cell_width(words) + 2 if words else 0) - (1 if undo else 0))
        tail = f" {words} " if words else ""
        undo = f" {undo}"[: len(undo) + 1] if undo else ""
        canvas.put(x, y + 2, f"{lower_left}{undo}{fill}{tail}{lower_right}", tone)

    def _foot(self, node: GraphNode, look: Look, room: int) -> str:
        """What the lower border says: the line and the badge, or the badge alone where both do not fit."""
        if look.tone == "not_taken":
            return "not taken"
        if node.state is None:
            return "" if look.line == node.type else look.line.removeprefix(f"{node.type} · ")
        line, badge = _briefly(look.line), look.badge or ""
        if line == node.type:
            line = ""
        both = f"{line} {badge}".strip()
        return both if not badge or cell_width(both) <= room else badge

    def _compensation(self, undo: GraphNode, x: int, y: int, wide: int) -> None:
        canvas = self.canvas
        look = look_of(self.graph, undo)
        left, across, right, upright, lower_left, lower_right = _ASCII_DASHED if canvas.ascii else _DASHED
        ran = look.tone not in ("not_reached", "not_taken")
        style = look.tone if ran else "compensation"
        sign = "<" if canvas.ascii else "↶"
        canvas.put(x, y, f"{left}{across * (wide - 2)}{right}", style)
        canvas.put(x, y + 1, f"{upright} {sign} ", style)
        canvas.put(x + 4, y + 1, cell_clip(undo.label, wide - 6), "name" if ran else "name.off")
        canvas.put(x + wide - 1, y + 1, upright, style)
        said = f"{look.badge or ''} {_briefly(look.line)}".strip()
        words = cell_clip(said, wide - 4) if ran else ""
        tail = f" {words} " if words else ""
        canvas.put(x, y + 2, f"{lower_left}{across * (wide - 2 - len(tail))}{tail}{lower_right}", style)


def _edge_style(taken: bool | None) -> str:
    return "edge" if taken is None else "edge.taken" if taken else "edge.off"


def _briefly(line: str) -> str:
    """``1 min 12 s`` as ``1m 12s``: columns are dear."""
    return _UNIT.sub(lambda found: found[1] + found[2][0], line)

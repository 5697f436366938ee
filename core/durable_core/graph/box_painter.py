"""Paints a layout of character cells: lines first, then frames, labels and boxes upon them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from durable_core.graph.canvas import DOWN, LEFT, RIGHT, UP, Canvas, cell_clip
from durable_core.graph.escape import one_line
from durable_core.graph.fit import CELL_LABEL
from durable_core.graph.glyphs import ASCII_GLYPHS, ASCII_MARKS, GLYPHS, TYPE_MARKS
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout, Place
from durable_core.graph.look import Look, look_of, tone_of, worst
from durable_core.graph.measure import cell_width
from durable_core.graph.model import GraphData, GraphNode
from durable_core.graph.routes import (
    Route,
    compensation_route,
    exit_at,
    frame_of,
    inner_routes,
    join_at,
    pair_route,
)
from durable_core.graph.structure import Block

_UNIT: Final = re.compile(r"(\d) (s|min|h)\b")
_PLAIN: Final = tuple("╭─╮│╰╯")
_CURSOR: Final = tuple("╔═╗║╚╝")
_DASHED: Final = tuple("╭╌╮╎╰╯")
_ASCII_BOX: Final = tuple("+-+|++")
_ASCII_CURSOR: Final = tuple("#=#H##")
_ASCII_DASHED: Final = tuple("+.+:++")


class BoxPainter:
    """Paints as much of a graph as the canvas shows."""

    def __init__(self, graph: GraphData, layout: Layout, canvas: Canvas | Grid, cursor: str | None) -> None:
        self.graph, self.layout, self.canvas, self.cursor = graph, layout, canvas, cursor
        self.blocks = graph.structure.blocks
        ascii = self.ascii = canvas.ascii
        self.glyphs = ASCII_GLYPHS if ascii else GLYPHS
        self.marks = ASCII_MARKS if ascii else TYPE_MARKS
        self.box = _ASCII_BOX if ascii else _PLAIN
        self.down, self.up, self.forth, self.back = ("v", "^", ">", "<") if ascii else ("▼", "▲", "▸", "◂")
        self._states = graph.has_state
        self._bare = Look("not_reached", "", None)
        self._shapes: dict[tuple[str, int, bool, bool], tuple[str, str, str, str, str, str, int, str]] = {}
        turned = layout.turned
        self.begun, self.ahead = (LEFT, RIGHT) if turned else (UP, DOWN)

    def paint(self) -> None:
        """Put everything that meets the canvas on it."""
        shown = self._lines()
        for number, _ in shown:
            if number in self.layout.forks or number in self.layout.bodies:
                self._frame_and_labels(number)
        for number, repeats in shown:
            self._block(number, repeats)

    def _lines(self) -> list[tuple[int, str]]:
        """Put the lines; returns the blocks that are in sight, each with the kind of what repeats it."""
        layout, canvas = self.layout, self.canvas
        tops, axes, lefts, rights = layout.top, layout.axis, layout.left, layout.right
        begin, end, near, far = canvas.top, canvas.bottom, canvas.left, canvas.right
        if layout.turned:
            begin, end, near, far = near, far, begin, end
        plain = layout.measures.gap == 1 and not layout.turned
        shown: list[tuple[int, str]] = []
        stack: list[tuple[Sequence[int], str]] = [(self.graph.structure.root, "")]
        while stack:
            sequence, repeats = stack.pop()
            first = max(0, bisect_left(sequence, begin, key=layout.bottom) - 1) if begin else 0
            for index in range(first, len(sequence)):
                block = sequence[index]
                if (tops[block] or 0) >= end:
                    break
                axis = axes[block]
                if index + 1 < len(sequence):
                    if plain:
                        # the commonest line by far is one arrow
                        self.canvas.put(axis, layout.bottom(block), self.down, self._style(self.blocks[block].after), 1)
                    else:
                        self._line(pair_route(layout, block, sequence[index + 1]))
                if axis - lefts[block] >= far or axis + rights[block] <= near:
                    continue
                shown.append((block, repeats))
                if block in layout.forks or block in layout.bodies:
                    kind = self.blocks[block].kind
                    for route in inner_routes(layout, block):
                        self._line(route)
                    inner = kind if kind in ("loop", "foreach") else repeats
                    for way in self.blocks[block].ways:
                        if way.blocks:
                            stack.append((way.blocks, inner))
                    if block in layout.forks:
                        x, y = join_at(layout, block)
                        canvas.joint(x, y, self.ahead, self._style(self.blocks[block].after))
        return shown

    def _style(self, edge: int) -> str:
        if edge < 0 or not self._states:
            return "edge"
        return _edge_style(self.graph.edges[edge].taken)

    def _line(self, route: Route) -> None:
        points, edge, left, has_tip, sideways = route
        style = self._style(edge) if left < 0 else self._left_style(left)
        x, y = points[0]
        end_x, end_y = points[-1]
        if sideways:
            self._compensation_line(x, y, end_x, end_y)
            return
        tip = ""
        if has_tip:
            before_x, before_y = points[-2]
            if before_x == end_x:
                tip = (self.forth if self.layout.turned else self.down) if before_y == end_y else self.down
                if before_y > end_y:
                    tip = self.up
            else:
                tip = self.back if before_x > end_x else self.forth
        if x == end_x and y == end_y:
            if tip:
                self.canvas.put(x, y, tip, style, 1)
            else:
                self.canvas.joint(x, y, self.begun | self.ahead, style)
            return
        self.canvas.line(points, self.begun, style, tip)

    def _compensation_line(self, x: int, y: int, end_x: int, end_y: int) -> None:
        if self.layout.turned:
            self.canvas.column(x, y, end_y - 1, ":" if self.ascii else "╎", "compensation")
            self.canvas.put(x, end_y, self.down, "compensation", 1)
        else:
            dashes = ("." if self.ascii else "╌") * (end_x - x) + self.forth
            self.canvas.put(x, y, dashes, "compensation", len(dashes))

    def _left_style(self, block: int) -> str:
        state = self.graph.nodes[self.graph.structure.exit_node(block)].state
        went = None if state is None else {"completed": True, "skipped": False}.get(state.status)
        return _edge_style(went)

    # --- frames and labels -------------------------------------------------------------------------------------------

    def _frame_and_labels(self, number: int) -> None:
        layout, block = self.layout, self.blocks[number]
        frame = frame_of(layout, number)
        if frame is not None:
            self._frame(number, block, frame)
        fork = layout.forks.get(number)
        if fork is None:
            return
        start = layout.header_bottom(number)
        for way_number, way in enumerate(block.ways):
            if not way.shown:
                continue
            bus = start + fork.row(way_number).fork_bus
            across = layout.axis[number] + fork.axes[way_number]
            went = self.graph.edges[way.enter].taken
            style = "label" if went is None else "label.taken" if went else "label.off"
            text = cell_clip(one_line(way.label), CELL_LABEL)
            if layout.turned:
                self.canvas.put(bus + 2, across, f" {text} ", style)
            else:
                self.canvas.put(across + 2, bus + 1, text, style)

    def _frame(self, number: int, block: Block, frame: Place) -> None:
        """Two sides along the flow, one before and one behind; the header stands in the first, the exit in the last."""
        canvas, (x, y, wide, high) = self.canvas, frame
        left, across, right, upright, lower_left, lower_right = self.box
        head_x, head_y, head_wide, head_high = self.layout.card(number)
        last_x, last_y = x + wide - 1, y + high - 1
        out_x, out_y = exit_at(self.layout, number)
        bar = block.kind == "parallel"
        after = self._style(block.after)
        if bar:
            state = self.graph.nodes[block.join].state
            after = _edge_style(None if state is None else state.status != "skipped")
        if self.layout.turned:
            canvas.put(x, y, left + across * (wide - 2) + right, "frame", wide)
            said = self._passes(block, x + 2, last_y)
            canvas.put(x, last_y, lower_left + across, "frame", 2)
            canvas.put(x + 2 + said, last_y, across * (wide - 3 - said) + lower_right, "frame", wide - 2 - said)
            canvas.column(x, y + 1, head_y - 1, upright, "frame")
            canvas.column(x, head_y + head_high, last_y - 1, upright, "frame")
            reach = 1 if bar else 0
            canvas.column(last_x, y + 1, out_y - reach - 1, upright, "frame")
            sign = ("H" if self.ascii else "┃") if bar else "+" if self.ascii else "├"
            canvas.column(last_x, out_y - reach, out_y + reach, sign, after)
            canvas.column(last_x, out_y + reach + 1, last_y - 1, upright, "frame")
            return
        canvas.put(x, y, left + across * (head_x - x - 1), "frame", head_x - x)
        behind = x + wide - head_x - head_wide
        canvas.put(head_x + head_wide, y, across * (behind - 1) + right, "frame", behind)
        canvas.column(x, y + 1, last_y - 1, upright, "frame")
        canvas.column(last_x, y + 1, last_y - 1, upright, "frame")
        if bar:
            canvas.put(x, last_y, lower_left + across * (out_x - x - 2), "frame", out_x - x - 1)
            canvas.put(out_x - 1, last_y, "===" if self.ascii else "━━━", after, 3)
            canvas.put(out_x + 2, last_y, across * (last_x - out_x - 2) + lower_right, "frame", last_x - out_x - 1)
            return
        canvas.put(x, last_y, lower_left + across * (out_x - x - 1), "frame", out_x - x)
        canvas.put(out_x, last_y, "+" if self.ascii else "┬", after, 1)
        said = self._passes(block, out_x + 2, last_y)
        if said:
            canvas.put(out_x + 1, last_y, across, "frame", 1)
        rest = out_x + 1 + (1 + said if said else 0)
        canvas.put(rest, last_y, across * (last_x - rest) + lower_right, "frame", last_x - rest + 1)

    def _passes(self, block: Block, x: int, y: int) -> int:
        """`×3` on the border of a loop that has run; returns how many columns that took."""
        state = self.graph.nodes[block.node].state
        if block.kind != "loop" or state is None or not state.iterations or state.status == "skipped":
            return 0
        text = f" ×{state.iterations} "
        self.canvas.put(x, y, text, "label.taken", len(text))
        return len(text)

    # --- boxes -------------------------------------------------------------------------------------------------------

    def _block(self, number: int, repeats: str) -> None:
        block, layout, canvas = self.blocks[number], self.layout, self.canvas
        node = self.graph.nodes[block.node]
        place = layout.card(number)
        if node.type in ("start", "end"):
            mark = "" if self.ascii else "▷ " if node.type == "start" else "□ "
            text = f"{mark}{node.label}"
            style = "name" if node.state is not None or not self.graph.has_state else "name.off"
            if layout.turned:  # right against the line
                at = place[0] + place[2] - len(text) - 1 if node.type == "start" else place[0] + 1
            else:
                at = place[0] + (9 - len(text)) // 2
            canvas.put(at, place[1], text, style)
            return
        look = self._bare if node.state is None else look_of(self.graph, node, repeats=repeats)
        folded = layout.is_folded(number)
        if folded:
            inside = self.blocks[number : block.last + 1]
            tone = worst({tone_of(self.graph.nodes[one.node].state) for one in inside})
            if look.tone != "not_taken":
                look = Look(tone, f"{block.last - number} inside", "")
            else:
                look = Look("not_taken", f"{block.last - number} inside", None)
        framed = block.kind in ("parallel", "loop", "foreach") and not folded
        undo = self.graph.nodes[block.compensation] if block.compensation >= 0 else None
        self._box(node, look, place, framed=framed, folded=folded, mark=undo is not None and layout.marks)
        beside = layout.compensation(number) if undo is not None else None
        if undo is not None and beside is not None:
            self._line(compensation_route(layout, number))
            self._compensation(undo, beside)

    def _box(self, node: GraphNode, look: Look, place: Place, *, framed: bool, folded: bool, mark: bool) -> None:
        canvas, tone, (x, y, wide, _) = self.canvas, look.tone, place
        here = self.cursor is not None and node.id == self.cursor
        key = (node.type, wide, framed, here)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = self._shape(*key)
        head, before, behind, lower_left, across, lower_right, exit_at, foot = shape
        canvas.put(x, y, head, tone, wide)
        name = cell_clip(node.label, wide - (8 if folded else 6))
        more = f"{self.forth} " if folded else ""
        canvas.put(x, y + 1, f"{before} {self.glyphs[tone]} ", tone, 4)
        canvas.put(x + 4, y + 1, name, "name.off" if tone == "not_taken" else "name")
        canvas.put(x + wide - 1 - len(more), y + 1, f"{more}{behind}", tone, 1 + len(more))
        words = self._foot(node, look, wide - (7 if mark else 4))
        if not words and not mark and not exit_at:
            canvas.put(x, y + 2, foot, tone, wide)
            return
        undo = f" {'<' if self.ascii else '↶'} " if mark else ""
        tail = f" {words} " if words else ""
        fill = across * (wide - 2 - len(undo) - (len(tail) if tail.isascii() else cell_width(tail)))
        if exit_at and exit_at <= len(fill):
            fill = f"{fill[: exit_at - 1]}┬{fill[exit_at:]}"
        canvas.put(x, y + 2, f"{lower_left}{undo}{fill}{tail}{lower_right}", tone, wide)

    def _shape(self, kind: str, wide: int, framed: bool, here: bool) -> tuple[str, str, str, str, str, str, int, str]:
        """What boxes of a kind have in common: the upper border, the signs of the others, and where a frame begins."""
        signs = (_ASCII_CURSOR if self.ascii else _CURSOR) if here else self.box
        left, across, right, upright, lower_left, lower_right = signs
        sign = self.marks.get(kind, "")
        if sign:
            head = f"{left}{across} {sign} {across * (wide - 5 - len(sign))}{right}"
        else:
            head = f"{left}{across * (wide - 2)}{right}"
        before, behind, exit_at = upright, upright, 0
        if framed and not here and not self.ascii:
            if self.layout.turned:
                exit_at = wide // 2
                head = f"{head[:exit_at]}┴{head[exit_at + 1 :]}"
            else:
                before, behind = "┤", "├"
        foot = f"{lower_left}{across * (wide - 2)}{lower_right}"
        return head, before, behind, lower_left, across, lower_right, exit_at, foot

    def _foot(self, node: GraphNode, look: Look, room: int) -> str:
        """What the lower border says: the line and the badge, or the badge alone where both do not fit."""
        if look.tone == "not_taken":
            return cell_clip("not taken", room)
        if node.state is None:
            line = look.line or str(node.metadata.get("detail", node.type))
            return "" if line == node.type else cell_clip(line.removeprefix(f"{node.type} · "), room)
        line, badge = _briefly(look.line), look.badge or ""
        if line == node.type:
            line = ""
        if " · " in line and cell_width(f"{line} {badge}".strip()) > room:
            line = line.partition(" · ")[0]  # the glyph says what the rest says: undone, by whom, how often
        both = f"{line} {badge}".strip()
        return cell_clip(both if not badge or cell_width(both) <= room else badge, room)

    def _compensation(self, undo: GraphNode, place: Place) -> None:
        canvas, (x, y, wide, _) = self.canvas, place
        look = look_of(self.graph, undo)
        left, across, right, upright, lower_left, lower_right = _ASCII_DASHED if self.ascii else _DASHED
        ran = look.tone not in ("not_reached", "not_taken")
        style = look.tone if ran else "compensation"
        sign = "<" if self.ascii else "↶"
        canvas.put(x, y, f"{left}{across * (wide - 2)}{right}", style, wide)
        canvas.put(x, y + 1, f"{upright} {sign} ", style, 4)
        canvas.put(x + 4, y + 1, cell_clip(undo.label, wide - 6), "name" if ran else "name.off")
        canvas.put(x + wide - 1, y + 1, upright, style, 1)
        said = f"{look.badge or ''} {_briefly(look.line)}".strip()
        words = cell_clip(said, wide - 4) if ran else ""
        tail = f" {words} " if words else ""
        fill = across * (wide - 2 - cell_width(tail))
        canvas.put(x, y + 2, f"{lower_left}{fill}{tail}{lower_right}", style, wide)


def _edge_style(taken: bool | None) -> str:
    return "edge" if taken is None else "edge.taken" if taken else "edge.off"


def _briefly(line: str) -> str:
    """``1 min 12 s`` as ``1m 12s``: columns are dear."""
    return _UNIT.sub(lambda found: found[1] + found[2][0], line)

"""Boxes of nodes and their compensations, in character cells: name, glyph of the state, and what is said below."""

from __future__ import annotations

import re
from typing import Final

from durable_core.graph.box_frames import ASCII_BOX, BOX, FRAMED
from durable_core.graph.box_lines import LinePainter
from durable_core.graph.canvas import Canvas, Form, cell_clip
from durable_core.graph.glyphs import ASCII_GLYPHS, ASCII_MARKS, GLYPHS, TYPE_MARKS
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout, Place
from durable_core.graph.look import Look, Tone, look_of, tone_of, worst
from durable_core.graph.measure import cell_width
from durable_core.graph.model import GraphData, GraphNode
from durable_core.graph.routes import compensation_route
from durable_core.graph.structure import Block

_UNIT: Final = re.compile(r"(\d) (s|min|h)\b")
_CURSOR: Final = tuple("╔═╗║╚╝")
_DASHED: Final = tuple("╭╌╮╎╰╯")
_ASCII_CURSOR: Final = tuple("#=#H##")
_ASCII_DASHED: Final = tuple("+.+:++")
_BARE: Final = Look("not_reached", "", None)


class CardPainter:
    """The boxes, and start and end."""

    def __init__(
        self, graph: GraphData, layout: Layout, canvas: Canvas | Grid, lines: LinePainter, cursor: str | None
    ) -> None:
        self.graph, self.layout, self.canvas, self.lines, self.cursor = graph, layout, canvas, lines, cursor
        ascii = self.ascii = canvas.ascii
        self.glyphs = ASCII_GLYPHS if ascii else GLYPHS
        self.marks = ASCII_MARKS if ascii else TYPE_MARKS
        self.box = ASCII_BOX if ascii else BOX
        self._forms: dict[tuple[str, int, Tone, str, bool, bool, bool, bool], Form] = {}

    def paint(self, number: int, block: Block, repeats: str) -> None:
        """A block's own box, and that of its compensation. `repeats`: the kind of what repeats it."""
        layout, node = self.layout, self.graph.nodes[block.node]
        kind, place = node.type, layout.card(number)
        if kind == "start" or kind == "end":
            self._terminal(node, place)
            return
        look = _BARE if node.state is None else look_of(self.graph, node, repeats=repeats)
        folded = layout.fold is not None and layout.is_folded(number)
        if folded:
            look = self._closed(number, block, look)
        framed = not folded and block.kind in FRAMED
        self._box(node, look, place, framed, folded, layout.marks and block.compensation >= 0)
        beside = layout.compensation(number) if block.compensation >= 0 else None
        if beside is not None:
            self.lines.compensation(compensation_route(layout, number))
            self._compensation(self.graph.nodes[block.compensation], beside)

    def _terminal(self, node: GraphNode, place: Place) -> None:
        mark = "" if self.ascii else "▷ " if node.type == "start" else "□ "
        text = f"{mark}{node.label}"
        style = "name" if node.state is not None or not self.graph.has_state else "name.off"
        if not self.layout.turned:
            at = place[0] + (9 - len(text)) // 2
        else:  # right against the line
            at = place[0] + place[2] - len(text) - 1 if node.type == "start" else place[0] + 1
        self.canvas.put(at, place[1], text, style)

    def _closed(self, number: int, block: Block, look: Look) -> Look:
        """A folded composite says how much is inside, and takes the worst tone of it."""
        inside = f"{block.last - number} inside"
        if look.tone == "not_taken":
            return Look("not_taken", inside, None)
        blocks, nodes = self.graph.structure.blocks[number : block.last + 1], self.graph.nodes
        return Look(worst({tone_of(nodes[one.node].state) for one in blocks}), inside, "")

    def _box(self, node: GraphNode, look: Look, place: Place, framed: bool, folded: bool, mark: bool) -> None:
        tone, (x, y, wide, _) = look.tone, place
        name, room = node.label, wide - (8 if folded else 6)
        if len(name) > room or not name.isascii():
            name = cell_clip(name, room)
        words = self._words(node, look, wide - (7 if mark else 4))
        here = self.cursor is not None and node.id == self.cursor
        key = (node.type, wide, tone, words, framed, folded, mark, here)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self.canvas.ready(self._form(*key))
        self.canvas.box(x, y, form, name, "name.off" if tone == "not_taken" else "name")

    def _form(
        self, kind: str, wide: int, tone: Tone, words: str, framed: bool, folded: bool, mark: bool, here: bool
    ) -> Form:
        signs = (_ASCII_CURSOR if self.ascii else _CURSOR) if here else self.box
        left, across, right, upright, lower_left, lower_right = signs
        sign = self.marks.get(kind, "")
        before = f"{across} {sign} " if sign else ""
        head = f"{left}{before}{across * (wide - 2 - len(before))}{right}"
        undo = f" {'<' if self.ascii else '↶'} " if mark else ""
        tail = f" {words} " if words else ""
        fill = across * (wide - 2 - len(undo) - cell_width(tail))
        before, behind = upright, f"{self.lines.forth} {upright}" if folded else upright
        if framed and not here and not self.ascii:
            middle = wide // 2
            if not self.layout.turned:
                before, behind = "┤", "├"
            elif middle <= len(fill):
                head, fill = _with(head, middle, "┴"), _with(fill, middle - 1, "┬")
            else:
                head = _with(head, middle, "┴")
        foot = f"{lower_left}{undo}{fill}{tail}{lower_right}"
        return Form(head, f"{before} {self.glyphs[tone]} ", behind, foot, wide, tone)

    def _words(self, node: GraphNode, look: Look, room: int) -> str:
        """What the lower border says: the line and the badge, or the badge alone where both do not fit."""
        if look.tone == "not_taken":
            return cell_clip("not taken", room)
        if node.state is None:
            line = look.line or node.metadata.get("detail", node.type)
            return "" if line == node.type else cell_clip(str(line).removeprefix(f"{node.type} · "), room)
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
        said = f"{look.badge or ''} {_briefly(look.line)}".strip()
        words = cell_clip(said, wide - 4) if ran else ""
        tail = f" {words} " if words else ""
        head = f"{left}{across * (wide - 2)}{right}"
        foot = f"{lower_left}{across * (wide - 2 - cell_width(tail))}{tail}{lower_right}"
        form = Form(head, f"{upright} {'<' if self.ascii else '↶'} ", upright, foot, wide, style)
        canvas.box(x, y, canvas.ready(form), cell_clip(undo.label, wide - 6), "name" if ran else "name.off")


def _with(border: str, at: int, sign: str) -> str:
    return f"{border[:at]}{sign}{border[at + 1 :]}"


def _briefly(line: str) -> str:
    """``1 min 12 s`` as ``1m 12s``: columns are dear."""
    return _UNIT.sub(lambda found: found[1] + found[2][0], line)

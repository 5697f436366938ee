"""The rail view: one row per node, indented by what it stands in, for narrow screens and beside a time line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from durable_core.graph.canvas import Segment
from durable_core.graph.escape import one_line
from durable_core.graph.glyphs import ASCII_GLYPHS, ASCII_MARKS, GLYPHS, TYPE_MARKS
from durable_core.graph.look import Look, Tone, look_of
from durable_core.graph.model import GraphData
from durable_core.graph.plain import plain

_GUIDE: Final = str.maketrans("│├╰─", "|+`-")
DEEPEST: Final = 24
"""Levels drawn as guides; what is deeper stands at the same place."""


@dataclass(frozen=True, slots=True)
class RailRow:
    """One row: a node, or the label of a branch (`node` None)."""

    node: str | None
    guide: str
    text: str
    look: Look | None
    tone: Tone
    mark: str = ""
    undo: str = ""

    def segments(self, *, ascii: bool = False) -> list[Segment]:
        """The row as (text, style token)."""
        if ascii:
            return [
                (plain(text), style) for text, style in self._segments(self.guide.translate(_GUIDE), ASCII_GLYPHS, "<")
            ]
        return self._segments(self.guide, GLYPHS, "↶")

    def _segments(self, guide: str, glyphs: dict[Tone, str], back: str) -> list[Segment]:
        style = {"not_taken": "label.off", "not_reached": "label"}.get(self.tone, "label.taken")
        if self.look is None:
            return [(guide, "edge"), (self.text, style)]
        row = [(guide, "edge"), (f"{glyphs[self.tone]} ", self.tone)]
        if self.mark:
            row.append((f"{self.mark} ", self.tone))
        row.append((self.text, "name.off" if self.tone == "not_taken" else "name"))
        words = " ".join(part for part in (self.look.badge or "", self.look.line) if part)
        if words:
            row.append((f"  {words}", self.tone))
        if self.undo:
            row.append((f"  {back} {self.undo}", "compensation"))
        return row


def rail(graph: GraphData, *, fold: int | None = None, ascii: bool = False) -> list[RailRow]:
    """Rows in written order; composites at depth `fold` are closed."""
    rows: list[RailRow] = []
    blocks = graph.structure.blocks
    marks = ASCII_MARKS if ascii else TYPE_MARKS
    # (a sequence, how far it was read, its guide, type of the loop or foreach around), or the label of a branch
    stack: list[tuple[tuple[int, ...], int, str, str] | RailRow] = [(graph.structure.root[1:-1], 0, "", "")]
    while stack:
        item = stack.pop()
        if isinstance(item, RailRow):
            rows.append(item)
            continue
        sequence, position, guide, repeats = item
        if position >= len(sequence):
            continue
        stack.append((sequence, position + 1, guide, repeats))
        block = blocks[sequence[position]]
        node = graph.nodes[block.node]
        look = look_of(graph, node, repeats=repeats)
        undo = graph.nodes[block.compensation].label if block.compensation >= 0 else ""
        rows.append(RailRow(node.id, guide, node.label, look, look.tone, marks.get(node.type, ""), undo))
        if not block.ways or (fold is not None and block.depth >= fold):
            continue
        inner = block.kind if block.kind in ("loop", "foreach") else repeats
        deeper = guide if len(guide) >= 2 * DEEPEST else f"{guide}│ "
        for number in range(len(block.ways) - 1, -1, -1):
            way = block.ways[number]
            if block.kind in ("loop", "foreach"):
                stack.append((way.blocks, 0, deeper, inner))
                continue
            last = number == len(block.ways) - 1
            went = graph.edges[way.enter].taken
            tone: Tone = "not_reached" if went is None else "completed" if went else "not_taken"
            room = guide if len(guide) >= 2 * DEEPEST else guide + ("  " if last else "│ ")
            label = (one_line(way.label, 60) if way.shown else "") or f"branch {number + 1}"
            empty = "" if way.blocks else " (nothing to do)"
            stack.append((way.blocks, 0, room, inner))
            stack.append(RailRow(None, f"{guide}{'╰─' if last else '├─'} ", f"{label}{empty}", None, tone))
    return rows

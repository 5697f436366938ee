"""The picture of a workflow as one SVG that needs nothing else: no script, font, id or reference."""

from __future__ import annotations

from typing import Final

from durable_core.graph.escape import xml
from durable_core.graph.fit import card_count, fit_pixels
from durable_core.graph.layout import Layout
from durable_core.graph.look import Look, look_of, status_line, summary, tone_of, worst
from durable_core.graph.model import Direction, GraphData, GraphNode, Theme
from durable_core.graph.place import BAND, BAND_GAP, MARGIN, mark_at
from durable_core.graph.routes import frame_of
from durable_core.graph.svg_cards import Spot, card, compensation_card, compensation_mark
from durable_core.graph.svg_edges import EdgePainter
from durable_core.graph.svg_header import header
from durable_core.graph.svg_paint import Paint, surface
from durable_core.graph.svg_table import table

SMALLEST: Final = 480
FONT: Final = "ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def to_svg(
    graph: GraphData,
    *,
    theme: Theme = "adaptive",
    width: float = 1100,
    height: float | None = None,
    direction: Direction = "auto",
    live: bool = False,
) -> str:
    """Draw the graph. `live` makes every card reachable by keyboard, for a page that reacts to it."""
    ink = Paint(theme)
    budget = max(int(width), SMALLEST) - 2 * MARGIN
    layout = fit_pixels(graph.nodes, graph.structure, budget, direction=direction, room=height)
    if layout is None:
        return _document(ink, graph, *table(ink, graph))
    return _document(ink, graph, *_Picture(ink, graph, layout, live=live).drawn())


def _document(ink: Paint, graph: GraphData, body: str, width: int, height: int, shown: str) -> str:
    head = header(ink, graph, width, shown)
    ground = (
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="12" {ink.paint("bg", "line")} '
        'stroke-width="1"/>'
    )
    label = xml(f"{graph.name}: {status_line(graph) if graph.has_state else 'workflow'}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="graphics-document document" aria-roledescription="workflow diagram" '
        f'aria-label="{label}" font-family="{FONT}" font-size="13" stroke-linecap="round" stroke-linejoin="round">\n'
        f"<title>{label}</title><desc>{xml(summary(graph))}</desc>\n{ink.style()}\n{ground}\n{head}{body}</svg>\n"
    )


class _Picture:
    def __init__(self, ink: Paint, graph: GraphData, layout: Layout, *, live: bool) -> None:
        self.ink, self.graph, self.layout, self.live = ink, graph, layout, live
        self.blocks = graph.structure.blocks
        self.depths: list[int] = []
        """Frames around each block."""
        self.repeats: list[str] = []
        for block in self.blocks:
            if block.owner < 0:
                self.depths.append(0)
                self.repeats.append("")
                continue
            kind = self.blocks[block.owner].kind
            self.depths.append(self.depths[block.owner] + (kind != "fork"))
            self.repeats.append(kind if kind in ("loop", "foreach") else self.repeats[block.owner])

    def drawn(self) -> tuple[str, int, int, str]:
        layout = self.layout
        width = max(SMALLEST, layout.width + 2 * MARGIN)
        layout.move((width - layout.width) // 2, BAND + BAND_GAP)
        height = BAND + BAND_GAP + layout.total_height + MARGIN
        lines, labels = EdgePainter(self.ink, self.graph, layout, self.depths).paint()
        body = (
            f'<g aria-hidden="true">{self._frames()}</g>\n<g aria-hidden="true" fill="none">{lines}</g>\n'
            f"<g>{labels}</g>\n<g>{self._cards()}</g>\n"
        )
        shown = sum(1 for top in layout.top if top is not None) - 2
        count = card_count(self.graph.structure)
        return body, width, height, f"{shown} of {count} nodes shown" if shown < count else ""

    def _frames(self) -> str:
        parts = []
        radius = 10 if self.layout.measures.compact else 14
        for position, block in enumerate(self.blocks):
            frame = None if self.layout.is_hidden(position) else frame_of(self.layout, position)
            if frame is None:
                continue
            x, y, wide, high = frame
            depth = self.depths[position]
            behind, inside = surface(depth), surface(depth + 1)
            steps = ((6, behind), (3, behind), (0, inside)) if block.kind == "foreach" else ((0, inside),)
            for offset, fill in steps:
                parts.append(
                    f'<rect x="{x + offset}" y="{y + offset}" width="{wide}" height="{high}" rx="{radius}" '
                    f'{self.ink.paint(fill, "fstroke")} stroke-width="1"/>'
                )
        return "".join(parts)

    def _cards(self) -> str:
        return "".join(
            self._card(position) for position in range(len(self.blocks)) if not self.layout.is_hidden(position)
        )

    def _card(self, position: int) -> str:
        layout, block = self.layout, self.blocks[position]
        node = self.graph.nodes[block.node]
        folded = layout.is_folded(position)
        place = layout.card(position)
        spot = Spot(
            *place,
            turned=layout.turned,
            depth=self.depths[position],
            compact=layout.measures.compact,
            hidden=block.last - position if folded else 0,
        )
        look = look_of(self.graph, node, repeats=self.repeats[position])
        if folded:
            look = self._folded_look(position, node, look)
        spoken = _spoken(node, look, self.graph)
        mark = ""
        if block.compensation >= 0:
            undo = self.graph.nodes[block.compensation]
            undo_look = look_of(self.graph, undo)
            beside = layout.compensation(position)
            if beside is None:
                spoken += f"; compensation {undo.label}{', ' + undo_look.spoken if undo_look.spoken else ''}"
                x, y, wide, high = mark_at(place)
                mark = compensation_mark(self.ink, undo_look, x + wide / 2, y + high / 2, depth=spot.depth)
            else:
                mark = self._compensation(undo, undo_look, node, Spot(*beside, depth=spot.depth))
        drawn = card(self.ink, node, look, spot, live=self.live, spoken=spoken)
        if mark.startswith("<circle"):
            return drawn[: -len("</g>\n")] + mark + "</g>\n"
        return drawn + mark

    def _compensation(self, undo: GraphNode, look: Look, step: GraphNode, spot: Spot) -> str:
        ran = look.tone not in ("not_reached", "not_taken")
        words = look.spoken if ran else "runs only if a later step fails"
        spoken = f"{undo.label}: compensation of {step.label}, {words}"
        return compensation_card(self.ink, undo, look, spot, spoken=spoken, live=self.live)

    def _folded_look(self, position: int, node: GraphNode, look: Look) -> Look:
        inside = self.blocks[position : self.blocks[position].last + 1]
        tone = worst({tone_of(self.graph.nodes[block.node].state) for block in inside})
        if node.state is None or node.state.status == "skipped" or tone == look.tone:
            return look
        other = look_of(self.graph, node)
        return Look(tone, other.line, other.badge or "", spoken=f"{other.spoken}, inside {tone.replace('_', ' ')}")


def _spoken(node: GraphNode, look: Look, graph: GraphData) -> str:
    if node.type in ("start", "end"):
        return node.label
    words = look.spoken if graph.has_state else ""
    return f"{node.label}: {node.type}, {words}" if words else f"{node.label}: {node.type}"

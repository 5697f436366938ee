"""A graph too large for a picture: its nodes as rows, indented by depth, the loudest always among them."""

from __future__ import annotations

from typing import Final

from durable_core.graph.escape import xml
from durable_core.graph.look import LOUDNESS, look_of
from durable_core.graph.measure import clip
from durable_core.graph.model import GraphData
from durable_core.graph.place import BAND, BAND_GAP, MARGIN
from durable_core.graph.svg_badge import badge
from durable_core.graph.svg_cards import group
from durable_core.graph.svg_paint import Paint

ROWS: Final = 300
ROW: Final = 24
WIDTH: Final = 760


def table(ink: Paint, graph: GraphData) -> tuple[str, int, int, str]:
    """Rows for the first nodes in written order and for every one that needs attention, up to 300."""
    blocks = [block for block in graph.structure.blocks if graph.nodes[block.node].type not in ("start", "end")]
    loud = [number for number, block in enumerate(blocks) if _loudness(graph, block.node) >= 3][:ROWS]
    chosen = set(loud)
    for number in range(len(blocks)):
        if len(chosen) >= ROWS:
            break
        chosen.add(number)
    y = BAND + BAND_GAP
    parts = []
    for number in sorted(chosen):
        block = blocks[number]
        node = graph.nodes[block.node]
        look = look_of(graph, node)
        x = MARGIN + 28 + min(block.depth, 12) * 14
        inside = (
            f'<text x="{x}" y="{y + 16}" font-size="12" {ink.paint("off" if look.tone == "not_taken" else "ink")}>'
            f"{xml(clip(node.label, 420 - x, 12))}</text>"
            f'<text x="430" y="{y + 16}" font-size="11" {ink.paint("ink2")}>{node.type}</text>'
            f'<text x="520" y="{y + 16}" font-size="11" {ink.paint("ink2")}>'
            f"{xml(clip(look.line, WIDTH - MARGIN - 520, 11))}</text>"
        )
        if look.badge is not None:
            inside = badge(ink, look.tone, "", MARGIN, y + 3) + inside
        parts.append(group(f"{node.label}: {node.type}, {look.spoken}".rstrip(", "), inside, live=False))
        parts.append(
            f'<path aria-hidden="true" d="M{MARGIN} {y + ROW}.5H{WIDTH - MARGIN}" {ink.paint(None, "line")} '
            'stroke-width="1"/>\n'
        )
        y += ROW
    shown = f"{len(chosen)} of {len(blocks)} nodes shown"
    return f"<g>{''.join(parts)}</g>\n", WIDTH, y + MARGIN, shown


def _loudness(graph: GraphData, node: int) -> int:
    state = graph.nodes[node].state
    return 0 if state is None else LOUDNESS[look_of(graph, graph.nodes[node]).tone]

"""Positions and sizes of the nodes of a graph, from its structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from durable_core.graph.fit import open_layout
from durable_core.graph.model import GraphNode, Position, Size
from durable_core.graph.structure import Structure

MARGIN = 28
BAND = 76
BAND_GAP = 24


def place_nodes(nodes: Sequence[GraphNode], structure: Structure) -> tuple[GraphNode, ...]:
    """The nodes with their places in the unfolded picture at its default width."""
    layout = open_layout(nodes, structure, 1100 - 2 * MARGIN)
    m, extents = layout.measures, layout.extents
    layout.move(MARGIN, BAND + BAND_GAP)
    placed = list(nodes)
    for position, block in enumerate(structure.blocks):
        top, axis = layout.top[position] or 0, layout.axis[position]
        wide, high = 2 * extents.left[position], extents.height[position]
        placed[block.node] = replace(placed[block.node], position=Position(axis, top + high / 2), size=Size(wide, high))
        if block.compensation >= 0:
            across, tall = (16, 16) if layout.marks else m.compensation
            x = axis + wide / 2 - 22 if layout.marks else axis + wide / 2 + m.compensation_gap + across / 2
            y = top + high if layout.marks else top + high / 2
            placed[block.compensation] = replace(
                placed[block.compensation], position=Position(x, y), size=Size(across, tall)
            )
        if block.join >= 0:
            size = Size(44, 5) if block.kind == "parallel" else Size(7, 7)
            placed[block.join] = replace(
                placed[block.join], position=Position(axis, layout.bottom(position)), size=size
            )
    return tuple(placed)

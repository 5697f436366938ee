"""Positions and sizes of the nodes of a graph, from its structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from durable_core.graph.fit import open_layout
from durable_core.graph.layout import Place
from durable_core.graph.model import GraphNode, Position, Size
from durable_core.graph.routes import exit_at, join_at
from durable_core.graph.structure import Structure

MARGIN = 28
BAND = 76
BAND_GAP = 24


def place_nodes(nodes: Sequence[GraphNode], structure: Structure) -> tuple[GraphNode, ...]:
    """The nodes with their places in the unfolded picture at its default width."""
    layout = open_layout(nodes, structure, 1100 - 2 * MARGIN)
    layout.move(MARGIN, BAND + BAND_GAP)
    placed = list(nodes)
    for number, block in enumerate(structure.blocks):
        card = layout.card(number)
        placed[block.node] = _at(nodes[block.node], card)
        if block.compensation >= 0:
            undo = layout.compensation(number) or mark_at(card)
            placed[block.compensation] = _at(nodes[block.compensation], undo)
        if block.join >= 0:
            wide, high = join_size(layout.turned) if block.kind == "parallel" else (7, 7)
            x, y = join_at(layout, number) if block.kind == "fork" else exit_at(layout, number)
            placed[block.join] = replace(nodes[block.join], position=Position(x, y), size=Size(wide, high))
    return tuple(placed)


def join_size(turned: bool) -> tuple[int, int]:
    """Width and height of the bar where the branches of a parallel meet; it lies across the flow."""
    return (5, 44) if turned else (44, 5)


def mark_at(card: Place) -> Place:
    """Where a compensation without a card of its own is marked: on the lower border of its step."""
    x, y, wide, high = card
    return x + wide - 30, y + high - 8, 16, 16


def _at(node: GraphNode, place: Place) -> GraphNode:
    x, y, wide, high = place
    return replace(node, position=Position(x + wide / 2, y + high / 2), size=Size(wide, high))

"""Which of the possible pictures is drawn: its direction and size, compensations as cards or marks, what is folded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from durable_core.errors import InputValidationError
from durable_core.graph.escape import one_line
from durable_core.graph.layout import Extents, Layout, lay_out
from durable_core.graph.measure import (
    CELLS,
    CELLS_TURNED,
    COMPACT,
    COMPACT_TURNED,
    FULL,
    FULL_TURNED,
    Measures,
    card_width,
    cell_width,
    clip,
    text_width,
)
from durable_core.graph.model import DIRECTIONS, Direction, GraphNode
from durable_core.graph.structure import Structure

FULL_UP_TO: Final = 60
"""Cards shown in full size; more are compact."""
SHOWN_UP_TO: Final = 100
"""Cards shown without folding once compact."""
FOLDED_ABOVE: Final = 300
"""More than this many cards are folded to the first level; more than this many even then become a table."""
LABEL_PAD: Final = 14
LABEL_HALF: Final = 9
"""Half the height of a branch label."""
TURNED_UP_TO: Final = 6
"""Cards of a graph that goes from left to right by itself, when nothing in it is nested twice."""
TURNED_BELOW: Final = 240
"""With less height than this any graph that is not too wide goes from left to right."""


def check_direction(direction: str) -> None:
    """Refuse a direction that does not exist."""
    if direction not in DIRECTIONS:
        raise InputValidationError(f"there is no direction {direction!r}; there are {', '.join(DIRECTIONS)}")


def card_count(structure: Structure) -> int:
    """Cards of the whole graph, start and end left out."""
    return len(structure.blocks) - 2


def counts_by_fold(structure: Structure) -> list[int]:
    """How many cards show when composites at depth 0, 1, 2 ... are closed."""
    deepest = max(block.depth for block in structure.blocks)
    counts = [0] * (deepest + 1)
    for block in structure.blocks:
        counts[block.depth] += 1
    counts[0] -= 2
    return list(accumulate(counts))


def is_small(structure: Structure) -> bool:
    """Whether a graph goes from left to right by itself: a banner of a few cards."""
    return card_count(structure) <= TURNED_UP_TO and all(block.depth <= 1 for block in structure.blocks)


def fit_pixels(
    nodes: Sequence[GraphNode],
    structure: Structure,
    budget: int,
    *,
    direction: Direction = "auto",
    room: float | None = None,
) -> Layout | None:
    """The layout of the picture at most `budget` pixels wide where possible; None when only a table is left.

    `room` is the height there is, where that matters.
    """
    check_direction(direction)
    count = card_count(structure)
    shown = counts_by_fold(structure)
    fold: int | None = None
    if count > FOLDED_ABOVE:
        fold = 1 if len(shown) > 2 else None
        if shown[min(1, len(shown) - 1)] > FOLDED_ABOVE:
            return None
    elif count > SHOWN_UP_TO:
        fold = next((depth for depth in range(len(shown) - 1, -1, -1) if shown[depth] <= SHOWN_UP_TO), 0)
        fold = None if fold == len(shown) - 1 else fold
    if direction == "right" or (direction == "auto" and room is not None and room < TURNED_BELOW):
        turned = _turned(nodes, structure, fold)
        if direction == "right" or turned.width <= budget:
            return turned
    if count <= FULL_UP_TO:
        layout = open_layout(nodes, structure, budget, direction)
        if layout.width <= budget:
            return layout
    extents = pixel_extents(nodes, structure, COMPACT, marks=True)
    return _fold_to(structure, extents, COMPACT, budget, fold, marks=True)


def _turned(nodes: Sequence[GraphNode], structure: Structure, fold: int | None = None) -> Layout:
    """The layout from left to right, as wide as it comes."""
    compact = card_count(structure) > FULL_UP_TO
    m = COMPACT_TURNED if compact else FULL_TURNED
    return lay_out(structure, pixel_extents(nodes, structure, m, marks=compact), m, fold=fold, marks=compact)


def open_layout(nodes: Sequence[GraphNode], structure: Structure, budget: int, direction: Direction = "auto") -> Layout:
    """The layout with nothing folded; compensations become marks where their cards would make it too wide."""
    if direction == "auto" and is_small(structure):
        turned = _turned(nodes, structure)
        if turned.width <= budget:
            return turned
    if card_count(structure) > FULL_UP_TO:
        extents = pixel_extents(nodes, structure, COMPACT, marks=True)
        return lay_out(structure, extents, COMPACT, budget=budget, marks=True)
    layout = lay_out(structure, pixel_extents(nodes, structure, FULL, marks=False), FULL, budget=budget)
    if layout.width <= budget:
        return layout
    extents = pixel_extents(nodes, structure, FULL, marks=True)
    return lay_out(structure, extents, FULL, budget=budget, marks=True)


def fit_cells(
    nodes: Sequence[GraphNode],
    structure: Structure,
    budget: int | None,
    fold: int | None,
    direction: Direction = "down",
) -> Layout:
    """The layout in character cells; without a budget nothing wraps and nothing folds by itself.

    With a direction of `auto` a small graph goes from left to right where it is narrow enough for that.
    """
    check_direction(direction)
    if direction == "right" or (direction == "auto" and is_small(structure)):
        turned = lay_out(structure, turned_cell_extents(nodes, structure), CELLS_TURNED, fold=fold)
        if direction == "right" or budget is None or turned.width <= budget:
            return turned
    extents = cell_extents(nodes, structure, marks=False)
    layout = lay_out(structure, extents, CELLS, budget=budget, fold=fold)
    if budget is None or layout.width <= budget:
        return layout
    return _fold_to(structure, cell_extents(nodes, structure, marks=True), CELLS, budget, fold, marks=True)


def _fold_to(
    structure: Structure, extents: Extents, measures: Measures, budget: int, fold: int | None, *, marks: bool
) -> Layout:
    """Close the deepest composites first, one depth for all, until the picture fits (it may be too wide even so)."""
    layout = lay_out(structure, extents, measures, budget=budget, fold=fold, marks=marks)
    if layout.width <= budget:
        return layout
    deepest = max(block.depth for block in structure.blocks)
    low, high = 0, deepest if fold is None else fold
    # a search by halves: nesting may be thousands deep, and each try costs one whole layout
    while low < high:
        middle = (low + high) // 2
        trial = lay_out(structure, extents, measures, budget=budget, fold=middle, marks=marks)
        if trial.width <= budget:
            layout, low = trial, middle + 1
        else:
            high = middle
    if layout.width > budget:
        layout = lay_out(structure, extents, measures, budget=budget, fold=0, marks=marks)
    return layout


def pixel_extents(nodes: Sequence[GraphNode], structure: Structure, m: Measures, *, marks: bool) -> Extents:
    """Card sizes in pixels."""
    width = card_width(nodes, m)
    across, along = (m.header, width) if m.turned else (width, m.header)
    half = across // 2
    extra = 0 if marks or m.compact else m.compensation_gap + m.compensation[m.turned]
    count = len(structure.blocks)
    extents = Extents(left=[half] * count, right=[half] * count, height=[along] * count, labels=[None] * count)
    for position, block in enumerate(structure.blocks):
        if block.compensation >= 0:
            extents.right[position] += extra
        if block.ways and any(way.shown for way in block.ways):
            reach = []
            for way in block.ways:
                text = clip(one_line(way.label), width - LABEL_PAD, 11) if way.shown else ""
                side = int(-(-(text_width(text, 11) + LABEL_PAD) // 2)) if way.shown else 0
                if m.turned:
                    extents.along[position] = max(extents.along.get(position, 0), 2 * side)
                    side = LABEL_HALF if way.shown else 0
                reach.append((side, side))
            extents.labels[position] = reach
    wide, high = m.terminal
    for end in (structure.root[0], structure.root[-1]):
        extents.left[end] = extents.right[end] = (high if m.turned else wide) // 2
        extents.height[end] = wide if m.turned else high
    return extents


CELL_LABEL: Final = 22
"""Columns a branch label may take."""
_REACHES: Final = tuple([(0, cells + 3) for cells in range(CELL_LABEL + 1)])
"""How far a label of so many columns reaches left and right of its line."""


def cell_extents(nodes: Sequence[GraphNode], structure: Structure, *, marks: bool) -> Extents:
    """Box sizes in character cells."""
    m, count = CELLS, len(structure.blocks)
    narrow, broad = m.card
    extra = 0 if marks else m.compensation_gap + m.compensation[0]
    left, right = [], []
    for block in structure.blocks:
        label = nodes[block.node].label
        need = (len(label) if label.isascii() else cell_width(label)) + 6
        width = narrow if need < narrow else broad if need > broad else need
        half = width // 2
        left.append(half)
        right.append(width - half if block.compensation < 0 else width - half + extra)
    labels: list[list[tuple[int, int]] | None] = [None] * count
    for position in structure.composites:
        ways = structure.blocks[position].ways
        if any(way.shown for way in ways):
            labels[position] = [_REACHES[_label_cells(way.label)] if way.shown else (0, 0) for way in ways]
    height = [m.header] * count
    wide, high = m.terminal
    for end in (structure.root[0], structure.root[-1]):
        left[end], right[end], height[end] = wide // 2, wide - wide // 2, high
    return Extents(left=left, right=right, height=height, labels=labels)


def _label_cells(label: str) -> int:
    """Columns a branch label takes."""
    plain = len(label) <= CELL_LABEL and label.isascii() and label.isprintable()
    return len(label) if plain else min(cell_width(one_line(label)), CELL_LABEL)


def turned_cell_extents(nodes: Sequence[GraphNode], structure: Structure) -> Extents:
    """Box sizes in character cells, above and below the line and along it."""
    m, upright = CELLS_TURNED, cell_extents(nodes, structure, marks=False)
    count = len(structure.blocks)
    extents = Extents(left=[1] * count, right=[2] * count, height=[0] * count, labels=[None] * count)
    for position, block in enumerate(structure.blocks):
        width = upright.left[position] + upright.right[position]
        if block.compensation >= 0:
            width = max(width - m.compensation_gap - m.compensation[0], m.compensation[0])  # it stands below its box
            extents.right[position] += m.compensation_gap + m.compensation[1]
        extents.height[position] = width
        reach = upright.labels[position]
        if reach is not None:
            extents.labels[position] = [(0, 1) if right else (0, 0) for _, right in reach]
            extents.along[position] = max([right for _, right in reach]) - 3
    for end in (structure.root[0], structure.root[-1]):
        extents.left[end], extents.right[end], extents.height[end] = 0, 1, m.terminal[0]
    return extents

"""The one layout of every picture: sizes from the innermost block outwards, then places from the top down.

Linear in the number of blocks and free of recursion: blocks stand in preorder, so walking them backwards meets every
child before its parent, and walking them forwards every parent before its children. A size depends on structure and
names only, never on state, so nothing moves while a workflow runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from durable_core.graph.branches import Fork, Side, spread
from durable_core.graph.measure import Measures
from durable_core.graph.structure import Block, Structure


@dataclass(slots=True, kw_only=True)
class Extents:
    """How large each block's own card is: left and right of the axis (its compensation included), and its height."""

    left: list[int]
    right: list[int]
    height: list[int]
    labels: list[list[tuple[int, int]] | None]
    """Per composite: how far each branch label reaches left and right of its line."""


@dataclass(slots=True, kw_only=True)
class Layout:
    """Where everything is. Lists are by block; `top` is None for a block inside a folded one."""

    structure: Structure
    measures: Measures
    extents: Extents
    fold: int | None
    """Composites at this depth are shown closed; None: all open."""
    marks: bool
    """Compensations are marks on their step instead of cards beside it."""
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    height: list[int] = field(default_factory=list)
    axis: list[int] = field(default_factory=list)
    top: list[int | None] = field(default_factory=list)
    forks: dict[int, Fork] = field(default_factory=dict)
    bodies: dict[int, int] = field(default_factory=dict)
    """Height of the body of each open loop and foreach."""
    width: int = 0
    total_height: int = 0
    total_left: int = 0

    def is_hidden(self, block: int) -> bool:
        return self.top[block] is None

    def is_folded(self, block: int) -> bool:
        """Whether the block is a composite shown closed."""
        b = self.structure.blocks[block]
        return self.fold is not None and b.depth == self.fold and bool(b.ways)

    def bottom(self, block: int) -> int:
        """Lower end of everything the block contains."""
        return (self.top[block] or 0) + self.height[block]

    def header_bottom(self, block: int) -> int:
        return (self.top[block] or 0) + self.extents.height[block]

    def move(self, dx: int, dy: int) -> None:
        """Shift everything; the layout begins at 0, 0."""
        self.axis = [x + dx for x in self.axis]
        self.top = [None if y is None else y + dy for y in self.top]


def lay_out(
    structure: Structure,
    extents: Extents,
    measures: Measures,
    *,
    budget: int | None = None,
    fold: int | None = None,
    marks: bool = False,
) -> Layout:
    """Size and place every block; branches that would be wider than the budget wrap into rows."""
    layout = Layout(structure=structure, measures=measures, extents=extents, fold=fold, marks=marks)
    _size(layout, _budgets(structure, measures, budget))
    _place(layout)
    return layout


def _budgets(structure: Structure, m: Measures, budget: int | None) -> list[int] | None:
    """What each block may take: every level passes down what its frame and two lanes leave."""
    if budget is None:
        return None
    taken = {
        "leaf": 0,
        "fork": 2 * m.row_lane,
        "parallel": 2 * m.row_lane + 2 * m.pad,
        "foreach": 2 * m.pad,
        "loop": m.pad + m.lane + m.margin,
    }
    inside = [0] * len(structure.blocks)
    for position, block in enumerate(structure.blocks):
        room = budget if block.owner < 0 else inside[block.owner]
        inside[position] = room - taken[block.kind]
    return inside


def _size(layout: Layout, budgets: list[int] | None) -> None:
    structure, m, own = layout.structure, layout.measures, layout.extents
    blocks, fold = structure.blocks, layout.fold
    left, right, height = own.left.copy(), own.right.copy(), own.height.copy()
    layout.left, layout.right, layout.height = left, right, height
    gap = m.gap
    for position in reversed(structure.composites):
        block = blocks[position]
        if fold is not None and block.depth >= fold:
            continue
        sides = []
        for way in block.ways:
            inside = way.blocks
            if not inside:
                sides.append(Side(0, 0, 0, empty=True))
            elif len(inside) == 1:
                one = inside[0]
                sides.append(Side(left[one], right[one], height[one]))
            else:
                tall = sum([height[one] for one in inside]) + gap * (len(inside) - 1)
                sides.append(Side(max([left[one] for one in inside]), max([right[one] for one in inside]), tall))
        if block.kind in ("fork", "parallel"):
            _size_branches(layout, position, block, sides, None if budgets is None else budgets[position])
            continue
        body = sides[0]
        layout.bodies[position] = body.height
        left[position] = max(left[position], body.left) + m.pad
        below = m.body + body.height
        if block.kind == "foreach":
            right[position] = max(right[position], body.right) + m.pad
            height[position] += below + m.foot + m.point
        else:
            right[position] = max(right[position], body.right) + m.lane + m.margin
            height[position] += below + m.gate + m.gate_foot + m.point


def _size_branches(layout: Layout, position: int, block: Block, sides: list[Side], budget: int | None) -> None:
    m = layout.measures
    labels = layout.extents.labels[position]
    labelled = labels is not None
    for number, side in enumerate(sides):
        reach_left, reach_right = labels[number] if labels is not None else (0, 0)
        least = m.empty if side.empty else 0
        side.left, side.right = max(side.left, reach_left, least), max(side.right, reach_right, least)
    fork = spread(sides, m, labelled=labelled, budget=budget)
    layout.forks[position] = fork
    pad = m.pad if block.kind == "parallel" else 0
    layout.left[position] = max(layout.left[position], fork.left) + pad
    layout.right[position] = max(layout.right[position], fork.right) + pad
    layout.height[position] += fork.height + m.point + (m.seal if block.kind == "parallel" else 0)


def _place(layout: Layout) -> None:
    structure, m = layout.structure, layout.measures
    count = len(structure.blocks)
    layout.axis = [0] * count
    layout.top = [None] * count
    root = structure.root
    layout.total_left = max(layout.left[one] for one in root)
    layout.width = layout.total_left + max(layout.right[one] for one in root)
    layout.total_height = _stack(layout, root, layout.total_left, 0)
    for position in structure.composites:
        block, top = structure.blocks[position], layout.top[position]
        if top is None:
            continue
        below = top + layout.extents.height[position]
        fork = layout.forks.get(position)
        if fork is not None:
            for number, way in enumerate(block.ways):
                if way.blocks:
                    row = fork.row(number)
                    _stack(layout, way.blocks, layout.axis[position] + fork.axes[number], below + row.branch_top)
        elif position in layout.bodies:
            _stack(layout, block.ways[0].blocks, layout.axis[position], below + m.body)


def _stack(layout: Layout, sequence: Sequence[int], axis: int, top: int) -> int:
    """Place a sequence on one axis, one below the other; returns where it ends."""
    gap = layout.measures.gap
    axes, tops, heights = layout.axis, layout.top, layout.height
    for one in sequence:
        axes[one] = axis
        tops[one] = top
        top += heights[one] + gap
    return top - gap

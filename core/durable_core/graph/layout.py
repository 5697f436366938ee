"""The one layout of every picture: sizes from the innermost block outwards, then places from the top down.

Linear in the number of blocks and free of recursion: blocks stand in preorder, so walking them backwards meets every
child before its parent, and walking them forwards every parent before its children. A size depends on structure and
names only, never on state, so nothing moves while a workflow runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from durable_core.graph.branches import Fork, Sides, spread
from durable_core.graph.measure import Measures
from durable_core.graph.structure import Block, Structure

Place = tuple[int, int, int, int]
"""Left, top, width and height."""
Point = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Extents:
    """How large each block's own card is: left and right of the axis (its compensation included), and its height.

    In a turned picture these are above and below the axis, and its width.
    """

    left: list[int]
    right: list[int]
    height: list[int]
    labels: list[list[tuple[int, int]] | None]
    """Per composite: how far each branch label reaches left and right of its line."""
    along: dict[int, int] = field(default_factory=dict)
    """Turned only, per composite with labels: the length of the longest, along its line."""


@dataclass(slots=True, kw_only=True)
class Layout:
    """Where everything is. Lists are by block; `top` is None for a block inside a folded one.

    `axis`, `left` and `right` count across the flow, `top` and `height` along it; in a turned layout the flow goes from
    left to right. `card` and the like, and `width` and `total_height`, are those of the picture as it is seen.
    """

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

    @property
    def turned(self) -> bool:
        """Whether the flow goes from left to right."""
        return self.measures.turned

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

    def card(self, block: int) -> Place:
        """The block's own card, without its compensation."""
        own = self.extents
        left, along = own.left[block], own.height[block]
        across = left + own.right[block]
        if self.structure.blocks[block].compensation >= 0:
            across -= self._beside(block)
        start, top = self.axis[block] - left, self.top[block] or 0
        return (top, start, along, across) if self.measures.turned else (start, top, across, along)

    def compensation(self, block: int) -> Place | None:
        """The card of the block's compensation; None where there is none, or only a mark."""
        if self._beside(block) == 0:
            return None
        wide, high = self.measures.compensation
        across, along = (high, wide) if self.turned else (wide, high)
        start = self.axis[block] + self.extents.right[block] - across
        return self.seen(start, (self.top[block] or 0) + (self.extents.height[block] - along) // 2, across, along)

    def _beside(self, block: int) -> int:
        """How much of a block's own reach its compensation takes."""
        if self.marks or self.structure.blocks[block].compensation < 0:
            return 0
        m = self.measures
        return m.compensation[self.turned] + m.compensation_gap

    def seen(self, start: int, top: int, across: int, along: int) -> Place:
        """A rectangle of the flow as one of the picture."""
        return (top, start, along, across) if self.turned else (start, top, across, along)

    def label(self, block: int, way: int) -> Point:
        """Centre of a branch's label, in pixels."""
        fork, m = self.forks[block], self.measures
        x, y = self.axis[block] + fork.axes[way], self.header_bottom(block) + fork.row(way).fork_bus
        if self.turned:
            return y + m.label_at - 9 + self.extents.along[block] // 2, x
        return x, y + m.label_at

    def move(self, dx: int, dy: int) -> None:
        """Shift everything; the layout begins at 0, 0."""
        if self.turned:
            dx, dy = dy, dx
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
        "parallel": 2 * m.row_lane + 2 * m.frames_pad,
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
    for position in reversed(structure.composites):
        block = blocks[position]
        if fold is not None and block.depth >= fold:
            continue
        if block.kind == "fork" or block.kind == "parallel":
            _size_branches(layout, position, block, None if budgets is None else budgets[position])
            continue
        reach_left, reach_right, body = _extent(layout, block.ways[0].blocks)
        layout.bodies[position] = body
        left[position] = max(left[position], reach_left) + m.pad
        below = m.body + body
        if block.kind == "foreach":
            right[position] = max(right[position], reach_right) + m.pad
            height[position] += below + m.foot + m.point
        else:
            right[position] = max(right[position], reach_right) + m.lane + m.margin
            height[position] += below + m.gate + m.gate_foot + m.point


def _extent(layout: Layout, sequence: Sequence[int]) -> tuple[int, int, int]:
    """How far a sequence reaches left and right of its axis, and its height."""
    lefts, rights, heights = layout.left, layout.right, layout.height
    left = right = height = 0
    for one in sequence:
        if lefts[one] > left:
            left = lefts[one]
        if rights[one] > right:
            right = rights[one]
        height += heights[one]
    return left, right, height + layout.measures.gap * (len(sequence) - 1) if sequence else 0


def _size_branches(layout: Layout, position: int, block: Block, budget: int | None) -> None:
    m, labels = layout.measures, layout.extents.labels[position]
    sides = Sides([], [], [], [])
    reach_left = reach_right = 0
    for number, way in enumerate(block.ways):
        if labels is not None:
            reach_left, reach_right = labels[number]
        left, right, height = _extent(layout, way.blocks)
        if not way.blocks:
            left = right = m.empty
        sides.left.append(left if left > reach_left else reach_left)
        sides.right.append(right if right > reach_right else reach_right)
        sides.height.append(height)
        sides.empty.append(not way.blocks)
    drop = (m.plain if labels is None else m.labelled + layout.extents.along.get(position, 0)) - m.fork
    fork = layout.forks[position] = spread(sides, m, drop=drop, budget=budget)
    pad = seal = 0
    if block.kind == "parallel":
        pad, seal = m.frames_pad if _has_frames(layout.structure, block) else m.pad, m.seal
    layout.left[position] = max(layout.left[position], fork.left) + pad
    layout.right[position] = max(layout.right[position], fork.right) + pad
    layout.height[position] += fork.height + m.point + seal


def _has_frames(structure: Structure, block: Block) -> bool:
    """Whether a frame is drawn somewhere in the branches."""
    waiting = [block]
    while waiting:
        for way in waiting.pop().ways:
            for one in way.blocks:
                inner = structure.blocks[one]
                if inner.kind in ("parallel", "foreach", "loop"):
                    return True
                if inner.ways:
                    waiting.append(inner)
    return False


def _place(layout: Layout) -> None:
    structure, m = layout.structure, layout.measures
    count = len(structure.blocks)
    layout.axis = [0] * count
    layout.top = [None] * count
    root = structure.root
    total_left = max([layout.left[one] for one in root])
    across = total_left + max([layout.right[one] for one in root])
    along = _stack(layout, root, total_left, 0)
    layout.width, layout.total_height = (along, across) if m.turned else (across, along)
    for position in structure.composites:
        block, top = structure.blocks[position], layout.top[position]
        if top is None:
            continue
        below = top + layout.extents.height[position]
        fork = layout.forks.get(position)
        if fork is not None:
            rows, row_number = fork.rows, 0
            for number, way in enumerate(block.ways):
                if number > rows[row_number].last:
                    row_number += 1
                if way.blocks:
                    start = below + rows[row_number].branch_top
                    _stack(layout, way.blocks, layout.axis[position] + fork.axes[number], start)
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

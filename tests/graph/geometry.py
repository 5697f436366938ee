"""What must be true of every layout, checked on its rectangles and lines."""

from __future__ import annotations

from dataclasses import dataclass

from durable_core.graph.escape import one_line
from durable_core.graph.fit import LABEL_PAD
from durable_core.graph.layout import Layout
from durable_core.graph.measure import clip, text_width
from durable_core.graph.routes import Point, Route, compensation_route, frame_of, inner_routes, pair_route


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float
    what: str
    block: int

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


def cards(layout: Layout) -> list[Box]:
    found = []
    m = layout.measures
    for number, block in enumerate(layout.structure.blocks):
        top = layout.top[number]
        if top is None:
            continue
        axis, own = layout.axis[number], layout.extents
        beside = block.compensation >= 0 and not layout.marks
        right = own.right[number] - (m.compensation[0] + m.compensation_gap if beside else 0)
        found.append(
            Box(axis - own.left[number], top, axis + right, top + own.height[number], f"card {number}", number)
        )
        if beside:
            end = axis + own.right[number]
            high = m.compensation[1]
            start = top + (own.height[number] - high) // 2
            found.append(Box(end - m.compensation[0], start, end, start + high, f"undo {number}", number))
    return found


def frames(layout: Layout) -> list[Box]:
    found = []
    for number in range(len(layout.structure.blocks)):
        frame = None if layout.is_hidden(number) else frame_of(layout, number)
        if frame:
            x, y, wide, high = frame
            found.append(Box(x, y, x + wide, y + high, f"frame {number}", number))
    return found


def routes(layout: Layout) -> list[Route]:
    blocks, found = layout.structure.blocks, []
    root = layout.structure.root
    found += [pair_route(layout, before, after) for before, after in zip(root, root[1:], strict=False)]
    for number, block in enumerate(blocks):
        if layout.is_hidden(number):
            continue
        if block.compensation >= 0 and not layout.marks:
            found.append(compensation_route(layout, number))
        if number in layout.forks or number in layout.bodies:
            found += inner_routes(layout, number)
            for way in block.ways:
                found += [
                    pair_route(layout, before, after) for before, after in zip(way.blocks, way.blocks[1:], strict=False)
                ]
    return found


def labels(layout: Layout) -> list[Box]:
    found = []
    for number, fork in layout.forks.items():
        for position, way in enumerate(layout.structure.blocks[number].ways):
            if way.shown:
                room = 2 * layout.extents.left[number] - LABEL_PAD
                half = (text_width(clip(one_line(way.label), room, 11), 11) + LABEL_PAD) / 2
                x = layout.axis[number] + fork.axes[position]
                bus = layout.header_bottom(number) + fork.row(position).fork_bus
                y = bus + layout.measures.label_at
                high = 8 if layout.measures.compact else 9
                found.append(Box(x - half, y - high, x + half, y + high, f"label {number}.{position}", number))
    return found


def pieces(route: Route) -> list[tuple[Point, Point]]:
    return list(zip(route.points, route.points[1:], strict=False))


def faults(layout: Layout) -> list[str]:
    """Everything wrong with a layout in pixels; empty when it is right."""
    wrong = []
    boxes, pills, outlines, lines = cards(layout), labels(layout), frames(layout), routes(layout)
    blocks = layout.structure.blocks
    for position, box in enumerate(boxes):
        if box.left < 0 or box.right > layout.width or box.bottom > layout.total_height:
            wrong.append(f"{box.what} leaves the picture")
        wrong += [f"{box.what} overlaps {other.what}" for other in boxes[position + 1 :] if box.meets(other)]
        wrong += [f"{box.what} overlaps {pill.what}" for pill in pills if box.meets(pill)]
    for position, pill in enumerate(pills):
        wrong += [f"{pill.what} overlaps {other.what}" for other in pills[position + 1 :] if pill.meets(other)]
    for position, frame in enumerate(outlines):
        first, last = frame.block, blocks[frame.block].last
        for box in boxes:
            if first < box.block <= last:
                if not frame.holds(box):
                    wrong.append(f"{box.what} leaves {frame.what}")
            elif box.block != first and frame.meets(box):
                header = box.block in _owners(layout, frame.block)
                if not header:
                    wrong.append(f"{box.what} meets {frame.what}")
        for other in outlines[position + 1 :]:
            if frame.meets(other) and not (frame.holds(other) or other.holds(frame)):
                wrong.append(f"{frame.what} cuts {other.what}")
    wrong += _line_faults(boxes, pills, lines)
    return wrong


def _owners(layout: Layout, block: int) -> set[int]:
    found, owner = set(), layout.structure.blocks[block].owner
    while owner >= 0:
        found.add(owner)
        owner = layout.structure.blocks[owner].owner
    return found


def _line_faults(boxes: list[Box], pills: list[Box], lines: list[Route]) -> list[str]:
    wrong = []
    level, upright = [], []
    for number, route in enumerate(lines):
        for (ax, ay), (bx, by) in pieces(route):
            if ax != bx and ay != by:
                wrong.append(f"route {number} is slanted: {route.points}")
            span = Box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by), f"route {number}", number)
            for box in boxes:
                if span.left < box.right and box.left < span.right and span.top < box.bottom and box.top < span.bottom:
                    wrong.append(f"route {number} {route.points} passes {box.what}")
            (upright if ax == bx else level).append(span)
    for line in level:
        for other in upright:
            if line.block == other.block:
                continue
            if line.left < other.left < line.right and other.top < line.top < other.bottom:
                wrong.append(f"{line.what} {lines[line.block].points} crosses {lines[other.block].points}")
        for pill in pills:
            if line.left < pill.right and pill.left < line.right and pill.top < line.top < pill.bottom:
                wrong.append(f"{line.what} passes {pill.what}")
    for line in upright:
        for pill in pills:
            middle = (pill.left + pill.right) / 2
            if (
                pill.left < line.left < pill.right
                and abs(line.left - middle) > 1
                and line.top < pill.bottom
                and pill.top < line.bottom
            ):
                wrong.append(f"{line.what} {lines[line.block].points} passes {pill.what}")
    return wrong

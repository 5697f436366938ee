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
    for number in range(len(layout.structure.blocks)):
        if layout.is_hidden(number):
            continue
        for what, place in (("card", layout.card(number)), ("undo", layout.compensation(number))):
            if place is not None:
                x, y, wide, high = place
                found.append(Box(x, y, x + wide, y + high, f"{what} {number}", number))
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
    for number in layout.forks:
        for position, way in enumerate(layout.structure.blocks[number].ways):
            if way.shown:
                _, _, wide, _ = layout.card(number)
                half = (text_width(clip(one_line(way.label), wide - LABEL_PAD, 11), 11) + LABEL_PAD) / 2
                x, y = layout.label(number, position)
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
    wrong += _line_faults(boxes, pills, lines, turned=layout.turned)
    return wrong


def _owners(layout: Layout, block: int) -> set[int]:
    found, owner = set(), layout.structure.blocks[block].owner
    while owner >= 0:
        found.add(owner)
        owner = layout.structure.blocks[owner].owner
    return found


def _line_faults(boxes: list[Box], pills: list[Box], lines: list[Route], *, turned: bool) -> list[str]:
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
    # a label stands on its own branch: only a line along the flow, and through its middle, may pass it
    for line in (*level, *upright):
        for pill in pills:
            if line.left > pill.right or pill.left > line.right or line.top > pill.bottom or pill.top > line.bottom:
                continue
            beside = line.top - (pill.top + pill.bottom) / 2 if turned else line.left - (pill.left + pill.right) / 2
            along = line.top == line.bottom if turned else line.left == line.right
            if not along or abs(beside) > 1:
                wrong.append(f"{line.what} {lines[line.block].points} passes {pill.what}")
    return wrong

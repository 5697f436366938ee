"""The lines of a picture as corner points, in the layout's own unit; a painter decides how they look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from durable_core.graph.layout import Layout

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Route:
    """One line. It follows `edge`; where `left` is a block instead, it is drawn as taken once that block was left."""

    points: tuple[Point, ...]
    edge: int = -1
    left: int = -1
    tip: bool = False
    """Ends in an arrow at a node."""
    sideways: bool = False
    """A compensation's arrow."""


def pair_route(layout: Layout, before: int, after: int) -> Route:
    """From one block to the next in its sequence."""
    x, edge = layout.axis[before], layout.structure.blocks[before].after
    end = (layout.top[after] or 0) - layout.measures.point
    return Route(((x, layout.bottom(before)), (x, end)), edge, tip=True)


def compensation_route(layout: Layout, block: int) -> Route:
    """From a step to the card of its compensation."""
    m = layout.measures
    half = layout.extents.left[block]
    x = layout.axis[block] + layout.extents.right[block] - m.compensation[0]
    y = (layout.top[block] or 0) + m.header // 2
    width = layout.extents.right[block] - m.compensation[0] - m.compensation_gap
    start = layout.axis[block] + max(width, half)
    return Route(((start, y), (x - m.point, y)), layout.structure.blocks[block].compensates, tip=True, sideways=True)


def inner_routes(layout: Layout, number: int) -> Iterator[Route]:
    """What leads into, out of and back inside an open composite; sequences' own lines are `pair_route`."""
    block = layout.structure.blocks[number]
    if number in layout.forks:
        yield from _fork_routes(layout, number)
    elif number in layout.bodies:
        yield from _loop_routes(layout, number) if block.kind == "loop" else _foreach_routes(layout, number)


def frame_of(layout: Layout, number: int) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of the frame around an open parallel, loop or foreach."""
    if layout.structure.blocks[number].kind == "fork" or not (number in layout.forks or number in layout.bodies):
        return None
    half = layout.extents.height[number] // 2
    top = (layout.top[number] or 0) + half
    return (
        layout.axis[number] - layout.left[number],
        top,
        layout.left[number] + layout.right[number],
        layout.height[number] - half,
    )


def join_y(layout: Layout, number: int) -> int:
    """Height of the last join bus of a decision, switch or parallel, or of a loop's gate."""
    fork = layout.forks.get(number)
    if fork is not None:
        return layout.header_bottom(number) + fork.height
    return layout.header_bottom(number) + layout.measures.body + layout.bodies[number] + layout.measures.gate


def _fork_routes(layout: Layout, number: int) -> Iterator[Route]:
    m, block, fork = layout.measures, layout.structure.blocks[number], layout.forks[number]
    axis, start = layout.axis[number], layout.header_bottom(number)
    left, right = axis + fork.left_lane, axis + fork.right_lane
    end = start + fork.height
    first_bus = start + fork.rows[0].fork_bus
    for way_number, way in enumerate(block.ways):
        row = fork.row(way_number)
        x = axis + fork.axes[way_number]
        into: list[Point] = [(axis, start), (axis, first_bus)]
        if row is not fork.rows[0]:
            into += [(left, first_bus), (left, start + row.fork_bus)]
        into.append((x, start + row.fork_bus))
        out: list[Point] = [(x, start + row.join_bus)]
        if row is not fork.rows[-1]:
            out += [(right, start + row.join_bus), (right, end)]
        out.append((axis, end))
        if not way.blocks:
            yield Route(_straight([*into, *out]), way.enter)
            continue
        first, last = way.blocks[0], way.blocks[-1]
        yield Route(_straight([*into, (x, (layout.top[first] or 0) - m.point)]), way.enter, tip=True)
        yield Route(_straight([(x, layout.bottom(last)), *out]), way.leave)
    if block.kind == "parallel":
        yield Route(((axis, end), (axis, end + m.seal)), block.after)


def _foreach_routes(layout: Layout, number: int) -> Iterator[Route]:
    m, way = layout.measures, layout.structure.blocks[number].ways[0]
    axis, start = layout.axis[number], layout.header_bottom(number)
    end = layout.bottom(number) - m.point
    if not way.blocks:
        yield Route(((axis, start), (axis, end)), way.enter)
        return
    first, last = way.blocks[0], way.blocks[-1]
    yield Route(((axis, start), (axis, (layout.top[first] or 0) - m.point)), way.enter, tip=True)
    yield Route(((axis, layout.bottom(last)), (axis, end)), way.leave)


def _loop_routes(layout: Layout, number: int) -> Iterator[Route]:
    m, block = layout.measures, layout.structure.blocks[number]
    way = block.ways[0]
    axis, start = layout.axis[number], layout.header_bottom(number)
    gate = join_y(layout, number)
    if way.blocks:
        first, last = way.blocks[0], way.blocks[-1]
        yield Route(((axis, start), (axis, (layout.top[first] or 0) - m.point)), way.enter, tip=True)
        yield Route(((axis, layout.bottom(last)), (axis, gate)), left=last)
        back = way.leave
    else:
        yield Route(((axis, start), (axis, gate)), way.enter)
        back = way.enter
    lane = lane_x(layout, number)
    under = axis + layout.extents.right[number] - m.back_in
    turn = start + m.back
    yield Route(((axis, gate), (lane, gate), (lane, turn), (under, turn), (under, start)), back, tip=True)
    yield Route(((axis, gate), (axis, layout.bottom(number) - m.point)), block.after)


def lane_x(layout: Layout, number: int) -> int:
    """Where the back edge of a loop runs upwards."""
    m = layout.measures
    return layout.axis[number] + layout.right[number] - m.margin


def _straight(points: list[Point]) -> tuple[Point, ...]:
    """The same line without points that are no corners."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept.pop()
        kept.append(point)
    return tuple(kept)

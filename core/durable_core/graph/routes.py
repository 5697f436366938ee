"""The lines of a picture as corner points, in the layout's own unit; a painter decides how they look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from durable_core.graph.layout import Layout, Place, Point


class Route(NamedTuple):
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
    return Route(_seen(layout, ((x, layout.bottom(before)), (x, end))), edge, -1, True)


def compensation_route(layout: Layout, block: int) -> Route:
    """From a step to the card of its compensation."""
    m = layout.measures
    end = layout.axis[block] + layout.extents.right[block] - m.compensation[layout.turned]
    y = (layout.top[block] or 0) + layout.extents.height[block] // 2
    points = ((end - m.compensation_gap, y), (end - m.point, y))
    edge = layout.structure.blocks[block].compensates
    return Route(_seen(layout, points), edge, -1, True, True)


def inner_routes(layout: Layout, number: int) -> Iterator[Route]:
    """What leads into, out of and back inside an open composite; sequences' own lines are `pair_route`."""
    if number in layout.forks:
        found = _fork_routes(layout, number)
    elif layout.structure.blocks[number].kind == "loop":
        found = _loop_routes(layout, number)
    else:
        found = _foreach_routes(layout, number)
    if not layout.turned:
        return found
    return (route._replace(points=_seen(layout, route.points)) for route in found)


def frame_of(layout: Layout, number: int) -> Place | None:
    """Left, top, width and height of the frame around an open parallel, loop or foreach."""
    if layout.structure.blocks[number].kind == "fork" or not (number in layout.forks or number in layout.bodies):
        return None
    half = layout.extents.height[number] // 2
    return layout.seen(
        layout.axis[number] - layout.left[number],
        (layout.top[number] or 0) + half,
        layout.left[number] + layout.right[number],
        layout.height[number] - half,
    )


def join_at(layout: Layout, number: int) -> Point:
    """Where the branches of a decision or switch meet, or a loop has its gate."""
    return _seen(layout, ((layout.axis[number], _join_y(layout, number)),))[0]


def exit_at(layout: Layout, number: int) -> Point:
    """Where an open composite ends: the middle of its frame's last side."""
    return _seen(layout, ((layout.axis[number], layout.bottom(number)),))[0]


def passes_at(layout: Layout, number: int) -> Point:
    """The middle of the lane by which a loop goes back."""
    start = layout.header_bottom(number) + layout.measures.back
    middle = (start + _join_y(layout, number)) // 2
    return _seen(layout, ((_lane_x(layout, number), middle),))[0]


def _seen(layout: Layout, points: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple([(y, x) for x, y in points]) if layout.turned else points


def _join_y(layout: Layout, number: int) -> int:
    fork = layout.forks.get(number)
    if fork is not None:
        return layout.header_bottom(number) + fork.height
    return layout.header_bottom(number) + layout.measures.body + layout.bodies[number] + layout.measures.gate


def _fork_routes(layout: Layout, number: int) -> Iterator[Route]:
    m, block, fork = layout.measures, layout.structure.blocks[number], layout.forks[number]
    axis, start = layout.axis[number], layout.header_bottom(number)
    end = start + fork.height
    rows = fork.rows
    first_bus = start + rows[0].fork_bus
    trunk: list[Point] = [(axis, start)] if first_bus == start else [(axis, start), (axis, first_bus)]
    row_number, row = 0, rows[0]
    for way_number, way in enumerate(block.ways):
        if way_number > row.last:
            row_number += 1
            row = rows[row_number]
        x = axis + fork.axes[way_number]
        into: list[Point] = trunk if x != axis or row_number else trunk[:1]
        if row_number:
            left = axis + fork.left_lane
            into = [*into, (left, first_bus), (left, start + row.fork_bus)]
        if x != axis or row_number:
            into = [*into, (x, start + row.fork_bus)]
        out: list[Point] = []
        if row is not rows[-1]:
            right = axis + fork.right_lane
            out = [(x, start + row.join_bus), (right, start + row.join_bus), (right, end)]
        elif x != axis:
            out = [(x, end)]
        out.append((axis, end))
        if not way.blocks:
            yield Route((*into, *out), way.enter)
            continue
        first, last = way.blocks[0], way.blocks[-1]
        yield Route((*into, (x, (layout.top[first] or 0) - m.point)), way.enter, -1, True)
        bottom = (x, layout.bottom(last))
        yield Route(tuple(out) if bottom == out[0] else (bottom, *out), way.leave)
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
    yield Route(((axis, start), (axis, (layout.top[first] or 0) - m.point)), way.enter, -1, True)
    yield Route(((axis, layout.bottom(last)), (axis, end)), way.leave)


def _loop_routes(layout: Layout, number: int) -> Iterator[Route]:
    m, block = layout.measures, layout.structure.blocks[number]
    way = block.ways[0]
    axis, start = layout.axis[number], layout.header_bottom(number)
    gate = _join_y(layout, number)
    if way.blocks:
        first, last = way.blocks[0], way.blocks[-1]
        yield Route(((axis, start), (axis, (layout.top[first] or 0) - m.point)), way.enter, -1, True)
        yield Route(((axis, layout.bottom(last)), (axis, gate)), -1, last)
        back = way.leave
    else:
        yield Route(((axis, start), (axis, gate)), way.enter)
        back = way.enter
    lane = _lane_x(layout, number)
    under = axis + layout.extents.right[number] - m.back_in
    turn = start + m.back
    yield Route(((axis, gate), (lane, gate), (lane, turn), (under, turn), (under, start)), back, -1, True)
    yield Route(((axis, gate), (axis, layout.bottom(number) - m.point)), block.after)


def _lane_x(layout: Layout, number: int) -> int:
    """Where the back edge of a loop runs upwards."""
    m = layout.measures
    return layout.axis[number] + layout.right[number] - m.margin

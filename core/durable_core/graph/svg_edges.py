"""Lines, joins and branch labels; the loud ones are painted last."""

from __future__ import annotations

from collections.abc import Iterator

from durable_core.graph.escape import one_line, xml
from durable_core.graph.fit import LABEL_PAD
from durable_core.graph.layout import Layout, Point
from durable_core.graph.look import tone_of
from durable_core.graph.measure import clip, text_width
from durable_core.graph.model import GraphData
from durable_core.graph.place import join_size
from durable_core.graph.routes import Route, compensation_route, exit_at, inner_routes, join_at, pair_route, passes_at
from durable_core.graph.svg_paint import Paint, number, state_token, surface


class EdgePainter:
    """Paints everything between the cards of one layout."""

    def __init__(self, ink: Paint, graph: GraphData, layout: Layout, depths: list[int]) -> None:
        self.ink, self.graph, self.layout, self.depths = ink, graph, layout, depths
        self.node_of = {node.id: node for node in graph.nodes}
        self.radius = layout.measures.radius
        self.broad = "1.5" if layout.measures.compact else "2"
        self.layers: dict[str, list[str]] = {
            name: [] for name in ("off", "edge", "compensation", "taken", "track", "live", "dots")
        }
        self.labels: list[str] = []

    def paint(self) -> tuple[str, str]:
        """Lines and dots, then labels."""
        for route in self._routes():
            self._route(route)
        for number_ in range(len(self.layout.structure.blocks)):
            if not self.layout.is_hidden(number_):
                self._joins(number_)
        return "".join(part for layer in self.layers.values() for part in layer), "".join(self.labels)

    def _routes(self) -> Iterator[Route]:
        layout, structure = self.layout, self.layout.structure
        root = structure.root
        for before, after in zip(root, root[1:], strict=False):
            yield pair_route(layout, before, after)
        for position, block in enumerate(structure.blocks):
            if layout.is_hidden(position):
                continue
            if block.compensation >= 0 and not (layout.marks or layout.measures.compact):
                yield compensation_route(layout, position)
            if position in layout.forks or position in layout.bodies:
                yield from inner_routes(layout, position)
                for way in block.ways:
                    for before, after in zip(way.blocks, way.blocks[1:], strict=False):
                        yield pair_route(layout, before, after)

    def _went(self, route: Route) -> bool | None:
        if route.left >= 0:
            block = self.layout.structure.blocks[route.left]
            state = self.graph.nodes[block.join if block.join >= 0 else block.node].state
            if state is None:
                return None
            return {"completed": True, "compensated": True, "skipped": False}.get(state.status)
        return self.graph.edges[route.edge].taken if route.edge >= 0 else None

    def _route(self, route: Route) -> None:
        ink, line = self.ink, self._path(route.points)
        tip = _chevron(route.points) if route.tip else ""
        went = self._went(route)
        if route.sideways:
            self._compensation(route, line, tip)
        elif went is False:
            paint = ink.paint(None, "offs")
            self.layers["off"].append(f'<path {paint} stroke-width="1.6" d="{line}" stroke-dasharray="0 4"/>')
            if tip:
                self.layers["off"].append(f'<path {paint} stroke-width="1.2" d="{tip}"/>')
        elif went is None:
            self.layers["edge"].append(f'<path {ink.paint(None, "edge")} stroke-width="1.5" d="{line}{tip}"/>')
        elif route.tip and self._is_live(route):
            paint = ink.paint(None, "running.stroke")
            self.layers["track"].append(f'<path {ink.paint(None, "track")} stroke-width="{self.broad}" d="{line}"/>')
            self.layers["live"].append(
                f'<path {ink.paint(None, "running.stroke", moves="ds-flow")} stroke-width="{self.broad}" d="{line}"/>'
                f'<path {paint} stroke-width="{self.broad}" d="{tip}"/>'
            )
        else:
            paint = ink.paint(None, "taken")
            self.layers["taken"].append(f'<path {paint} stroke-width="{self.broad}" d="{line}{tip}"/>')

    def _is_live(self, route: Route) -> bool:
        edge = self.graph.edges[route.edge]
        target = self.node_of[edge.target]
        inside = target.type not in ("parallel", "foreach", "loop", "join")
        return edge.type != "loop_back" and inside and target.state is not None and target.state.status == "running"

    def _compensation(self, route: Route, line: str, tip: str) -> None:
        state = self.node_of[self.graph.edges[route.edge].target].state
        stroke = "edge"
        if state is not None:
            tone = tone_of(state)
            stroke = "offs" if tone == "not_taken" else state_token(tone, "stroke")
            if tone == "completed":
                stroke = "compensated.stroke"
        paint = self.ink.paint(None, stroke)
        self.layers["compensation"].append(
            f'<path {paint} stroke-width="1.5" d="{line}" stroke-dasharray="5 4"/>'
            f'<path {paint} stroke-width="1.5" d="{tip}"/>'
        )

    def _joins(self, position: int) -> None:
        layout, block = self.layout, self.layout.structure.blocks[position]
        if not (position in layout.forks or position in layout.bodies):
            return
        if block.kind == "parallel":
            token = "taken" if self._join_went(block.join) else "edge"
            (x, y), (wide, high) = exit_at(layout, position), join_size(layout.turned)
            self.layers["dots"].append(
                f'<rect x="{number(x - wide / 2)}" y="{number(y - high / 2)}" width="{wide}" height="{high}" rx="2.5" '
                f"{self.ink.paint(token)}/>"
            )
        elif block.kind == "fork":
            self._dot(join_at(layout, position), self._join_went(block.join))
        elif block.kind == "loop":
            back = block.ways[0].leave if block.ways[0].blocks else block.ways[0].enter
            taken = self.graph.edges[back].taken
            header = self.graph.nodes[block.node].state
            went = True if header is not None and header.status in ("completed", "compensated") else taken
            self._dot(join_at(layout, position), went)
            self._passes(position)
        if position in layout.forks:
            self._way_labels(position)

    def _join_went(self, node: int) -> bool | None:
        state = self.graph.nodes[node].state
        return None if state is None else state.status != "skipped"

    def _dot(self, at: Point, went: bool | None) -> None:
        token = "edge" if went is None else "taken" if went else "offs"
        self.layers["dots"].append(f'<circle cx="{at[0]}" cy="{at[1]}" r="3.5" {self.ink.paint(token)}/>')

    def _passes(self, position: int) -> None:
        """`×3` on the lane of a loop, once it has run."""
        layout, block = self.layout, self.layout.structure.blocks[position]
        state = self.graph.nodes[block.node].state
        if state is None or state.iterations < 1 or state.status == "skipped":
            return
        self._pill(f"×{state.iterations}", *passes_at(layout, position), True, self.depths[position] + 1)

    def _way_labels(self, position: int) -> None:
        layout, block = self.layout, self.layout.structure.blocks[position]
        room = layout.card(position)[2] - LABEL_PAD
        depth = self.depths[position] + (block.kind == "parallel")
        for way_number, way in enumerate(block.ways):
            if not way.shown:
                continue
            x, y = layout.label(position, way_number)
            text = clip(one_line(way.label), room, 11)
            went = self.graph.edges[way.enter].taken
            self._pill(text, x, y, went, depth, full=way.label)

    def _pill(self, text: str, x: float, y: float, went: bool | None, depth: int, full: str = "") -> None:
        stroke, fill, weight = {
            True: ("taken", "ink", ' font-weight="500"'),
            False: ("offs", "off", ""),
            None: ("edge", "ink2", ""),
        }[went]
        dots = ' stroke-dasharray="1 3"' if went is False else ""
        high = 16 if self.layout.measures.compact else 18
        wide = round(text_width(text, 11) + LABEL_PAD, 1)
        title = f"<title>{xml(full)}</title>" if text.endswith("…") and full else ""
        pill = (
            f'<rect x="{number(x - wide / 2)}" y="{number(y - high / 2)}" width="{number(wide)}" height="{high}" '
            f'rx="{high // 2}" {self.ink.paint(surface(depth), stroke)} stroke-width="1"{dots}/>'
            f'<text x="{number(x)}" y="{number(y + 4)}" font-size="11"{weight} text-anchor="middle" '
            f"{self.ink.paint(fill)}>{xml(text)}</text>"
        )
        self.labels.append(f"<g>{title}{pill}</g>" if title else pill)

    def _path(self, points: tuple[Point, ...]) -> str:
        """Corner points as a path with rounded corners; short pieces get smaller ones."""
        parts = [f"M{_xy(points[0])}"]
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            one, two = _length(before, corner), _length(corner, after)
            # a piece between two bends is shared by both
            first, second = before is points[0], after is points[-1]
            radius = min(self.radius, one if first else one / 2, two if second else two / 2)
            parts.append(f"L{_xy(_toward(corner, before, radius))}Q{_xy(corner)} {_xy(_toward(corner, after, radius))}")
        parts.append(f"L{_xy(points[-1])}")
        return "".join(parts)


def _xy(point: tuple[float, float]) -> str:
    return f"{number(point[0])} {number(point[1])}"


def _length(one: Point, two: Point) -> int:
    return abs(one[0] - two[0]) + abs(one[1] - two[1])


def _toward(corner: Point, other: Point, distance: float) -> tuple[float, float]:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    if dx:
        return corner[0] + (distance if dx > 0 else -distance), corner[1]
    return corner[0], corner[1] + (distance if dy > 0 else -distance)


def _chevron(points: tuple[Point, ...]) -> str:
    (x0, y0), (x, y) = points[-2], points[-1]
    if y0 == y:
        if x < x0:
            return f"M{x + 5} {y - 4}L{x + 1} {y} {x + 5} {y + 4}"
        return f"M{x - 5} {y - 4}L{x - 1} {y} {x - 5} {y + 4}"
    if y > y0:
        return f"M{x - 4} {y - 5}L{x} {y - 1} {x + 4} {y - 5}"
    return f"M{x - 4} {y + 5}L{x} {y + 1} {x + 4} {y + 5}"

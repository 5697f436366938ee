"""Lines put corner by corner, in character cells: whichever way a picture goes, and however many rows branches need."""

from __future__ import annotations

from typing import Final

from durable_core.graph.canvas import DOWN, LEFT, RIGHT, UP, Canvas, cell_clip
from durable_core.graph.escape import one_line
from durable_core.graph.fit import CELL_LABEL
from durable_core.graph.grid import Grid
from durable_core.graph.layout import Layout
from durable_core.graph.model import GraphData
from durable_core.graph.routes import Route, inner_routes, join_at
from durable_core.graph.structure import Block, Way

_ARROWS: Final = ("▼", "▲", "▸", "◂")
_ASCII_ARROWS: Final = ("v", "^", ">", "<")


LABELS: Final = {"edge": "label", "edge.taken": "label.taken", "edge.off": "label.off"}


def style_of(taken: bool | None) -> str:
    """The style token of a line."""
    return "edge" if taken is None else "edge.taken" if taken else "edge.off"


class RoutePainter:
    """Lines as `routes` has them, in the styles of their edges."""

    def __init__(self, graph: GraphData, layout: Layout, canvas: Canvas | Grid) -> None:
        self.graph, self.layout, self.canvas = graph, layout, canvas
        self.states = graph.has_state
        self.down, self.up, self.forth, self.back = _ASCII_ARROWS if canvas.ascii else _ARROWS

    def style(self, edge: int) -> str:
        """The style of the line along an edge."""
        return "edge" if edge < 0 or not self.states else style_of(self.graph.edges[edge].taken)

    def left_style(self, block: int) -> str:
        """The style of a line that is taken once a block was left."""
        state = self.graph.nodes[self.graph.structure.exit_node(block)].state
        return style_of(None if state is None else {"completed": True, "skipped": False}.get(state.status))

    def corner_by_corner(self, number: int, block: Block) -> None:
        """What leads into, out of and back inside an open composite."""
        for route in inner_routes(self.layout, number):
            self.route(route)
        if number in self.layout.forks:
            x, y = join_at(self.layout, number)
            self.canvas.joint(x, y, RIGHT if self.layout.turned else DOWN, self.style(block.after))
            self._labels(number, block)

    def _labels(self, number: int, block: Block) -> None:
        layout = self.layout
        fork, start, axis = layout.forks[number], layout.header_bottom(number), layout.axis[number]
        for position, way in enumerate(block.ways):
            if not way.shown:
                continue
            bus, across = start + fork.row(position).fork_bus, axis + fork.axes[position]
            style = LABELS[self.style(way.enter)]
            if layout.turned:
                self.canvas.put(bus + 2, across, f" {written(way)} ", style)
            else:
                self.canvas.put(across + 2, bus + 1, written(way), style)

    def route(self, route: Route) -> None:
        """One line through its corner points."""
        points, edge, left, has_tip, _ = route
        style = self.style(edge) if left < 0 else self.left_style(left)
        turned = self.layout.turned
        x, y = points[0]
        end_x, end_y = points[-1]
        tip = ""
        if has_tip:
            before_x, before_y = points[-2]
            if before_x == end_x:
                tip = (self.forth if turned else self.down) if before_y == end_y else self.down
                if before_y > end_y:
                    tip = self.up
            else:
                tip = self.back if before_x > end_x else self.forth
        if (x, y) != (end_x, end_y):
            self.canvas.line(points, LEFT if turned else UP, style, tip)
        elif tip:
            self.canvas.put(x, y, tip, style, 1)
        else:
            self.canvas.joint(x, y, LEFT | RIGHT if turned else UP | DOWN, style)

    def compensation(self, route: Route) -> None:
        """The dashed arrow to a compensation."""
        (x, y), (end_x, end_y) = route.points
        ascii = self.canvas.ascii
        if self.layout.turned:
            self.canvas.column(x, y, end_y - 1, ":" if ascii else "╎", "compensation")
            self.canvas.put(x, end_y, self.down, "compensation", 1)
        else:
            dashes = ("." if ascii else "╌") * (end_x - x) + self.forth
            self.canvas.put(x, y, dashes, "compensation", len(dashes))


def written(way: Way) -> str:
    """The label of a branch, as far as there is room for it."""
    text = way.label
    if len(text) <= CELL_LABEL and text.isascii() and text.isprintable():
        return text
    return cell_clip(one_line(text), CELL_LABEL)

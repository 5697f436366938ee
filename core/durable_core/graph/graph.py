"""The graph that users meet: its data, and every format it can leave in. Each format comes in when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durable_core.graph.model import Direction, GraphData, Theme

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Graph(GraphData):
    """A workflow as nodes and edges; ``run.graph()`` is the same graph with a state on every node that was reached."""

    def to_dot(self) -> str:
        """Graphviz, with a cluster for every parallel, loop and foreach."""
        from durable_core.graph.dot import to_dot

        return to_dot(self)

    def to_mermaid(self) -> str:
        """A Mermaid flowchart, with a subgraph for every parallel, loop and foreach."""
        from durable_core.graph.mermaid import to_mermaid

        return to_mermaid(self)

    def to_cytoscape(self) -> str:
        """Cytoscape.js JSON: elements with data, classes, positions and parents."""
        from durable_core.graph.cytoscape import to_cytoscape

        return to_cytoscape(self)

    def to_json(self) -> str:
        """Everything, as JSON that `graph_from_json` reads back."""
        from durable_core.graph.json_format import to_json

        return to_json(self)

    def to_svg(
        self,
        *,
        theme: Theme = "adaptive",
        width: float = 1100,
        height: float | None = None,
        direction: Direction = "auto",
    ) -> str:
        """The picture as one self-contained SVG, at most `width` pixels wide where that is possible.

        It goes from top to bottom; small ones (six cards, nothing nested twice), and those for which there is little
        `height`, go from left to right where they are narrow enough. `direction` says "down" or "right" for any.
        """
        from durable_core.graph.svg import to_svg

        return to_svg(self, theme=theme, width=width, height=height, direction=direction)

    def to_text(self, width: int | None = None, *, ascii: bool = False, direction: Direction = "down") -> str:
        """The picture in box-drawing characters, at most `width` columns wide where that is possible.

        With a `direction` of "auto" small ones go from left to right, with "right" all do.
        """
        from durable_core.graph.boxes import to_text

        return to_text(self, width, ascii=ascii, direction=direction)

    def to_html(self) -> str:
        """One self-contained page with the picture and a table of the nodes."""
        from durable_core.graph.report import graph_page

        return graph_page(self)

    def to_png(self) -> bytes:
        """The picture as PNG, drawn by Graphviz; a `GraphvizError` when that is not installed."""
        from durable_core.graph.png import to_png

        return to_png(self)

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """The graph for networkx; node and edge attributes carry the same names."""
        from durable_core.graph.networkx_format import to_networkx

        return to_networkx(self)

    def save(self, path: str | Path) -> Path:
        """Write the graph in the format of the suffix: .dot .mmd .cyjs .json .svg .png .txt .html"""
        from durable_core.graph.save import save

        return save(self, path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from durable_core.graph.bundle import mime_bundle

        return mime_bundle(self)

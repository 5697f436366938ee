"""What a notebook shows of a graph without any widget: plain text, and an image that survives every sanitizer."""

from __future__ import annotations

import base64

from durable_core.graph.boxes import to_text
from durable_core.graph.escape import xml
from durable_core.graph.look import look_of, status_line
from durable_core.graph.model import GraphData, Theme
from durable_core.graph.svg import to_svg

TEXT_WIDTH = 100
ROWS = 100


def mime_bundle(graph: GraphData) -> dict[str, str]:
    """``text/plain`` and ``text/html``; inline SVG is stripped from untrusted notebooks, an <img> is not."""
    return {"text/plain": to_text(graph, TEXT_WIDTH).rstrip("\n"), "text/html": html(graph)}


def image(graph: GraphData, *, theme: Theme = "adaptive", width: float = 1100) -> str:
    """The picture as an <img> with the SVG inside its address."""
    data = base64.b64encode(to_svg(graph, theme=theme, width=width).encode()).decode()
    alt = f"{graph.name}: {status_line(graph) if graph.has_state else 'workflow'}"
    return f'<img alt="{xml(alt)}" style="max-width:100%;height:auto" src="data:image/svg+xml;base64,{data}">'


def html(graph: GraphData) -> str:
    """The image, and the same as a table for those who cannot see it."""
    return f"<div>{image(graph)}<details><summary>Nodes</summary>{node_table(graph)}</details></div>"


def node_table(graph: GraphData, limit: int = ROWS) -> str:
    """Nodes, types and states as an HTML table; says how many it leaves out."""
    nodes = [node for node in graph.nodes if node.type not in ("start", "end", "join")]
    rows = []
    for node in nodes[:limit]:
        look = look_of(graph, node)
        state = look.spoken or look.line
        rows.append(f"<tr><td>{xml(node.label)}</td><td>{node.type}</td><td>{xml(state)}</td></tr>")
    more = f"<p>{len(nodes) - limit} more nodes are not listed.</p>" if len(nodes) > limit else ""
    head = "<thead><tr><th>Node</th><th>Type</th><th>State</th></tr></thead>"
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>{more}"

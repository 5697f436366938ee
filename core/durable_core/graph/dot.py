"""Graphviz: the graph as DOT, with clusters, shapes by type and colours by state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from durable_core.graph.escape import one_line
from durable_core.graph.fit import is_small
from durable_core.graph.group_tree import walk
from durable_core.graph.look import look_of, tone_of
from durable_core.graph.model import GraphData, GraphEdge, GraphNode
from durable_core.graph.palette import COLOUR_OF, colour

if TYPE_CHECKING:
    import pydot

DEEPEST_CLUSTER: Final = 50
"""Groups nested deeper are drawn in the cluster at this depth: Graphviz and pydot both recurse."""
LABEL_LIMIT: Final = 60
_SHAPES: Final = {
    "start": "oval",
    "end": "oval",
    "decision": "hexagon",
    "switch": "hexagon",
    "parallel": "house",
    "join": "point",
    "loop": "box",
    "foreach": "box3d",
    "sleep": "oval",
    "event": "oval",
    "input": "note",
    "call": "component",
    "compensation": "box",
}


def to_dot(graph: GraphData) -> str:
    """The graph in the DOT language."""
    text: str = to_pydot(graph).to_string()
    return text


def to_pydot(graph: GraphData) -> pydot.Dot:
    """The graph as a pydot object, for those who want to change it before it is drawn."""
    import pydot

    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    drawn = pydot.Dot(
        "workflow",
        graph_type="digraph",
        label=quoted(graph.name),
        labelloc="t",
        fontname=quoted("Helvetica"),
        bgcolor=quoted(colour("bg")),
        rankdir="LR" if is_small(graph.structure) else "TB",
        nodesep="0.35",
        ranksep="0.35",
    )
    drawn.add_node(pydot.Node("node", fontname=quoted("Helvetica"), fontsize="11", style="filled"))
    drawn.add_node(pydot.Node("edge", fontname=quoted("Helvetica"), fontsize="9", arrowsize="0.7"))
    places: list[Any] = [drawn]
    depth = 0
    for number, (what, item) in enumerate(walk(graph)):
        if isinstance(item, GraphNode):
            places[-1].add_node(pydot.Node(names[item.id], **_node(graph, item)))
            if item.type == "compensation":
                beside = pydot.Subgraph(rank="same")
                beside.add_node(pydot.Node(names[str(item.metadata["of"])]))
                beside.add_node(pydot.Node(names[item.id]))
                places[-1].add_subgraph(beside)
        elif what == "open":
            depth += 1
            if depth <= DEEPEST_CLUSTER:
                places.append(pydot.Cluster(f"g{number}", **_cluster(item.label, depth)))
        else:
            if depth <= DEEPEST_CLUSTER:
                cluster = places.pop()
                places[-1].add_subgraph(cluster)
            depth -= 1
    for edge in graph.edges:
        drawn.add_edge(pydot.Edge(names[edge.source], names[edge.target], **_edge(edge)))
    return drawn


def quoted(text: str, limit: int = LABEL_LIMIT) -> str:
    """A double-quoted DOT string that shows exactly this text: no escapes, no HTML-like label, no second line."""
    return '"' + one_line(text, limit).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _two_lines(first: str, second: str) -> str:
    return f"{quoted(first)[:-1]}\\n{quoted(second)[1:]}" if second else quoted(first)


def _cluster(label: str, depth: int) -> dict[str, Any]:
    return {
        "label": quoted(""),
        "tooltip": quoted(label),
        "style": quoted("filled,rounded"),
        "fillcolor": quoted(colour("frame" if depth % 2 else "frame2")),
        "color": quoted(colour("fstroke")),
    }


def _node(graph: GraphData, node: GraphNode) -> dict[str, Any]:
    tone = tone_of(node.state)
    attributes = {"shape": _SHAPES.get(node.type, "box"), "fillcolor": quoted(colour("card"))}
    if node.type == "join":
        attributes["width"] = "0.09"
        attributes["label"] = quoted("")
        token = "taken" if tone == "completed" else "offs" if tone == "not_taken" else "edge"
        attributes["fillcolor"] = attributes["color"] = quoted(colour(token))
        return attributes
    if node.type in ("start", "end"):
        token = "taken" if node.state is not None else "edge"
        return {**attributes, "label": quoted(node.label), "color": quoted(colour(token))}
    look = look_of(graph, node)
    attributes["label"] = _two_lines(node.label, look.line)
    attributes["tooltip"] = quoted(f"{node.label}: {node.type}, {look.spoken}".rstrip(", "), 300)
    style = ["filled"]
    if node.type in ("step", "compensation", "loop"):
        style.append("rounded")
    if node.type == "compensation":
        style.append("dashed")
    attributes["color"] = quoted(colour("edge"))
    attributes["fontcolor"] = quoted(colour("ink"))
    if tone == "not_taken":
        style.append("dotted")
        attributes["color"], attributes["fontcolor"] = quoted(colour("offs")), quoted(colour("off"))
    elif look.tone in COLOUR_OF:
        state = COLOUR_OF[look.tone]
        attributes["color"] = quoted(colour(f"{state}.stroke"))
        attributes["fillcolor"] = quoted(colour(f"{state}.tint"))
        attributes["penwidth"] = "2" if look.tone in ("running", "failed", "needs_you") else "1.5"
    attributes["style"] = quoted(",".join(style))
    return attributes


def _edge(edge: GraphEdge) -> dict[str, Any]:
    token = "edge" if edge.taken is None else "taken" if edge.taken else "offs"
    attributes = {"color": quoted(colour(token))}
    if edge.label:
        attributes["label"] = quoted(edge.label, 40)
        attributes["fontcolor"] = quoted(colour("off" if edge.taken is False else "ink2"))
    if edge.taken:
        attributes["penwidth"] = "1.8"
    if edge.type == "compensation":
        attributes["style"] = "dashed"
    elif edge.taken is False:
        attributes["style"] = "dotted"
    if edge.type == "loop_back":
        attributes["constraint"] = "false"
    return attributes

"""The graph for networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_core.graph.model import GraphData

if TYPE_CHECKING:
    import networkx


def to_networkx(graph: GraphData) -> networkx.MultiDiGraph[str]:
    """A MultiDiGraph: two empty branches are two edges between the same nodes."""
    import networkx

    result: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(name=graph.name, **dict(graph.metadata))
    for node in graph.nodes:
        result.add_node(
            node.id,
            type=node.type,
            label=node.label,
            position=(node.position.x, node.position.y),
            metadata=dict(node.metadata),
            state=node.state,
            path=node.path,
            group=node.group,
        )
    for edge in graph.edges:
        result.add_edge(edge.source, edge.target, type=edge.type, label=edge.label, taken=edge.taken)
    return result

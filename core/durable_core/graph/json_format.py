"""JSON that holds a whole graph, state and structure included, and the way back."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from durable_core.errors import SerializationError
from durable_core.graph.model import Graph, GraphEdge, GraphNode, Group, NodeError, NodeState, Position, Size
from durable_core.graph.structure import Block, Structure, Way

FORMAT: Final = "durable-studio/graph"
VERSION: Final = 1


def to_json(graph: Graph) -> str:
    """The graph as one JSON document."""
    return json.dumps(graph_to_dict(graph), indent=1) + "\n"


def graph_to_dict(graph: Graph) -> dict[str, Any]:
    """The graph as plain dictionaries and lists."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "metadata": dict(graph.metadata),
        "nodes": [_node(node) for node in graph.nodes],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "label": edge.label,
                "type": edge.type,
                "taken": edge.taken,
            }
            for edge in graph.edges
        ],
        "groups": [
            {
                "id": group.id,
                "type": group.type,
                "label": group.label,
                "header": group.header,
                "parent": group.parent,
            }
            for group in graph.groups
        ],
        "structure": {
            "root": list(graph.structure.root),
            "blocks": [_block(block) for block in graph.structure.blocks],
        },
    }


def graph_from_json(text: str) -> Graph:
    """The graph that `to_json` wrote; anything else is a SerializationError that says what is missing."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SerializationError(
            f"this is no JSON: {error}", hint="Give it what Graph.to_json or graph.save('x.json') wrote."
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
        raise SerializationError(
            f"this JSON is no graph of format {FORMAT} version {VERSION}",
            hint="Give it what Graph.to_json or graph.save('x.json') wrote.",
        )
    try:
        return _graph(document)
    except (KeyError, TypeError, ValueError) as error:
        raise SerializationError(
            f"the graph is incomplete: {type(error).__name__} {error}", hint="Export it again with graph.save."
        ) from error


def _node(node: GraphNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "type": node.type,
        "label": node.label,
        "position": {"x": node.position.x, "y": node.position.y},
        "size": {"width": node.size.width, "height": node.size.height},
        "metadata": dict(node.metadata),
        "state": None if node.state is None else _state(node.state),
        "path": node.path,
        "group": node.group,
    }


def _state(state: NodeState) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, NodeError):
            value = {"type": value.type, "message": value.message}
        found[field.name] = value
    return found


def _block(block: Block) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": block.kind,
        "node": block.node,
        "depth": block.depth,
        "join": block.join,
        "compensation": block.compensation,
        "after": block.after,
        "compensates": block.compensates,
        "owner": block.owner,
        "last": block.last,
    }
    if block.ways:
        found["ways"] = [
            {
                "label": way.label,
                "shown": way.shown,
                "blocks": list(way.blocks),
                "enter": way.enter,
                "leave": way.leave,
            }
            for way in block.ways
        ]
    return found


def _graph(document: dict[str, Any]) -> Graph:
    structure = document["structure"]
    blocks = tuple(
        Block(
            **{
                **block,
                "ways": tuple(Way(**{**way, "blocks": tuple(way["blocks"])}) for way in block.get("ways", ())),
            }
        )
        for block in structure["blocks"]
    )
    return Graph(
        name=document["name"],
        nodes=tuple(
            GraphNode(
                **{
                    **node,
                    "position": Position(**node["position"]),
                    "size": Size(**node["size"]),
                    "state": _read_state(node["state"]),
                }
            )
            for node in document["nodes"]
        ),
        edges=tuple(GraphEdge(**edge) for edge in document["edges"]),
        groups=tuple(Group(**group) for group in document["groups"]),
        metadata=document["metadata"],
        structure=Structure(blocks, tuple(structure["root"])),
    )


def _read_state(state: dict[str, Any] | None) -> NodeState | None:
    if state is None:
        return None
    read = dict(state)
    for key in ("started_at", "completed_at"):
        if read[key] is not None:
            read[key] = datetime.fromisoformat(read[key])
    if read["error"] is not None:
        read["error"] = NodeError(**read["error"])
    return NodeState(**read)

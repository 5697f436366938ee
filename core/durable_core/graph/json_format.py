"""JSON that holds a whole graph, state and structure included, and the way back."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from durable_core.graph.model import GraphData, GraphNode, NodeError, NodeState
from durable_core.graph.structure import Block

FORMAT: Final = "durable-studio/graph"
VERSION: Final = 1


def to_json(graph: GraphData) -> str:
    """The graph as one JSON document."""
    return json.dumps(graph_to_dict(graph), indent=1) + "\n"


def graph_to_dict(graph: GraphData) -> dict[str, Any]:
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

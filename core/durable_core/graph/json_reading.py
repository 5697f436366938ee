"""A graph read back from the JSON it was written as."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from durable_core.errors import SerializationError
from durable_core.graph.graph import Graph
from durable_core.graph.json_format import FORMAT, VERSION
from durable_core.graph.model import GraphEdge, GraphNode, Group, NodeError, NodeState, Position, Size
from durable_core.graph.structure import Block, Structure, Way


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

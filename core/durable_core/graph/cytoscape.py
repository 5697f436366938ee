"""Cytoscape.js: elements with data, positions, classes and compound parents."""

from __future__ import annotations

import json
from typing import Any

from durable_core.graph.escape import one_line
from durable_core.graph.look import look_of, tone_of
from durable_core.graph.model import GraphData, GraphNode


def to_cytoscape(graph: GraphData) -> str:
    """The graph as Cytoscape.js JSON, the `.cyjs` form: ``cytoscape({elements: parsed.elements})`` draws it."""
    ids = _ids(graph)
    nodes: list[dict[str, Any]] = [
        {
            "data": {
                "id": group.id,
                "label": group.label,
                "type": f"{group.type}-group",
                **({"parent": group.parent} if group.parent else {}),
            },
            "classes": f"group {group.type}",
        }
        for group in graph.groups
    ]
    nodes.extend(_node(graph, node, ids[node.id]) for node in graph.nodes)
    edges = [
        {
            "data": {
                "id": f"e{number}",
                "source": ids[edge.source],
                "target": ids[edge.target],
                "type": edge.type,
                **({"label": one_line(edge.label)} if edge.label else {}),
                **({"taken": edge.taken} if edge.taken is not None else {}),
            },
            "classes": " ".join(
                [edge.type, *([] if edge.taken is None else ["taken"] if edge.taken else ["not-taken"])]
            ),
        }
        for number, edge in enumerate(graph.edges)
    ]
    document = {
        "data": {"name": one_line(graph.name), "status": graph.metadata.get("status")},
        "elements": {"nodes": nodes, "edges": edges},
        "layout": {"name": "preset"},
    }
    return json.dumps(document, indent=1) + "\n"


def _ids(graph: GraphData) -> dict[str, str]:
    """Ids as they are; one without a visible character, which Cytoscape refuses, becomes `node-<n>`."""
    ids = {node.id: node.id for node in graph.nodes}
    for number, id_ in enumerate(ids):
        if not one_line(id_).strip():
            name = f"node-{number}"
            while name in ids:
                name += "_"
            ids[id_] = name
    return ids


def _node(graph: GraphData, node: GraphNode, id_: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": id_,
        "label": node.label if node.type != "join" else "",
        "type": node.type,
        "path": node.path,
        "width": node.size.width,
        "height": node.size.height,
    }
    if node.group:
        data["parent"] = node.group
    classes: list[str] = [node.type]
    if graph.has_state:
        tone = tone_of(node.state)
        classes.append(tone.replace("_", "-"))
        data["status"] = None if node.state is None else node.state.status
        if node.type not in ("start", "end", "join"):
            look = look_of(graph, node)
            data["detail"], data["badge"] = look.line, look.badge or ""
    elif "detail" in node.metadata:
        data["detail"] = node.metadata["detail"]
    return {
        "data": data,
        "position": {"x": node.position.x, "y": node.position.y},
        "classes": " ".join(classes),
    }

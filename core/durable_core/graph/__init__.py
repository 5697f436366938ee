"""The picture of a workflow: one graph, one layout, and every format it can leave in."""

from __future__ import annotations

from durable_core.graph.build import build_graph
from durable_core.graph.facts import AttemptFact, CompensationFact, ExecutionFacts, TokenFact, WaitFact
from durable_core.graph.graph import Graph
from durable_core.graph.model import (
    EDGE_TYPES,
    NODE_STATUSES,
    NODE_TYPES,
    GraphEdge,
    GraphNode,
    Group,
    NodeError,
    NodeState,
    Position,
    Size,
)
from durable_core.graph.overlay import overlay, overlay_facts

__all__ = [
    "EDGE_TYPES",
    "NODE_STATUSES",
    "NODE_TYPES",
    "AttemptFact",
    "CompensationFact",
    "ExecutionFacts",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "Group",
    "NodeError",
    "NodeState",
    "Position",
    "Size",
    "TokenFact",
    "WaitFact",
    "build_graph",
    "overlay",
    "overlay_facts",
]

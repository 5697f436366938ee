"""A workflow's graph as frozen data: nodes, edges, groups, and the state of an execution on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, get_args

from durable_core.graph.structure import Structure

NodeType = Literal[
    "start",
    "end",
    "step",
    "decision",
    "switch",
    "parallel",
    "join",
    "loop",
    "foreach",
    "sleep",
    "event",
    "input",
    "call",
    "compensation",
]
EdgeType = Literal["normal", "conditional", "loop_back", "compensation"]
GroupType = Literal["parallel", "loop", "foreach"]
NodeStatus = Literal[
    "pending", "running", "waiting", "completed", "failed", "cancelled", "skipped", "uncertain", "compensated"
]
Theme = Literal["light", "dark", "adaptive"]
Direction = Literal["auto", "down", "right"]
"""Which way a picture goes; `auto` goes right where the whole graph is small, else down."""

DIRECTIONS: Final[tuple[str, ...]] = get_args(Direction)
NODE_TYPES: Final[tuple[str, ...]] = get_args(NodeType)
EDGE_TYPES: Final[tuple[str, ...]] = get_args(EdgeType)
NODE_STATUSES: Final[tuple[str, ...]] = get_args(NodeStatus)


@dataclass(frozen=True, slots=True)
class Position:
    """Centre of a node in the picture, in pixels from its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class NodeError:
    """What a failed node failed with."""

    type: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """Where an execution is with one node; where a node runs many times, over all its passes.

    A status of `skipped` is a branch that was not taken; `pending` waits for its turn, or for its next attempt when
    `retrying`. Inside a loop that is still going the state is that of the present iteration.
    """

    status: NodeStatus
    attempt: int = 0
    max_attempts: int = 0
    duration_ms: float | None = None
    """Of the last pass, or the mean of all when there were several (`done` > 1)."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: NodeError | None = None
    active: int = 0
    """How many passes are under way: running, waiting or due to retry."""
    iterations: int = 0
    """How often it was begun: iterations of a loop, passes of a node inside one."""
    done: int = 0
    """Passes that completed; finished items of a foreach, finished branches of a parallel."""
    total: int | None = None
    """Items of a foreach, branches of a parallel."""
    choice: str | None = None
    """Label of the branch a decision or switch took last."""
    due_in: float | None = None
    """Seconds until a wait ends or the next attempt begins, at the moment of the picture."""
    retrying: bool = False
    needs_answer: bool = False
    """A person is asked right now."""
    answered_by: str | None = None
    order: int = 0
    """Of a compensation: the how-maniest it ran as, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """One node of the graph. `path` is its place in the definition; start and end have none."""

    id: str
    type: NodeType
    label: str
    position: Position = Position(0, 0)
    size: Size = Size(0, 0)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    state: NodeState | None = None
    path: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """One edge. `taken`: True when the execution went along it, False when it chose another way, None before that."""

    source: str
    target: str
    type: EdgeType = "normal"
    label: str | None = None
    taken: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The inside of a parallel, loop or foreach; its header node stands in it."""

    id: str
    type: GroupType
    label: str
    header: str
    parent: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphData:
    """What a graph is made of; `Graph` adds the formats it can leave in."""

    name: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    groups: tuple[Group, ...]
    metadata: Mapping[str, Any]
    structure: Structure = field(repr=False)

    @cached_property
    def by_id(self) -> Mapping[str, GraphNode]:
        return {node.id: node for node in self.nodes}

    @property
    def has_state(self) -> bool:
        """Whether this is the graph of an execution."""
        return "status" in self.metadata

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GraphData):
            return NotImplemented
        mine = (self.name, self.nodes, self.edges, self.groups, dict(self.metadata), self.structure)
        return mine == (other.name, other.nodes, other.edges, other.groups, dict(other.metadata), other.structure)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

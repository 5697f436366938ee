"""A workflow's definition: its nodes, and where each of them stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    Json,
    LoopNode,
    Node,
    ParallelNode,
    Source,
    child_sequences,
)

_ENTERED = (LoopNode, ParallelNode)
"""What changes a token that comes to it: a loop begins to count, a parallel forks."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands among the others."""

    node: Node
    next: str | None
    """Path of the node after it in its sequence."""
    owner: str | None
    """Path of the composite around it; None at the top."""
    branch: int
    """Which sequence of the owner it is in."""
    depth: int
    """Number of loops and foreachs around it: the length of its iteration vector."""
    straight: str | None = None
    """`next`, where a finished node leads there and a token does nothing but stand there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One version of a workflow, as data. `hash` covers the structure and its options, not the bodies."""

    name: str
    nodes: tuple[Node, ...]
    description: str = ""
    queue: str = "default"
    priority: int = 0
    timeout: float | None = None
    version_policy: str = "pin"
    tags: tuple[str, ...] = ()
    input_schema: Json = None
    """JSON schema of the input model, for screens; None without one."""
    output: Source | None = None
    hash: str = ""
    text: str = field(default="", compare=False, repr=False)
    """Its document as JSON, where that was written to find its hash; the first start of a version stores it."""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    def node(self, path: str) -> Node:
        return self.places[path].node

    @property
    def first(self) -> str | None:
        """Path of the first node; None in an empty workflow."""
        return self.nodes[0].path if self.nodes else None

    def walk(self) -> Iterator[Node]:
        """Every node, in written order, composites before what is in them."""
        return (place.node for place in self.places.values())


def first_of(nodes: tuple[Node, ...]) -> str | None:
    return nodes[0].path if nodes else None


def place_nodes(nodes: tuple[Node, ...]) -> dict[str, Place]:
    """Where every node stands, in written order. Iterative: depth costs memory, never stack."""
    places: dict[str, Place] = {}
    # a stack of iterators keeps written order without recursion
    stack: list[tuple[tuple[Node, ...], int, str | None, int, int]] = [(nodes, 0, None, 0, 0)]
    while stack:
        sequence, position, owner, branch, depth = stack.pop()
        if position >= len(sequence):
            continue
        node = sequence[position]
        after = sequence[position + 1] if position + 1 < len(sequence) else None
        following = None if after is None else after.path
        straight = None if isinstance(node, DecisionNode) or isinstance(after, _ENTERED) else following
        places[node.path] = Place(node, following, owner, branch, depth, straight)
        stack.append((sequence, position + 1, owner, branch, depth))
        inner = depth + 1 if isinstance(node, LoopNode | ForeachNode) else depth
        for index, (_, body) in reversed(list(enumerate(child_sequences(node)))):
            stack.append((body, 0, node.path, index, inner))
    return places

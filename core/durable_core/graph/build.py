"""A definition becomes a graph: nodes, joins, compensations, edges, groups and positions. One pass, no recursion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    CallNode,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    LoopNode,
    Node,
    ParallelNode,
    SleepNode,
    SwitchNode,
    WorkNode,
    child_sequences,
)
from durable_core.graph.escape import one_line
from durable_core.graph.graph import Graph
from durable_core.graph.model import EdgeType, GraphEdge, GraphNode, Group, GroupType, NodeType
from durable_core.graph.place import place_nodes
from durable_core.graph.structure import Block, BlockKind, Structure, Way
from durable_core.graph.words import options_of

START: Final = "__start__"
END: Final = "__end__"
NO_MATCH: Final = "no match"
"""Label of the way past a switch that has no default."""

_KINDS: Final[dict[type[Node], BlockKind]] = {
    DecisionNode: "fork",
    SwitchNode: "fork",
    ParallelNode: "parallel",
    LoopNode: "loop",
    ForeachNode: "foreach",
}
_GROUPS: Final[dict[str, GroupType]] = {"parallel": "parallel", "loop": "loop", "foreach": "foreach"}


def build_graph(definition: Definition) -> Graph:
    """The graph of a workflow before anything runs."""
    builder = _Builder()
    builder.add_sequences(definition)
    structure = builder.connect()
    return Graph(
        name=definition.name,
        nodes=place_nodes(builder.nodes, structure),
        edges=tuple(builder.edges),
        groups=tuple(builder.groups),
        metadata={"description": definition.description, "version": definition.hash[:8]},
        structure=structure,
    )


@dataclass(slots=True)
class _Draft:
    """A block while its insides are still being read."""

    kind: BlockKind
    node: int
    depth: int
    owner: int
    join: int = -1
    compensation: int = -1
    last: int = -1
    after: int = -1
    compensates: int = -1
    labels: list[tuple[str, bool]] = field(default_factory=list)
    sequences: list[list[int]] = field(default_factory=list)
    enters: list[int] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)


class _Builder:
    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []
        self.groups: list[Group] = []
        self.drafts: list[_Draft] = []
        self.root: list[int] = []
        self.ids: set[str] = set()

    def add_sequences(self, definition: Definition) -> None:
        """Read the definition in written order; a stack of open sequences takes the place of recursion."""
        self.ids.update(place.node.id for place in definition.places.values())
        self._leaf(self.root, "start", START, "start")
        # (sequence, next position, where its blocks are listed, owner, depth, group); a number: that block is read
        stack: list[tuple[tuple[Node, ...], int, list[int], int, int, str | None] | int]
        stack = [(definition.nodes, 0, self.root, -1, 0, None)]
        while stack:
            item = stack.pop()
            if isinstance(item, int):
                self._close(item)
                continue
            sequence, position, listed, owner, depth, group = item
            if position >= len(sequence):
                continue
            stack.append((sequence, position + 1, listed, owner, depth, group))
            node = sequence[position]
            index = len(self.drafts)
            listed.append(index)
            kind = _KINDS.get(type(node), "leaf")
            inner = group
            if kind in _GROUPS:
                inner = self._free(f"{node.id}:group")
                self.groups.append(
                    Group(
                        id=inner,
                        type=_GROUPS[kind],
                        label=one_line(node.label or node.id),
                        header=node.id,
                        parent=group,
                    )
                )
            draft = _Draft(kind, self._node(node, inner), depth, owner)
            self.drafts.append(draft)
            if isinstance(node, WorkNode) and node.compensate is not None:
                draft.compensation = self._compensation(node, inner)
            stack.append(index)
            ways = _ways(node)
            draft.labels = [(label, shown) for label, shown, _ in ways]
            draft.sequences = [[] for _ in ways]
            for (_, _, body), blocks in zip(reversed(ways), reversed(draft.sequences), strict=True):
                stack.append((body, 0, blocks, index, depth + 1, inner))
        self._leaf(self.root, "end", END, "end")

    def connect(self) -> Structure:
        """Every edge, now that every block knows what is in it."""
        self._chain(self.root)
        for draft in self.drafts:
            header = self.nodes[draft.node].id
            join = self.nodes[draft.join].id if draft.join >= 0 else header
            conditional: EdgeType = "conditional" if draft.kind == "fork" else "normal"
            if draft.compensation >= 0:
                draft.compensates = self._edge(header, self.nodes[draft.compensation].id, "compensation")
            for (label, shown), sequence in zip(draft.labels, draft.sequences, strict=True):
                written = one_line(label) if shown else None
                if not sequence:
                    back: EdgeType = "loop_back" if draft.kind == "loop" else conditional
                    draft.enters.append(self._edge(header, join, back, written))
                    draft.leaves.append(-1)
                    continue
                first, last = self.drafts[sequence[0]], self.drafts[sequence[-1]]
                draft.enters.append(self._edge(header, self.nodes[first.node].id, conditional, written))
                self._chain(sequence)
                if draft.kind == "loop":
                    condition = one_line(str(self.nodes[draft.node].metadata.get("condition", "")))
                    last.after = self._edge(self._exit(last), header, "loop_back", condition or None)
                else:
                    last.after = self._edge(self._exit(last), join)
                draft.leaves.append(last.after)
        return Structure(tuple(_freeze(draft) for draft in self.drafts), tuple(self.root))

    def _chain(self, sequence: list[int]) -> None:
        for before, after in zip(sequence, sequence[1:], strict=False):
            left, right = self.drafts[before], self.drafts[after]
            left.after = self._edge(self._exit(left), self.nodes[right.node].id)

    def _exit(self, draft: _Draft) -> str:
        return self.nodes[draft.join if draft.join >= 0 else draft.node].id

    def _edge(self, source: str, target: str, kind: EdgeType = "normal", label: str | None = None) -> int:
        self.edges.append(GraphEdge(source=source, target=target, type=kind, label=label))
        return len(self.edges) - 1

    def _leaf(self, listed: list[int], kind: NodeType, id_: str, label: str) -> None:
        listed.append(len(self.drafts))
        self.drafts.append(_Draft("leaf", len(self.nodes), 0, -1, last=len(self.drafts)))
        self.nodes.append(GraphNode(id=self._free(id_), type=kind, label=label))

    def _node(self, node: Node, group: str | None) -> int:
        kind: Any = node.type
        self.nodes.append(
            GraphNode(
                id=node.id,
                type=kind,
                label=one_line(node.label or node.id) or node.type,
                metadata={"name": node.name, "detail": one_line(options_of(node)), **_metadata(node)},
                path=node.path,
                group=group,
            )
        )
        return len(self.nodes) - 1

    def _compensation(self, node: WorkNode, group: str | None) -> int:
        assert node.compensate is not None
        name = node.compensate.name
        self.nodes.append(
            GraphNode(
                id=self._free(f"{node.id}:compensation"),
                type="compensation",
                label=one_line(name) or "compensation",
                metadata={"name": name, "detail": "compensation", "of": node.id},
                path=node.path,
                group=group,
            )
        )
        return len(self.nodes) - 1

    def _close(self, index: int) -> None:
        draft = self.drafts[index]
        draft.last = len(self.drafts) - 1
        if draft.kind not in ("fork", "parallel", "foreach"):
            return
        header = self.nodes[draft.node]
        draft.join = len(self.nodes)
        self.nodes.append(
            GraphNode(
                id=self._free(f"{header.id}:join"),
                type="join",
                label="join",
                metadata={"of": header.id},
                path=header.path,
                group=header.group,
            )
        )

    def _free(self, wanted: str) -> str:
        """An id nobody uses: users may name a step ``charge:join``."""
        candidate, n = wanted, 1
        while candidate in self.ids:
            n += 1
            candidate = f"{wanted}_{n}"
        self.ids.add(candidate)
        return candidate


def _freeze(draft: _Draft) -> Block:
    ways = tuple(
        Way(label, shown, tuple(sequence), enter, leave)
        for (label, shown), sequence, enter, leave in zip(
            draft.labels, draft.sequences, draft.enters, draft.leaves, strict=True
        )
    )
    return Block(
        draft.kind,
        draft.node,
        draft.depth,
        ways,
        draft.join,
        draft.compensation,
        draft.after,
        draft.compensates,
        draft.owner,
        draft.last,
    )


def _ways(node: Node) -> list[tuple[str, bool, tuple[Node, ...]]]:
    shown = isinstance(node, DecisionNode | SwitchNode) or (isinstance(node, ParallelNode) and node.explicit_labels)
    ways = [(label or "", shown and bool(label), body) for label, body in child_sequences(node)]
    if isinstance(node, SwitchNode) and node.default is None:
        ways.append((NO_MATCH, True, ()))
    return ways


def _metadata(node: Node) -> dict[str, Any]:
    match node:
        case WorkNode():
            options = {
                "function": node.function,
                "max_attempts": node.retry.max_attempts,
                "timeout": node.timeout,
                "queue": node.queue,
                "compensation": node.compensate.name if node.compensate else None,
            }
        case SwitchNode():
            options = {"on": node.on.name or None}
        case LoopNode():
            options = {"condition": node.condition, "max_iterations": node.max_iterations}
        case ParallelNode():
            options = {"on_error": node.on_error, "concurrency": node.concurrency}
        case ForeachNode():
            options = {"items": node.items.name or None, "on_error": node.on_error, "concurrency": node.concurrency}
        case SleepNode():
            options = {"seconds": node.seconds, "until": node.until.name if node.until else None}
        case EventNode():
            options = {"events": list(node.events), "mode": node.mode, "timeout": node.timeout.seconds}
        case InputNode():
            options = {"input_type": node.input_type, "prompt": node.prompt, "timeout": node.timeout.seconds}
        case CallNode():
            options = {"workflow": node.workflow, "wait": node.wait, "timeout": node.timeout.seconds}
        case _:
            options = {}
    return {key: value for key, value in options.items() if value is not None and value != ""}

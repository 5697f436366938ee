"""An execution laid over its workflow's graph: a state on every node that was reached, and the way that was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from durable_core.graph.facts import ExecutionFacts
from durable_core.graph.graph import Graph
from durable_core.graph.model import GraphNode, NodeState
from durable_core.graph.reading import Reader
from durable_core.graph.structure import Block

_DONE: Final = NodeState(status="completed")
_SKIPPED: Final = NodeState(status="skipped")
_ENDED_WELL: Final = frozenset({"completed", "compensated"})


def overlay_facts(graph: Graph, facts: ExecutionFacts) -> Graph:
    """The graph with the state of an execution at one moment."""
    reading = Reader(graph, facts).read()
    end = facts.completed_at or facts.now
    metadata: dict[str, Any] = {
        "execution_id": facts.execution_id,
        "status": facts.status,
        "duration_ms": None if facts.started_at is None else (end - facts.started_at).total_seconds() * 1000.0,
        "error_step": facts.error_step,
        "error_type": facts.error_type,
        "error_message": facts.error_message or None,
    }
    if facts.version:
        metadata["version"] = facts.version
    return overlay(
        graph, reading.states, compensations=reading.compensations, choices=reading.choices, metadata=metadata
    )


def overlay(
    graph: Graph,
    states: Mapping[str, NodeState],
    *,
    compensations: Mapping[str, NodeState] | None = None,
    choices: Mapping[str, Mapping[str, int]] | None = None,
    metadata: Mapping[str, Any],
) -> Graph:
    """A new graph with `states` (by path), `compensations` (by path of their step) and what follows from them.

    `choices` counts how often each branch of a decision or switch was chosen; without it, `NodeState.choice` decides.
    `metadata` must hold the execution's `status`; `execution_id` and `duration_ms` appear in the pictures' headers.
    Branches that were not chosen become `skipped`; joins, edges, start and end follow from their neighbours.
    """
    return _Overlay(graph, states, compensations or {}, choices or {}, metadata).drawn()


class _Overlay:
    def __init__(
        self,
        graph: Graph,
        states: Mapping[str, NodeState],
        compensations: Mapping[str, NodeState],
        choices: Mapping[str, Mapping[str, int]],
        metadata: Mapping[str, Any],
    ) -> None:
        self.graph, self.choices, self.metadata = graph, choices, metadata
        self.blocks = graph.structure.blocks
        self.states: list[NodeState | None] = [
            compensations.get(node.path)
            if node.type == "compensation"
            else states.get(node.path)
            if node.path and node.type != "join"
            else None
            for node in graph.nodes
        ]
        self.taken: list[bool | None] = [None] * len(graph.edges)
        self.chosen: dict[int, list[bool]] = {}

    def drawn(self) -> Graph:
        self._skip_untaken()
        status = str(self.metadata["status"])
        begun = any(state is not None for state in self.states) or status != "pending"
        root = self.graph.structure.root
        for end, reached in ((root[0], begun), (root[-1], status == "completed")):
            self.states[self.blocks[end].node] = _DONE if reached else None
        for number in range(len(self.blocks) - 1, -1, -1):
            self._join(self.blocks[number], number)
        self._edges()
        nodes = tuple(_with_state(node, state) for node, state in zip(self.graph.nodes, self.states, strict=True))
        edges = tuple(
            edge if edge.taken is taken else replace(edge, taken=taken)
            for edge, taken in zip(self.graph.edges, self.taken, strict=True)
        )
        metadata = {**self.graph.metadata, **{key: value for key, value in self.metadata.items() if value is not None}}
        return replace(self.graph, nodes=nodes, edges=edges, metadata=metadata)

    def _skip_untaken(self) -> None:
        for number, block in enumerate(self.blocks):
            state = self.states[block.node]
            if block.kind != "fork" or state is None:
                continue
            if state.status == "skipped":
                self.chosen[number] = [False] * len(block.ways)
                continue
            path = self.graph.nodes[block.node].path
            labels = set(self.choices.get(path, ())) | ({state.choice} if state.choice is not None else set())
            if not labels and state.status not in _ENDED_WELL:
                continue
            known = {way.label for way in block.ways}
            if labels and not labels & known:
                labels = {block.ways[-1].label}  # the way for everything else
            went = [way.label in labels or self._reached(way.blocks) for way in block.ways]
            if not any(went):
                continue
            self.chosen[number] = went
            for way, taken in zip(block.ways, went, strict=True):
                if not taken and way.blocks:
                    self._skip(way.blocks[0], self.blocks[way.blocks[-1]].last)

    def _reached(self, sequence: tuple[int, ...]) -> bool:
        return bool(sequence) and self._is_reached(self.blocks[sequence[0]].node)

    def _skip(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            block = self.blocks[number]
            for node in (block.node, block.join, block.compensation):
                if node >= 0 and self.states[node] is None:
                    self.states[node] = _SKIPPED
            for edge in (block.after, block.compensates, *(way.enter for way in block.ways)):
                if edge >= 0:
                    self.taken[edge] = False

    def _is_reached(self, node: int) -> bool:
        state = self.states[node]
        return state is not None and state.status != "skipped"

    def _is_done(self, number: int) -> bool:
        """Whether the execution has left the block."""
        block = self.blocks[number]
        state = self.states[block.join if block.join >= 0 else block.node]
        return state is not None and state.status in _ENDED_WELL

    def _repeats(self, number: int) -> bool:
        owner = self.blocks[number].owner
        return owner >= 0 and self.blocks[owner].kind == "foreach"

    def _join(self, block: Block, number: int) -> None:
        if block.join < 0 or self.states[block.join] is not None:
            return
        state = self.states[block.node]
        if state is None or state.status == "skipped":
            self.states[block.join] = state
            return
        if block.kind == "fork":
            went = self.chosen.get(number, [])
            done = any(
                taken and (not way.blocks or self._is_done(way.blocks[-1]))
                for way, taken in zip(block.ways, went, strict=False)
            )
        else:
            done = state.status in _ENDED_WELL
        self.states[block.join] = _DONE if done else None

    def _edges(self) -> None:
        where = {node.id: number for number, node in enumerate(self.graph.nodes)}
        leaving: dict[int, int] = {}
        for number, block in enumerate(self.blocks):
            if block.after >= 0:
                leaving[block.after] = number
            for way, went in zip(block.ways, self.chosen.get(number, []), strict=False):
                self.taken[way.enter] = went
                if not went and way.leave >= 0:
                    self.taken[way.leave] = False
        for number, edge in enumerate(self.graph.edges):
            if self.taken[number] is not None:
                continue
            target = where[edge.target]
            if edge.type == "loop_back":
                state = self.states[target]
                went_back = state is not None and state.iterations > 1
            elif self.graph.nodes[target].type == "join":
                from_block = leaving.get(number)
                if from_block is None or self._repeats(from_block):
                    went_back = self._is_reached(target)  # one item more is not yet all of them
                else:
                    went_back = self._is_done(from_block)
            else:
                went_back = self._is_reached(target) and self._is_reached(where[edge.source])
            self.taken[number] = True if went_back else None


def _with_state(node: GraphNode, state: NodeState | None) -> GraphNode:
    return node if node.state is state else replace(node, state=state)

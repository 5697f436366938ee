"""Putting nodes where they stand: ids, paths and what is inside a composite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from durable_core.definition.nodes import (
    Branch,
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    escape_part,
    unescape_part,
)

__all__ = ["Ids", "join_path", "put_at", "split_path", "unique_texts"]


class Ids:
    """Hands out the ids of one workflow: ``notify``, ``notify_2`` ..., never the same twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """The name itself for its first use, then the name with the next free number."""
        count = self._counts.get(name, 0) + 1
        candidate = name if count == 1 else f"{name}_{count}"
        while candidate in self._taken:  # a node may be called notify_2 by its own name
            count += 1
            candidate = f"{name}_{count}"
        self._counts[name] = count
        self._taken.add(candidate)
        return candidate


def unique_texts(texts: Sequence[str]) -> list[str]:
    """The same texts in the same order, later repetitions numbered like ids."""
    ids = Ids()
    return [ids.claim(text) for text in texts]


def join_path(base: str, part: str) -> str:
    """The path one part further down."""
    escaped = escape_part(part)
    return f"{base}/{escaped}" if base else escaped


def split_path(path: str) -> list[str]:
    """The parts of a path as they were before escaping."""
    return [unescape_part(part) for part in path.split("/")] if path else []


def put_at(node: Node, node_id: str, path: str, sequences: Sequence[tuple[Node, ...]] = ()) -> Node:
    """The same node under this id and path, with `sequences` (in the order of `child_sequences`) inside it."""

    def filled(branches: Sequence[Branch], start: int = 0) -> tuple[Branch, ...]:
        return tuple(replace(branch, nodes=sequences[start + n]) for n, branch in enumerate(branches))

    match node:
        case DecisionNode():
            otherwise = node.otherwise and replace(node.otherwise, nodes=sequences[-1])
            return replace(node, id=node_id, path=path, branches=filled(node.branches), otherwise=otherwise)
        case SwitchNode():
            cases = tuple(
                replace(case, branch=replace(case.branch, nodes=sequences[n])) for n, case in enumerate(node.cases)
            )
            default = node.default and replace(node.default, nodes=sequences[-1])
            return replace(node, id=node_id, path=path, cases=cases, default=default)
        case ParallelNode():
            return replace(node, id=node_id, path=path, branches=filled(node.branches))
        case LoopNode() | ForeachNode():
            return replace(node, id=node_id, path=path, body=sequences[0])
        case _:
            return replace(node, id=node_id, path=path)

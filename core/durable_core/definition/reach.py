"""What a token may still come to, and which functions of the workflow each node asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    WorkNode,
    binding_key,
    child_sequences,
)

__all__ = ["ahead_of", "following", "forks_around", "functions_of", "joins_at"]


def ahead_of(definition: Definition, path: str, *, joined: bool = False) -> Iterator[Node]:
    """Every node that a token at `path` may come to before it ends, its own first.

    It ends with its branch: what lies behind the join of a parallel or foreach is ahead of the token that waits there.
    `joined`: its branches have ended, so what is in its own node is behind it.
    """
    seen: set[str] = set()
    at: str | None = path
    inside = not joined
    while at is not None:
        place = definition.places[at]
        yield from _unseen(place.node, seen, inside)
        following_path: str | None = place.next
        while following_path is not None:
            place = definition.places[following_path]
            yield from _unseen(place.node, seen, True)
            following_path = place.next
        at, inside = place.owner, False
        if at is not None:
            owner = definition.places[at].node
            if isinstance(owner, ParallelNode | ForeachNode):
                return
            inside = isinstance(owner, LoopNode)  # it may come round again


def _unseen(node: Node, seen: set[str], inside: bool) -> Iterator[Node]:
    pending = [node]
    while pending:
        each = pending.pop()
        if each.path not in seen:
            seen.add(each.path)
            yield each
        if each is not node or inside:
            pending.extend(inner for _, body in reversed(child_sequences(each)) for inner in reversed(body))


def following(definition: Definition, path: str) -> tuple[Node, ...]:
    """The nodes that may come right after the node at `path`; empty when its branch, or the flow, ends with it."""
    node = definition.places[path].node
    if isinstance(node, DecisionNode | SwitchNode | LoopNode):
        first = [body[0] for _, body in child_sequences(node) if body]
        after = _after(definition, path)
        return tuple({each.path: each for each in (*first, *after)}.values())
    return _after(definition, path)


def _after(definition: Definition, path: str) -> tuple[Node, ...]:
    at = path
    while True:
        place = definition.places[at]
        if place.next is not None:
            return (definition.places[place.next].node,)
        if place.owner is None:
            return ()
        owner = definition.places[place.owner].node
        if isinstance(owner, LoopNode | ParallelNode | ForeachNode):
            return (owner,)  # the loop's next test, or the join
        at = place.owner


def joins_at(definition: Definition, path: str) -> bool:
    """Whether a token at `path` ends at the join of a parallel or foreach, and not with the whole flow."""
    at = definition.places[path].owner
    while at is not None:
        if isinstance(definition.places[at].node, ParallelNode | ForeachNode):
            return True
        at = definition.places[at].owner
    return False


def functions_of(node: Node) -> tuple[str, ...]:
    """Binding keys of the functions that running the node asks for; its compensation is not one of them."""
    roles: list[str] = []
    if isinstance(node, WorkNode):
        roles.append("body")
    if isinstance(node, LoopNode):
        roles.append("while")
    for role in ("on", "items", "until", "input"):
        if getattr(getattr(node, role, None), "kind", None) == "function":
            roles.append(role)
    if isinstance(node, SwitchNode):
        roles.extend(f"guard:{number}" for number, case in enumerate(node.cases) if case.kind == "guard")
    if getattr(node, "merge", None) == "function":
        roles.append("merge")
    if getattr(node, "schema", None) is not None:
        roles.append("schema")
    return tuple(binding_key(node.path, role) for role in roles)


def forks_around(
    definition: Definition, path: str, iterations: tuple[int, ...]
) -> list[tuple[ParallelNode | ForeachNode, tuple[int, ...], int]]:
    """The parallels and foreachs around a node, outermost first, each with its iterations and the branch taken."""
    found: list[tuple[ParallelNode | ForeachNode, tuple[int, ...], int]] = []
    at = path
    while True:
        place = definition.places[at]
        if place.owner is None:
            return found[::-1]
        owner = definition.places[place.owner]
        if isinstance(owner.node, ParallelNode):
            found.append((owner.node, iterations[: owner.depth], place.branch))
        elif isinstance(owner.node, ForeachNode):
            found.append((owner.node, iterations[: owner.depth], iterations[owner.depth]))
        at = place.owner

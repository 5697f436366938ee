"""Groups with what is directly in them, walked without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from durable_core.graph.model import GraphData, GraphNode, Group

Visit = tuple[Literal["open", "close"], Group] | tuple[Literal["node"], GraphNode]


def walk(graph: GraphData) -> Iterator[Visit]:
    """Groups opened and closed around the nodes in them, in written order."""
    inside: dict[str | None, list[GraphNode | Group]] = {}
    group_of = {group.header: group for group in graph.groups}
    for node in graph.nodes:
        group = group_of.get(node.id)
        if group is not None:
            inside.setdefault(group.parent, []).append(group)
        inside.setdefault(node.group, []).append(node)
    stack: list[Iterator[GraphNode | Group]] = [iter(inside.get(None, ()))]
    opened: list[Group] = []
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            if opened:
                yield ("close", opened.pop())
        elif isinstance(item, Group):
            yield ("open", item)
            opened.append(item)
            stack.append(iter(inside.get(item.id, ())))
        else:
            yield ("node", item)

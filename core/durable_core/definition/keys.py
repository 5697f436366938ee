"""How a decision's result finds its branch, and a switch's value its case: by kind and text, so 1 and True differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from durable_core.definition.nodes import Branch, DecisionNode, SwitchNode

__all__ = ["UNKEYED", "branch_key", "choose_branch", "label_text", "match_branch", "match_case"]

UNKEYED = "other"
"""The kind of values that can label nothing: lists, mappings, objects."""


def branch_key(value: object) -> tuple[str, str]:
    """What a label or result is compared by: ``("str", "x")``, ``("int", "3")``, ``("enum", "Color.RED")`` ..."""
    if isinstance(value, Enum):
        return ("enum", f"{type(value).__name__}.{value.name}")
    if value is None:
        return ("none", "")
    if isinstance(value, bool):
        return ("bool", "true" if value else "false")
    if isinstance(value, str):
        return ("str", str.__str__(value))
    if isinstance(value, int):
        return ("int", str(int(value)))
    if isinstance(value, float):
        return ("float", repr(float(value)))
    return (UNKEYED, type(value).__name__)


def label_text(value: object) -> str:
    """A label as people see it: strings as they are, anything else as Python writes it."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return value or "''"
    return repr(value)


def _keys_of(value: object) -> list[tuple[str, str]]:
    """The keys a value answers to: its own, and for an Enum member that of its value as well."""
    keys = [branch_key(value)]
    if isinstance(value, Enum):
        keys.append(branch_key(value.value))
    return keys


def choose_branch(node: DecisionNode, value: object) -> int | None:
    """Index into `child_sequences(node)` of the branch that `value` takes; None when there is none."""
    for key in _keys_of(value):
        for index, branch in enumerate(node.branches):
            if branch.key == key:
                return index
    return len(node.branches) if node.otherwise is not None else None


def match_branch(node: DecisionNode, value: object) -> Branch | None:
    """The branch that a decision's result takes: its label, else ``otherwise``, else None."""
    index = choose_branch(node, value)
    if index is None:
        return None
    return node.branches[index] if index < len(node.branches) else node.otherwise


def match_case(node: SwitchNode, value: object, holds: Callable[[int], bool]) -> int | None:
    """Index into `child_sequences(node)` of the first case that matches, in written order; None passes through.

    `holds(n)` says whether the guard of case *n* holds; it is asked only when no earlier case matched.
    """
    keys = _keys_of(value)
    for index, case in enumerate(node.cases):
        match case.kind:
            case "literal":
                matched = case.key in keys
            case "regex":
                matched = isinstance(value, str) and _compiled(case.pattern, case.flags).fullmatch(value) is not None
            case "guard":
                matched = holds(index)
        if matched:
            return index
    return len(node.cases) if node.default is not None else None


@lru_cache(maxsize=512)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)

"""What the builders return: one part of a flow, not yet placed in a workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import GeneratorType, MethodType
from typing import Any, TypeAlias

from durable_core.definition.checks import DefinitionLimitError, fault
from durable_core.definition.nodes import Node
from durable_core.dsl.functions import function_name
from durable_core.dsl.origin import StepOrigin
from durable_core.limits import LIMITS

__all__ = ["Element", "Flow", "FlowPart", "nested_depth", "sequence"]


class FlowPart:
    """Anything that may stand in a flow."""

    __slots__ = ()

    def as_element(self, where: str) -> Element:
        """This part as an element of the flow of `where`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Element(FlowPart):
    """One node with neither id nor path, what is inside it, and the functions it uses, by role."""

    node: Node
    sequences: tuple[tuple[Element, ...], ...] = ()
    """In the order of `child_sequences(node)`."""
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    retry_on: Mapping[str, tuple[type[BaseException], ...]] = field(default_factory=dict)
    origins: Mapping[str, StepOrigin] = field(default_factory=dict)
    """Which @step a function came from, by role: the body follows when that step is defined again."""
    own_retry: bool = True
    """Whether the retry policy was written at the step; otherwise the workflow's default counts."""
    depth: int = 0

    @property
    def name(self) -> str:
        """What the results of this element are stored under."""
        return self.node.name

    def as_element(self, where: str) -> Element:
        return self

    def __repr__(self) -> str:
        return f"<{self.node.type} {self.name!r}>"


Flow: TypeAlias = FlowPart | Sequence["Flow"]
"""What users write where a flow is wanted: one node or a list of them, nested as they like."""


def nested_depth(sequences: Sequence[tuple[Element, ...]], where: str) -> int:
    """The depth of a composite with these sequences in it; refuses what nests too deeply."""
    depth = 1 + max((element.depth for body in sequences for element in body), default=0)
    if depth > LIMITS.nesting:
        raise DefinitionLimitError(
            f"{where}: composites nest {depth} deep, the limit is {LIMITS.nesting}",
            node=where,
            limit=LIMITS.nesting,
            actual=depth,
            hint="Move the inner part to a workflow of its own and call() it.",
        )
    return depth


def sequence(value: object, where: str, level: int = 0) -> tuple[Element, ...]:
    """The elements of what a user wrote as a flow: one node, or a list with lists in it."""
    if isinstance(value, FlowPart):
        return (value.as_element(where),)
    if isinstance(value, list | tuple):
        if level > LIMITS.nesting:
            raise DefinitionLimitError(
                f"{where}: lists nest more than {LIMITS.nesting} deep", node=where, limit=LIMITS.nesting, actual=level
            )
        return tuple(element for item in value for element in sequence(item, where, level + 1))
    raise _no_node(value, where)


def _no_node(value: object, where: str) -> Exception:
    if value is None:
        return fault(where, "None is no node", "Return the flow as a list, and write steps without calling them.")
    if isinstance(value, GeneratorType):
        return fault(where, "a generator is no flow", "Return a list.")
    if isinstance(value, type):
        return fault(where, f"the class {value.__name__} is no node", "Put steps, waits and composites into a flow.")
    if isinstance(value, str):
        return fault(where, f"the string {value!r} is no node", f"Write the step itself, or call({value!r}).")
    if isinstance(value, MethodType):
        return fault(
            where, f"the method {function_name(value)} is no node", "Write a function that calls it and add @step."
        )
    if callable(value):
        name = function_name(value)
        return fault(where, f"the function {name!r} is no node:", f"add @step above def {name}.")
    if hasattr(value, "__await__"):
        return fault(where, "a coroutine is no node", "Write the step without calling it.")
    if isinstance(value, dict | set | frozenset):
        return fault(where, f"a {type(value).__name__} is no flow", "Write a list, or parallel(name, {...}).")
    return fault(
        where,
        f"{value!r} is no node",
        "A flow holds steps, waits and composites. Was a step called instead of named? Write it without ().",
    )

"""From the elements a user wrote to the nodes of a definition, with the functions that belong to them beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from durable_core.definition.checks import fault
from durable_core.definition.document import with_hash
from durable_core.definition.model import Definition
from durable_core.definition.nodes import Node, RetryPolicy, WorkNode, binding_key, child_sequences
from durable_core.definition.paths import Ids, join_path, put_at
from durable_core.dsl.element import Element
from durable_core.dsl.functions import fingerprint
from durable_core.dsl.origin import StepOrigin
from durable_core.dsl.retry import Retry, policy_of

__all__ = ["Compiled", "combined_fingerprint", "compile_flow"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A definition and, by binding key, everything in it that is no data."""

    definition: Definition
    bindings: dict[str, Callable[..., Any]]
    retry_on: dict[str, tuple[type[BaseException], ...]]
    """By the binding keys of bodies and compensations."""
    bodies: dict[str, str]
    """Fingerprints of the functions."""
    step_origins: dict[str, StepOrigin]


@dataclass(slots=True)
class _Compiler:
    """What is gathered while the elements of one workflow are placed."""

    workflow: str
    default_policy: RetryPolicy
    default_classes: tuple[type[BaseException], ...]
    ids: Ids = field(default_factory=Ids)
    bindings: dict[str, Callable[..., Any]] = field(default_factory=dict)
    retry_on: dict[str, tuple[type[BaseException], ...]] = field(default_factory=dict)
    step_origins: dict[str, StepOrigin] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def place(self, element: Element, base: str) -> Node:
        """The element's node with its id and path, ids claimed in written order, composites before what is in them.

        Recursion is bounded: every composite has checked its depth when it was built.
        """
        node = element.node
        node_id = self.ids.claim(node.name)
        path = join_path(base, node_id)
        if isinstance(node, WorkNode):
            self._check_same_function(node.name, element.functions["body"])
            if not element.own_retry and node.retry is not self.default_policy:
                node = replace(node, retry=self.default_policy)
        for role, fn in element.functions.items():
            self.bindings[binding_key(path, role)] = fn
        for role, classes in element.retry_on.items():
            plain = role == "body" and not element.own_retry
            self.retry_on[binding_key(path, role)] = self.default_classes if plain else classes
        for role, origin in element.origins.items():
            self.step_origins[binding_key(path, role)] = origin
        sequences = [
            tuple([self.place(inner, path if label is None else join_path(path, label)) for inner in body])
            for (label, _), body in zip(child_sequences(node), element.sequences, strict=True)
        ]
        return put_at(node, node_id, path, sequences)

    def _check_same_function(self, name: str, fn: Callable[..., Any]) -> None:
        known = self.functions.setdefault(name, fn)
        if known is not fn:
            raise fault(
                f"workflow {self.workflow!r}",
                f"two different functions are called {name!r}: {_place(known)} and {_place(fn)}",
                f"Rename one, or give one use another name: {name}.with_options(name=...).",
            )


def _place(fn: Callable[..., Any]) -> str:
    code = getattr(fn, "__code__", None)
    return fn.__qualname__ if code is None else f"{fn.__qualname__} (line {code.co_firstlineno})"


def compile_flow(
    outline: Definition,
    elements: tuple[Element, ...],
    *,
    retry: Retry,
    output: Callable[..., Any] | None = None,
) -> Compiled:
    """Compile `elements` into `outline`, which has the workflow's own options; `retry` is the default for steps."""
    if not elements:
        raise fault(f"workflow {outline.name!r}", "nothing to run", "Return a list with at least one node.")
    policy, classes = policy_of(retry)
    compiler = _Compiler(outline.name, policy, classes)
    nodes = tuple([compiler.place(element, "") for element in elements])
    if output is not None:
        compiler.bindings[binding_key("", "output")] = output
    prints: dict[int, str] = {}  # one function may stand in thousands of places
    bodies: dict[str, str] = {}
    for key, fn in compiler.bindings.items():
        found = prints.get(id(fn))
        if found is None:
            found = prints[id(fn)] = fingerprint(fn)
        bodies[key] = found
    return Compiled(
        definition=with_hash(replace(outline, nodes=nodes)),
        bindings=compiler.bindings,
        retry_on=compiler.retry_on,
        bodies=bodies,
        step_origins=compiler.step_origins,
    )


def combined_fingerprint(definition_hash: str, bodies: Mapping[str, str]) -> str:
    """One fingerprint of structure and bodies together: 16 hex digits."""
    text = "\n".join([definition_hash, *(f"{key}={bodies[key]}" for key in sorted(bodies))])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]

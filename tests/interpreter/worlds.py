"""Bodies for generated definitions: what each does follows from a seed, where it stands and the context it sees."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from durable_core.definition.document import with_hash
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    child_sequences,
)
from durable_core.definition.paths import put_at
from tests.strategies.definitions import definitions

MERGES = ("last_wins", "deep_merge", "collect")


def number(*parts: object) -> int:
    return zlib.crc32(json.dumps(parts, sort_keys=True, default=str).encode())


class World:
    """A definition, the bodies it runs, and which of them fail, how often."""

    def __init__(self, definition: Definition, seed: int, failing: Mapping[str, int]) -> None:
        self.definition = definition
        self.seed = seed
        self.failing = failing
        """How many times in a row the body at a path fails in each iteration; large numbers mean always."""

    def __repr__(self) -> str:
        def shown(nodes: tuple[Node, ...]) -> str:
            return "[" + ", ".join(f"{n.type} {n.id}" + "".join(map(inside, child_sequences(n))) for n in nodes) + "]"

        def inside(branch: tuple[str | None, tuple[Node, ...]]) -> str:
            return f" {branch[0]}:{shown(branch[1])}"

        return f"<world {self.seed} failing {dict(self.failing)}: {shown(self.definition.nodes)}>"

    @property
    def input(self) -> dict[str, Any]:
        return {"s0": self.seed, "d0": {"a": 1, "b": {"c": 2}}, "n0": 5}

    def bodies(self, fail: bool = True) -> dict[str, Callable[..., Any]]:
        """Fresh bodies; failures are counted from here on."""
        calls: dict[str, int] = {}
        return {path: self._body(place.node, calls, fail) for path, place in self.definition.places.items()}

    def _body(self, node: Node, calls: dict[str, int], fail: bool) -> Callable[..., Any]:
        def body(context: dict[str, Any], at: tuple[int, ...]) -> Any:
            here = f"{node.path}@{at}"
            calls[here] = calls.get(here, 0) + 1
            if fail and calls[here] <= self.failing.get(node.path, 0):
                raise ValueError(here)
            chosen = number(self.seed, node.path, at[:-1] if isinstance(node, LoopNode) else at)
            match node:
                case LoopNode():
                    return at[-1] < chosen % (min(node.max_iterations, 3) + 1)
                case ForeachNode():
                    return list(range(chosen % 4))
                case SwitchNode():
                    keys = [case.key for case in node.cases]
                    kind, text = keys[chosen % len(keys)] or ("str", "")  # type: ignore[misc]
                    return _value(kind, text) if chosen % 5 else "nothing like it"
                case DecisionNode():
                    kind, text = node.branches[chosen % len(node.branches)].key or ("str", "")
                    other = node.otherwise is not None and chosen % 5 == 0
                    return ("no such label" if other else _value(kind, text)), self._ops(node, context, at, chosen)
            return chosen % 1000, self._ops(node, context, at, chosen)

        return body

    def _ops(self, node: Node, context: dict[str, Any], at: tuple[int, ...], chosen: int) -> list[list[Any]]:
        seen = number(context)  # what the body sees shows in what it writes: T-1
        ops: list[list[Any]] = [["app", "trace", [node.path, list(at), seen]]]
        for n in range(chosen % 3):
            key = (chosen >> (3 + 2 * n)) % 3
            match (chosen >> (9 + 3 * n)) % 6:
                case 0:
                    ops.append(["set", f"s{key}", seen % 100])
                case 1:
                    if f"s{key}" in context:
                        ops.append(["del", f"s{key}"])
                case 2:
                    ops.append(["set", f"d{key}", {"abc"[key]: seen % 7, "b": {"ef"[key % 2]: [seen % 3]}}])
                case 3:
                    ops.append(["inc", f"n{key}", 1 + seen % 5])
                case 4:
                    ops.append(["set", f"l{key}", [seen % 9]])
                case _:
                    if isinstance(context.get(f"l{key}", []), list):
                        ops.append(["app", f"l{key}", chosen % 11])
        return ops


def _value(kind: str, text: str) -> Any:
    match kind:
        case "bool":
            return text == "true"
        case "int":
            return int(text)
        case "none":
            return None
        case _:
            return text


def _with_merges(nodes: tuple[Node, ...], seed: int, on_error: str | None) -> tuple[Node, ...]:
    made = []
    for node in nodes:
        inner = [_with_merges(body, seed, on_error) for _, body in child_sequences(node)]
        if inner:
            node = put_at(node, node.id, node.path, inner)
        if isinstance(node, ParallelNode | ForeachNode):
            chosen = number(seed, "merge", node.path)
            node = replace(node, merge=MERGES[chosen % 3], on_error=on_error or node.on_error)  # type: ignore[arg-type]
        if isinstance(node, ForeachNode) and number(seed, "collect", node.path) % 2:
            node = replace(node, collect="s9")
        made.append(node)
    return tuple(made)


@st.composite
def worlds(draw: st.DrawFn, *, failures: int = 0, times: int = 1_000_000, on_error: str | None = None) -> World:
    """Definitions with bodies; up to `failures` of those fail `times` times in each iteration."""
    drawn = draw(definitions(max_nodes=18))
    seed = draw(st.integers(0, 2**32))
    definition = with_hash(replace(drawn, nodes=_with_merges(drawn.nodes, seed, on_error)))
    paths = sorted(definition.places)
    failing = draw(st.lists(st.sampled_from(paths), max_size=failures, unique=True)) if failures else []
    return World(definition, seed, dict.fromkeys(failing, times))

"""A second, naive opinion: walks the nested nodes by recursion, branch after branch, with no tokens and no sums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from durable_core.definition.keys import match_branch, match_case
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

Ops = list[list[Any]]


class Broken(Exception):
    """A body raised; `errors` names the paths of the bodies whose failures went up."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(", ".join(paths))
        self.paths = paths


class Walk:
    """What the walk of one execution came to."""

    def __init__(self, definition: Definition, input: Mapping[str, Any], bodies: Mapping[str, Any]) -> None:
        self.bodies = bodies
        self.taken: list[list[Any]] = []
        self.status, self.output, self.failed = "completed", None, list[str]()
        self.ops: Ops = []
        self.input = dict(input)
        try:
            self.output = self.sequence(definition.nodes, (), self.input, self.ops)
        except Broken as broken:
            self.status, self.failed = "failed", broken.paths

    @property
    def context(self) -> dict[str, Any]:
        return applied(self.input, self.ops)

    def sequence(self, nodes: tuple[Node, ...], at: tuple[int, ...], base: dict[str, Any], ops: Ops) -> Any:
        output = None
        for node in nodes:
            output = self.node(node, at, base, ops)
        return output

    def node(self, node: Node, at: tuple[int, ...], base: dict[str, Any], ops: Ops) -> Any:
        context = applied(base, ops)
        match node:
            case LoopNode():
                output, count = None, 0
                while self.call(node, context, (*at, count)):
                    if count == node.max_iterations:
                        raise Broken([node.path])
                    output = self.sequence(node.body, (*at, count), base, ops)
                    count += 1
                    context = applied(base, ops)
                return output
            case SwitchNode():
                index = match_case(node, self.call(node, context, at), lambda number: False)
                return None if index is None else self.sequence(child_sequences(node)[index][1], at, base, ops)
            case ParallelNode():
                bodies = [(branch.label, branch.nodes, at) for branch in node.branches]
                outputs = self.branches(node, bodies, context, ops)
                return dict(zip((label for label, _, _ in bodies), outputs, strict=True))
            case ForeachNode():
                items = self.call(node, context, at)
                outputs = self.branches(node, [(str(n), node.body, (*at, n)) for n in range(len(items))], context, ops)
                if node.collect is not None:
                    ops.append(["set", node.collect, outputs])
                return outputs
        output, made = self.call(node, context, at)
        ops.extend(made)
        self.taken.append([node.path, list(at)])
        if not isinstance(node, DecisionNode):
            return output
        branch = match_branch(node, output)
        assert branch is not None
        return self.sequence(branch.nodes, at, base, ops)

    def call(self, node: Node, context: dict[str, Any], at: tuple[int, ...]) -> Any:
        try:
            return self.bodies[node.path](context, at)
        except Exception:
            raise Broken([node.path]) from None

    def branches(self, node: Any, bodies: list[Any], fork: dict[str, Any], ops: Ops) -> list[Any]:
        outputs, made, broken = [], list[Ops](), list[str]()
        for _, nodes, at in bodies:
            made.append([])
            try:
                outputs.append(self.sequence(nodes, at, fork, made[-1]))
            except Broken as error:
                if node.on_error == "fail_fast":
                    raise
                broken += error.paths
        if broken:
            raise Broken(broken)
        ops.extend(joined(fork, made, node.merge))
        return outputs


def applied(base: dict[str, Any], ops: Ops) -> dict[str, Any]:
    context = json.loads(json.dumps(base))
    for kind, key, *rest in ops:
        if kind == "set":
            context[key] = rest[0]
        elif kind == "del":
            context.pop(key, None)
        elif kind == "inc":
            context[key] = context.get(key, 0) + rest[0]
        else:
            context[key] = [*context.get(key, []), rest[0]]
    return context  # type: ignore[no-any-return]


def joined(fork: dict[str, Any], branches: list[Ops], merge: str) -> Ops:
    """X-3 by hand: what each branch settled of a key, joined; then what each of them added, in written order."""
    settled: dict[str, list[tuple[int, Any]]] = {}
    additions: list[tuple[int, str, Ops]] = []
    for number, ops in enumerate(branches):
        for key in dict.fromkeys(op[1] for op in ops):
            own = [op for op in ops if op[1] == key]
            last = max((at for at, op in enumerate(own) if op[0] in ("set", "del")), default=-1)
            if last >= 0:
                settled.setdefault(key, []).append((number, own[last]))
            additions.append((number, key, own[last + 1 :]))
    result: Ops = []
    spent: set[tuple[int, str]] = set()
    for key, each in settled.items():
        if merge == "collect" and len(each) > 1:
            spent |= {(number, key) for number, _ in each}
            added = [(op, next(o for n, k, o in additions if (n, k) == (number, key))) for number, op in each]
            values = [v[key] for op, more in added if key in (v := applied({}, [op, *more]))]
            result.append(["del", key] if not values else ["set", key, values if len(values) > 1 else values[0]])
        elif merge == "deep_merge":
            current: Any = fork.get(key)
            for _, op in each:
                current = None if op[0] == "del" else united(fork.get(key), current, op[2])
            result.append(["del", key] if each[-1][1][0] == "del" else ["set", key, current])
        else:
            result.append(each[-1][1])
    for number, key, more in additions:
        if (number, key) not in spent:
            result += more
    return result


def united(fork: Any, current: Any, new: Any) -> Any:
    if not (isinstance(current, dict) and isinstance(new, dict)):
        return new
    begun = fork if isinstance(fork, dict) else {}
    result = dict(current)
    for key, value in new.items():
        if key in result and key in begun and begun[key] == value:
            continue
        result[key] = united(begun.get(key), result[key], value) if key in result else value
    return result

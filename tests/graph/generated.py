"""Definitions grown from a seed: every composite in every other, empty branches, long labels, any size."""

from __future__ import annotations

import random

from durable_core.definition.model import Definition
from tests.graph import flows

_LABELS = ("yes", "no", "otherwise", "a", "total above the limit of ten thousand", "high_value", "medium")


def grow(seed: int, size: int) -> Definition:
    """A definition of about `size` nodes; the same seed grows the same one."""
    draw = random.Random(seed)
    left = [size]
    count = [0]

    def name(kind: str) -> str:
        count[0] += 1
        return f"{kind}_{count[0]}" + draw.choice(["", "", "", "_with_a_rather_long_name"])

    def leaf() -> flows.Make:
        left[0] -= 1
        kind = draw.randrange(8)
        if kind == 0:
            return flows.sleep(name("sleep"), 60)
        if kind == 1:
            return flows.event(name("event"), 3600)
        if kind == 2:
            return flows.ask(name("ask"))
        if kind == 3:
            return flows.call(name("call"))
        return flows.step(name("step"), undo="undo_it" if draw.random() < 0.25 else None, tries=draw.randint(1, 4))

    def sequence(depth: int, least: int = 0) -> list[flows.Make]:
        return [node(depth) for _ in range(draw.randint(least, 3)) if left[0] > 0 or least]

    def node(depth: int) -> flows.Make:
        if left[0] <= 1 or depth > 5 or draw.random() < 0.5:
            return leaf()
        left[0] -= 1
        kind = draw.choice(["decision", "switch", "parallel", "parallel", "loop", "foreach"])
        if kind in ("loop", "foreach"):
            body = sequence(depth + 1, least=draw.randint(0, 1))
            return flows.loop(name(kind), *body) if kind == "loop" else flows.foreach(name(kind), *body)
        labels = draw.sample(_LABELS, draw.randint(1, 5))
        ways = {label.replace(" ", "_"): sequence(depth + 1) for label in labels}
        if kind == "decision":
            return flows.decide(name(kind), ways, undo="undo_it" if draw.random() < 0.2 else None)
        if kind == "switch":
            return flows.switch(name(kind), default=draw.choice([None, []]), **ways)
        if draw.random() < 0.5:
            return flows.parallel(name(kind), **ways)
        return flows.parallel(name(kind), *ways.values())

    makes = []
    while left[0] > 0:
        makes.append(node(0))
    return flows.define(f"grown_{seed}", *makes)


def deep(depth: int) -> Definition:
    """Loops in loops; paths are short, or they alone would be megabytes."""
    from durable_core.definition.model import place_nodes
    from durable_core.definition.nodes import LoopNode, Node, StepNode

    inner: Node = StepNode(id="inmost", name="inmost", path="inmost", function="flows:inmost")
    for level in range(depth, 0, -1):
        inner = LoopNode(id=f"loop_{level}", name=f"loop_{level}", path=f"l{level}", condition="more", body=(inner,))
    return Definition(name="deep", nodes=(inner,), hash="1", places=place_nodes((inner,)))


def flat(count: int) -> Definition:
    return flows.define("flat", *[flows.step(f"step_{number}") for number in range(count)])


def mixed(count: int) -> Definition:
    """Decisions, parallels and loops one after the other: realistic and of any size."""
    makes: list[flows.Make] = []
    for number in range(count // 8):
        makes.append(flows.decide(f"d{number}", {"a": [flows.step(f"s{number}"), flows.step(f"t{number}")], "b": []}))
        makes.append(flows.parallel(f"p{number}", [flows.step(f"u{number}")], [flows.step(f"v{number}")]))
        makes.append(flows.loop(f"l{number}", flows.step(f"w{number}")))
    return flows.define("mixed", *makes)

"""Shapes that end by themselves: sequences, choices, loops, branches, retries."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from durable_core.context import Context
from durable_core.dsl import Retry, decision, foreach, loop, parallel, step, switch, workflow
from tests.crash.ledger import noted
from tests.crash.shapes.shape import AUX, Shape

# --- a sequence ----------------------------------------------------------------------------------------------------


@step
def first(ctx: Context) -> None:
    with noted(ctx):
        ctx.append("trail", "first")


@step
async def second(ctx: Context) -> None:
    with noted(ctx):
        await asyncio.sleep(0.005)
        ctx.append("trail", "second")


@step
def third(ctx: Context) -> dict[str, Any]:
    with noted(ctx):
        return {"third": len(ctx["trail"])}


@workflow
def sequence() -> Any:
    return [first, second, third, first.with_options(name="fourth")]


# --- a decision and a switch ---------------------------------------------------------------------------------------


@decision
def pick(ctx: Context) -> str:
    with noted(ctx):
        return "left"


@step
def go_left(ctx: Context) -> None:
    with noted(ctx):
        ctx["kind"] = "even"


@step
def go_right(ctx: Context) -> None:
    with noted(ctx):
        ctx["kind"] = "odd"


@step
def even(ctx: Context) -> None:
    with noted(ctx):
        ctx.increment("evens")


@workflow
def choice() -> Any:
    return [
        pick.branch(left=[go_left, first], right=go_right),
        switch("route", on="kind", cases={"even": [even, third], "odd": go_right}),
    ]


# --- a loop --------------------------------------------------------------------------------------------------------


@step
def turn(ctx: Context) -> None:
    with noted(ctx):
        ctx.increment("turns")


@step
async def turned(ctx: Context) -> None:
    with noted(ctx):
        ctx.append("seen", ctx["turns"])


@step
def third_of_seen(ctx: Context) -> dict[str, Any]:
    with noted(ctx):
        return {"third": ctx["seen"][2]}


@workflow
def looping() -> Any:
    return [loop("rounds", [turn, turned], while_=lambda ctx: ctx.get("turns", 0) < 4), third_of_seen]


# --- a foreach -----------------------------------------------------------------------------------------------------


@step
def double(ctx: Context, item: int) -> int:
    with noted(ctx):
        ctx.increment("sum", item)
        return item * 2


@step
async def negate(ctx: Context, item: int) -> int:
    with noted(ctx):
        return -ctx["double"]


@workflow
def each() -> Any:
    return [foreach("items", [double, negate], items="numbers", concurrency=4, collect="negated"), even]


# --- branches on two queues ----------------------------------------------------------------------------------------


@step
def near(ctx: Context) -> None:
    with noted(ctx):
        ctx.append("marks", "near")


@step(queue=AUX)
def far(ctx: Context) -> None:
    with noted(ctx):
        time.sleep(0.01)
        ctx.append("marks", "far")


@step(queue=AUX)
async def farther(ctx: Context) -> None:
    with noted(ctx):
        await asyncio.sleep(0.01)
        ctx.append("marks", "farther")


@workflow
def branches() -> Any:
    return [
        parallel("split", {"near": [near, near.with_options(name="nearer")], "far": [far, farther], "none": []}),
        even,
    ]


# --- a parallel inside a foreach -----------------------------------------------------------------------------------


@workflow
def nested() -> Any:
    rounds = loop("rounds", turn, while_=lambda ctx: ctx.get("turns", 0) < (ctx.index + 1) * 2)
    return [foreach("rows", parallel("cells", {"turns": rounds, "sum": double}), items="numbers", concurrency=2), even]


# --- retries with a stored backoff ---------------------------------------------------------------------------------


@step(retry=Retry(max_attempts=4, base=0.05, cap=0.05, jitter=0.0, retry_on=(ConnectionError,)))
def unsteady(ctx: Context) -> None:
    with noted(ctx):
        ctx.increment("attempts")
        if ctx.attempt < 3:
            raise ConnectionError("not yet")


@step(retry=Retry(max_attempts=2, base=0.02, jitter=0.0))
async def unsteady_too(ctx: Context) -> None:
    with noted(ctx):
        ctx.increment("attempts")
        if ctx.attempt < 2:
            raise ConnectionError("not yet")


@workflow
def flaky() -> Any:
    return [first, unsteady, unsteady_too]


NUMBERS = {"numbers": [0, 1, 2, 3]}

SHAPES = {
    "sequence": Shape(sequence, context={"trail": ["first", "second", "first"], "third": 2}),
    "choice": Shape(choice, context={"pick": "left", "kind": "even", "trail": ["first"], "evens": 1, "third": 1}),
    "looping": Shape(looping, context={"turns": 4, "seen": [1, 2, 3, 4], "third": 3}),
    "each": Shape(
        each, input=NUMBERS, context={"sum": 6, "double": 6, "negate": -6, "negated": [0, -2, -4, -6], "evens": 1}
    ),
    "branches": Shape(branches, context={"marks": ["near", "near", "far", "farther"], "evens": 1}),
    "nested": Shape(nested, input=NUMBERS, context={"turns": 20, "sum": 6, "double": 6, "evens": 1}),
    "flaky": Shape(flaky, context={"trail": ["first"], "attempts": 2}),
}

"""The shapes of workflows that are run, killed and run on; every body writes to the ledger."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durable_core.context import Context
from durable_core.dsl import (
    Retry,
    Workflow,
    call,
    decision,
    foreach,
    loop,
    parallel,
    sleep_for,
    step,
    switch,
    wait_for_event,
    wait_for_input,
    workflow,
)
from tests.crash.ledger import VARIABLE, noted

AUX = "aux"


@dataclass(frozen=True, slots=True)
class Shape:
    """One workflow, and what is true of it in the end however often its workers were killed."""

    workflow: Workflow
    status: str = "completed"
    input: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    """What the final context holds besides the input; None where the moment of the crash may be seen in it."""
    steady: bool = True
    """Exactly the same steps complete in every run."""


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


# --- compensation --------------------------------------------------------------------------------------------------


def undo(ctx: Context) -> None:
    with noted(ctx, "undo-"):
        pass


@step(retry=Retry(max_attempts=3, base=0.02, jitter=0.0))
async def undo_late(ctx: Context) -> None:
    with noted(ctx, "undo-"):
        await asyncio.sleep(0.005)
        if ctx.attempt < 2:
            raise ConnectionError("not yet")


@step(compensate=undo)
def book(ctx: Context) -> str:
    with noted(ctx):
        ctx.increment("booked")
        return "booked"


@step(compensate=undo_late)
async def book_late(ctx: Context) -> None:
    with noted(ctx):
        ctx.increment("booked")


@step(compensate=undo)
def explode(ctx: Context) -> None:
    with noted(ctx):
        raise ValueError("boom")


@workflow
def saga() -> Any:
    return [
        book.with_options(name="hotel"),
        foreach("flights", book, items="numbers", concurrency=3),
        parallel("extras", {"car": book.with_options(name="car"), "train": [book_late, first]}),
        explode,
    ]


# --- fail-fast with a running sibling ------------------------------------------------------------------------------


@step(compensate=undo)
def book_slowly(ctx: Context) -> None:
    with noted(ctx):
        time.sleep(0.08)


@step(compensate=undo)
async def book_for_long(ctx: Context) -> None:
    with noted(ctx):
        await asyncio.sleep(0.15)


@step
def fail_soon(ctx: Context) -> None:
    with noted(ctx):
        time.sleep(0.02)
        raise ValueError("boom")


@workflow
def failfast() -> Any:
    together = {"slow": [book_slowly, first], "soon": fail_soon, "long": [book_for_long, second]}
    return [book, parallel("together", together), third]


# --- waits and a child ---------------------------------------------------------------------------------------------


@step
def pausing(ctx: Context) -> None:
    with noted(ctx):
        ctx.once("effect", _effect, ctx.idempotency_key)
        ctx.sleep_for(0.03)
        ctx.increment("rested")


def _effect(key: str) -> str:
    return key


@workflow
def resting() -> Any:
    return [first, sleep_for(0.05, name="nap"), pausing, sleep_for(0.01, name="blink"), third]


@workflow
def asked() -> Any:
    return [
        first,
        wait_for_event("go", name="go"),
        second,
        wait_for_input("consent", type="approval", prompt="Go on?"),
        third,
    ]


@workflow
def child() -> Any:
    return [book, second, third]


@workflow
def parent() -> Any:
    return [first, call(child, input=lambda ctx: {"trail": ["child"]}, name="child"), second]


# --- what people do from outside -----------------------------------------------------------------------------------


@step
def slow_turn(ctx: Context) -> None:
    with noted(ctx):
        time.sleep(0.01)
        ctx.increment("turns")


@workflow
def paused() -> Any:
    return [loop("rounds", slow_turn, while_=lambda ctx: ctx.get("turns", 0) < 5), even]


@workflow
def cancelled() -> Any:
    return [book, loop("rounds", slow_turn, while_=lambda ctx: True, max_iterations=100_000)]


@step
def fail_until_allowed(ctx: Context) -> None:
    with noted(ctx):
        if not allowed(ctx.execution_id).exists():
            raise ValueError("not allowed yet")


@workflow
def retried() -> Any:
    return [first, parallel("pair", {"good": [near, far], "bad": fail_until_allowed}, on_error="complete_all"), third]


def allowed(execution_id: str) -> Path:
    """The file that lets a failed execution succeed when it is retried."""
    return Path(f"{os.environ[VARIABLE]}.{execution_id}.allowed")


# --- bodies that end their process ---------------------------------------------------------------------------------


@step
def kill_process(ctx: Context) -> None:
    with noted(ctx):
        os.kill(os.getpid(), signal.SIGKILL)


@workflow
def poison() -> Any:
    return [first, kill_process, even]


def undo_and_die(ctx: Context) -> None:
    with noted(ctx, "undo-"):
        os.kill(os.getpid(), signal.SIGKILL)


@step(compensate=undo_and_die)
def book_badly(ctx: Context) -> None:
    with noted(ctx):
        pass


@workflow
def bad_undo() -> Any:
    return [book, book_badly, explode]


@step
def linger(ctx: Context, seconds: float) -> None:
    with noted(ctx):
        time.sleep(seconds)
        ctx.increment("lingered")


@workflow
def lingering() -> Any:
    return [first, linger, third]


NUMBERS = {"numbers": [0, 1, 2, 3]}

SHAPES: dict[str, Shape] = {
    "sequence": Shape(sequence, context={"trail": ["first", "second", "first"], "third": 2}),
    "choice": Shape(choice, context={"pick": "left", "kind": "even", "trail": ["first"], "evens": 1, "third": 1}),
    "looping": Shape(looping, context={"turns": 4, "seen": [1, 2, 3, 4], "third": 3}),
    "each": Shape(
        each, input=NUMBERS, context={"sum": 6, "double": 6, "negate": -6, "negated": [0, -2, -4, -6], "evens": 1}
    ),
    "branches": Shape(branches, context={"marks": ["near", "near", "far", "farther"], "evens": 1}),
    "nested": Shape(nested, input=NUMBERS, context={"turns": 20, "sum": 6, "double": 6, "evens": 1}),
    "flaky": Shape(flaky, context={"trail": ["first"], "attempts": 2}),
    "saga": Shape(saga, status="compensated", input=NUMBERS),
    "failfast": Shape(failfast, status="compensated", steady=False),
    "resting": Shape(resting, context={"trail": ["first"], "rested": 1, "third": 1}),
    "asked": Shape(asked, context={"trail": ["first", "second"], "go": {"n": 1}, "consent": "approved", "third": 2}),
    "parent": Shape(
        parent,
        context={"trail": ["first", "second"], "child": {"third": 2}},
    ),
    "paused": Shape(paused, context={"turns": 5, "evens": 1}),
    "cancelled": Shape(cancelled, status="compensated", steady=False),
    "retried": Shape(retried, context={"trail": ["first"], "marks": ["near", "far"], "third": 1}),
}
"""All of them run in each enumeration of crash points."""

OTHERS: dict[str, Shape] = {
    "poison": Shape(poison, status="failed"),
    "lingering": Shape(lingering, input={"seconds": 0.3}, context={"trail": ["first"], "lingered": 1, "third": 1}),
    "bad_undo": Shape(bad_undo, status="compensation_failed", steady=False),
}
"""Only where a test asks for them."""

ALL = {**SHAPES, **OTHERS}

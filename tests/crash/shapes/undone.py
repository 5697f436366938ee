"""Shapes that fail, run out of time, and undo what they did."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from durable_core.context import Context
from durable_core.dsl import Retry, foreach, parallel, sleep_for, step, wait_for_event, workflow
from durable_core.engine.engine import Engine
from tests.crash.ledger import noted
from tests.crash.shapes.plain import NUMBERS, first, second, third
from tests.crash.shapes.shape import Shape, State, allowed

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


# --- a handler that fails until the compensation is retried ----------------------------------------------------------


def undo_when_allowed(ctx: Context) -> None:
    with noted(ctx, "undo-"):
        if not allowed(ctx.execution_id).exists():
            raise ValueError("not allowed yet")


@step(compensate=undo_when_allowed)
def book_stubbornly(ctx: Context) -> None:
    with noted(ctx):
        pass


@workflow
def mended() -> Any:
    return [book, book_stubbornly, book.with_options(name="last"), explode]


def mend(engine: Engine, id: str, state: State) -> bool:
    if state.status == "compensation_failed":
        allowed(id).touch()
        engine.retry(id)
    return state.status == "compensation_failed"


# --- what does not come in time --------------------------------------------------------------------------------------


@workflow
def overdue() -> Any:
    return [book, wait_for_event("never", timeout=0.05, on_timeout="fail", name="never"), third]


@workflow(timeout=0.4)
def timed() -> Any:
    return [book, sleep_for(3600, name="for_ever"), third]


SHAPES = {
    "saga": Shape(saga, status="compensated", input=NUMBERS),
    "failfast": Shape(failfast, status="compensated", steady=False),
    "mended": Shape(mended, status="compensated", in_order=False, steer=mend),
    "overdue": Shape(overdue, status="compensated"),
    # its time may be over before anything was booked
    "timed": Shape(timed, status=("compensated", "failed"), steady=False),
}

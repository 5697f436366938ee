"""Shapes that end their process, or take their time; only where a test asks for them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from durable_core.context import Context
from durable_core.dsl import step, workflow
from tests.crash.ledger import has_begun, noted
from tests.crash.shapes.plain import even, first, third
from tests.crash.shapes.shape import Shape
from tests.crash.shapes.undone import book, explode

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
    lasts = ctx.get("again", seconds) if has_begun(ctx.idempotency_key) else seconds
    with noted(ctx):
        time.sleep(lasts)
        ctx.increment("lingered")


@workflow
def lingering() -> Any:
    return [first, linger, third]


SHAPES = {
    "poison": Shape(poison, status="failed"),
    "lingering": Shape(lingering, input={"seconds": 0.3}, context={"trail": ["first"], "lingered": 1, "third": 1}),
    "bad_undo": Shape(bad_undo, status="compensation_failed", steady=False),
}

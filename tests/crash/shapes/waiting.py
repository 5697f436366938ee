"""Shapes that wait, in bodies and as nodes: for a time, for events of all kinds, for people."""

from __future__ import annotations

from typing import Any

from durable_core.context import Context
from durable_core.dsl import (
    FormField,
    parallel,
    sleep_for,
    step,
    wait_for_all,
    wait_for_any,
    wait_for_event,
    wait_for_input,
    workflow,
)
from durable_core.engine.engine import Engine
from tests.crash.ledger import noted, write
from tests.crash.shapes.plain import first, second, third
from tests.crash.shapes.shape import Shape, State, first_time

# --- sleeps ----------------------------------------------------------------------------------------------------------


@step
def pausing(ctx: Context) -> None:
    with noted(ctx):
        ctx.once("effect", _effect, ctx.idempotency_key)
        ctx.sleep_for(0.03)
        ctx.increment("rested")


def _effect(key: str) -> str:
    write("once", key, 0)
    return key


async def _slow_effect(key: str) -> str:
    write("once", f"{key}:slow", 0)
    return key


@workflow
def resting() -> Any:
    return [first, sleep_for(0.05, name="nap"), pausing, sleep_for(0.01, name="blink"), third]


# --- events and answers as nodes -------------------------------------------------------------------------------------


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
def gathered() -> Any:
    return [
        parallel(
            "many",
            {
                "any": wait_for_any(["left", "right"], name="way"),
                "all": [wait_for_all(["go", "come"], name="both"), first],
                "news": wait_for_event("news", where={"run": "$run"}, name="news"),
                "late": wait_for_event("never", timeout=0.08, timeout_value="late", name="late"),
                "form": wait_for_input("details", fields=[FormField("n", type="integer", required=True)]),
            },
        ),
        third,
    ]


# --- several waits in one body ---------------------------------------------------------------------------------------


@step
async def asking(ctx: Context) -> None:
    with noted(ctx):
        ctx.once("effect", _effect, ctx.idempotency_key)
        ctx.wait_for_event("go")
        await ctx.once("slow effect", _slow_effect, ctx.idempotency_key)
        ctx.wait_for_any(["left", "right"], name="way")
        ctx.wait_for_all(["come", "stay"], name="both")
        ctx.wait_for_input("consent", type="approval")
        ctx.sleep_for(0.01)
        ctx.wait_for_event("never", timeout=0.01, timeout_value="late", name="late")


@workflow
def bodily() -> Any:
    return [first, asking, third]


# --- what others send ------------------------------------------------------------------------------------------------

ANSWERS = {"consent": "approved", "details": {"n": 7}}


def answer(engine: Engine, id: str, state: State) -> bool:
    """Send what is waited for, early or late and more than once, and answer what is asked."""
    if state.status not in ("pending", "running", "waiting"):
        return False
    for event in ("go", "come", "stay", "left"):
        if first_time(f"{id} {event}"):
            engine.send_event(event, {"n": 1}, execution_id=id, id=f"{id}-{event}")
    if first_time(f"{id} news"):
        engine.send_event("news", {"run": id}, id=f"{id}-news", keep_for=600)
        engine.send_event("news", {"run": "nobody"})
    with engine.database.read() as tx:
        asks = tx.fetch(
            "SELECT name FROM waits WHERE execution_id = :id AND kind = 'input' AND status = 'open'", {"id": id}
        )
    for (name,) in asks:
        engine.provide_input(id, name, ANSWERS[name], by="ana")
    return False


ONE, WAY = {"n": 1}, {"event": "left", "payload": {"n": 1}}

SHAPES = {
    "resting": Shape(resting, context={"trail": ["first"], "rested": 1, "third": 1}, passes={"pausing": 1}),
    "asked": Shape(
        asked,
        context={"trail": ["first", "second"], "go": ONE, "consent": "approved", "third": 2},
        steer=answer,
    ),
    "gathered": Shape(
        gathered,
        input={"run": "$id"},
        context={
            "trail": ["first"],
            "way": WAY,
            "both": {"go": ONE, "come": ONE},
            "news": {"run": "$id"},
            "late": "late",
            "details": {"n": 7},
            "third": 1,
        },
        steer=answer,
    ),
    "bodily": Shape(
        bodily,
        context={
            "trail": ["first"],
            "go": ONE,
            "way": WAY,
            "both": {"come": ONE, "stay": ONE},
            "consent": "approved",
            "late": "late",
            "third": 1,
        },
        steer=answer,
        passes={"asking": 6},
    ),
}

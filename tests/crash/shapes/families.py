"""Shapes with children: waited for or not, as nodes and in bodies, failing, and going down with their parent."""

from __future__ import annotations

from typing import Any

from durable_core.context import Context
from durable_core.dsl import call, sleep_for, step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionFailed
from tests.crash.ledger import noted
from tests.crash.shapes.plain import first, second, third
from tests.crash.shapes.shape import Shape, State
from tests.crash.shapes.undone import book, explode


@workflow
def child() -> Any:
    return [book, second, third]


@workflow
def parent() -> Any:
    return [first, call(child, input=lambda ctx: {"trail": ["child"]}, name="child"), second]


# --- children of a body ----------------------------------------------------------------------------------------------


@workflow
def bad_child() -> Any:
    return [book, explode]


@step
def calling(ctx: Context) -> None:
    with noted(ctx):
        ctx.call(child, {"trail": ["child"]}, name="waited")
        ctx.call(child, {"trail": ["child"]}, name="loose", wait=False)
        ctx["loose"] = "somewhere"
        try:
            ctx.call(bad_child, name="bad")
        except ExecutionFailed as error:
            ctx["bad"] = error.status


@workflow
def family() -> Any:
    return [calling, call(child, input=lambda ctx: {"trail": []}, name="apart", wait=False), first]


# --- a child that goes down with its parent --------------------------------------------------------------------------


@workflow
def sleeping_child() -> Any:
    return [first, sleep_for(3600, name="for_ever")]


@workflow
def bereft() -> Any:
    return [book, call(sleeping_child, name="sleeping_child"), third]


def stop_parent(engine: Engine, id: str, state: State) -> bool:
    if state.status == "waiting":
        with engine.database.read() as tx:
            asleep = tx.fetch("SELECT id FROM executions WHERE parent_id = :id AND status = 'waiting'", {"id": id})
        if asleep:
            engine.cancel(id, mode="compensate")
    return False


SHAPES = {
    "parent": Shape(parent, context={"trail": ["first", "second"], "child": {"third": 2}}, children={"child": 1}),
    "family": Shape(
        family,
        context={
            "waited": {"third": 2},
            "loose": "somewhere",
            "bad": "compensated",
            "apart": "$child",
            "trail": ["first"],
        },
        passes={"calling": 3},
        children={"child": 3, "bad_child": 1},
    ),
    "bereft": Shape(bereft, status="compensated", steer=stop_parent, children={"sleeping_child": 1}),
}

CHILDREN = {"child": "completed", "bad_child": "compensated", "sleeping_child": "cancelled"}
"""How the children end, by workflow."""

"""Shapes that people do something to: pause, cancel, retry, fork, schedule."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from durable_core.context import Context
from durable_core.dsl import loop, parallel, step, wait_for_event, workflow
from durable_core.engine.engine import Engine
from tests.crash.ledger import noted
from tests.crash.shapes.plain import even, far, first, near, second, third
from tests.crash.shapes.shape import Shape, State, allowed
from tests.crash.shapes.undone import book


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


@workflow
def stopped() -> Any:
    return [first, wait_for_event("never", name="never"), third]


@workflow
def terminated() -> Any:
    return [loop("rounds", slow_turn, while_=lambda ctx: True, max_iterations=100_000)]


@workflow
def forked() -> Any:
    return [first, second, third]


@workflow
def scheduled() -> Any:
    return [first]


@workflow
def ticked() -> Any:
    return [first, second]


# --- what is done to them --------------------------------------------------------------------------------------------


def pause_and_resume(engine: Engine, id: str, state: State) -> bool:
    marker = Path(f"{allowed(id)}.paused")
    if state.paused:
        engine.resume(id)
        marker.touch()
    elif not marker.exists() and state.status == "running":
        engine.pause(id)
    return False


def _turns(engine: Engine, id: str) -> bool:
    with engine.database.read() as tx:
        return bool(tx.fetch("SELECT 1 FROM steps WHERE execution_id = :id AND name = 'slow_turn' LIMIT 1", {"id": id}))


def cancel(engine: Engine, id: str, state: State) -> bool:
    if state.status == "running" and _turns(engine, id):
        engine.cancel(id, mode="compensate")
    return False


def terminate(engine: Engine, id: str, state: State) -> bool:
    if state.status == "running" and _turns(engine, id):
        engine.cancel(id, mode="terminate")
    return False


def stop(engine: Engine, id: str, state: State) -> bool:
    if state.status == "waiting":
        engine.cancel(id)
    return False


def retry(engine: Engine, id: str, state: State) -> bool:
    if state.status == "failed":
        allowed(id).touch()
        engine.retry(id)
    return state.status == "failed"


def fork(engine: Engine, id: str, state: State) -> bool:
    if state.status != "completed":
        return False
    with engine.database.read() as tx:
        known = tx.fetch("SELECT id FROM executions WHERE forked_from = :id", {"id": id})
    if not known:
        engine.fork(id, step="second", context={"trail": ["edited"]})
    return not known


MINUTE_US = 60_000_000
TICKS = 3
_BEGIN = """
UPDATE scheduled_workflows SET enabled = 1, next_at = :next WHERE name = :name AND enabled = 0"""


def schedule(engine: Engine, id: str, state: State) -> bool:
    """A schedule of that name, whose last three ticks were missed; it is stopped once they are made up for."""
    with engine.database.read() as tx:
        found = tx.fetch_one("SELECT enabled FROM scheduled_workflows WHERE name = :name", {"name": id})
        made_up = len(tx.fetch("SELECT tick_at FROM schedule_ticks WHERE schedule = :name", {"name": id})) >= TICKS
        now = tx.now()
    if found is None:
        options: dict[str, Any] = {"overlap": "allow", "catch_up": "all", "enabled": False}
        engine.schedules.create(id, ticked, cron="* * * * *", **options)
    elif not found[0] and not made_up:
        with engine.database.write() as tx:
            tx.execute(_BEGIN, {"name": id, "next": (now // MINUTE_US - TICKS + 1) * MINUTE_US})
        engine.wake_scheduler()
    elif found[0] and made_up:
        engine.schedules.disable(id)
    return found is None or bool(found[0]) or not made_up


SHAPES = {
    "paused": Shape(paused, context={"turns": 5, "evens": 1}, steer=pause_and_resume),
    "cancelled": Shape(cancelled, status="compensated", steady=False, steer=cancel),
    "retried": Shape(retried, context={"trail": ["first"], "marks": ["near", "far"], "third": 1}, steer=retry),
    "stopped": Shape(stopped, status="cancelled", context={"trail": ["first"]}, steer=stop),
    "terminated": Shape(terminated, status="cancelled", steady=False, steer=terminate, cut=True),
    "forked": Shape(forked, context={"trail": ["first", "second"], "third": 2}, steer=fork),
    "scheduled": Shape(scheduled, context={"trail": ["first"]}, steer=schedule),
}

FORKED = {"trail": ["edited", "second"], "third": 2}
"""What the context of the fork is in the end."""

"""A worker process with one of two versions of a workflow: ``worker_of.py URL old|new``. Ends when its input does."""

from __future__ import annotations

import sys
from typing import Any

from durable_core.dsl import step, wait_for_event, workflow
from durable_core.engine.engine import Engine

url, version = sys.argv[1:]


def noted(name: str) -> Any:
    @step(name=name)
    def body(ctx: Any) -> None:
        ctx.append("ran", f"{name} of {version}")

    return body


@workflow(name="flow")
def flow() -> Any:
    gates = [wait_for_event("go", name="gate"), noted("b"), wait_for_event("on", name="second")]
    if version == "old":
        return [noted("a"), *gates, noted("gone")]
    return [noted("a"), noted("fresh"), *gates, noted("other")]


with Engine(url) as engine:
    engine.start_worker()
    print("works", flush=True)
    for line in sys.stdin:
        if line.strip() == "start":
            print(engine.start(flow, {"ran": []}).id, flush=True)

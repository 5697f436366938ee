"""LangGraph with its SQLite checkpointer and `durability="sync"`: each step is stored before the next begins."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from bench.installed import installed_size
from bench.place import Place
from bench.samples import import_times, p50_p99_ms


class State(TypedDict):
    n: int


def _trivial(state: State) -> dict[str, int]:
    return {"n": state["n"] + 1}


async def _trivial_async(state: State) -> dict[str, int]:
    return {"n": state["n"] + 1}


def _cycle(body: Any, steps: int, saver: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("s", body)
    graph.add_edge(START, "s")
    graph.add_conditional_edges("s", lambda state: "s" if state["n"] < steps else END)
    return graph.compile(checkpointer=saver)


def _line(*bodies: Any, saver: Any) -> Any:
    graph = StateGraph(State)
    before = START
    for number, body in enumerate(bodies):
        graph.add_node(f"s{number}", body)
        graph.add_edge(before, f"s{number}")
        before = f"s{number}"
    return graph.compile(checkpointer=saver)


def _saver(place: Place) -> SqliteSaver:
    saver = SqliteSaver(sqlite3.connect(place.sqlite_path, check_same_thread=False))
    saver.setup()
    return saver


def _config(thread: object, limit: int = 25) -> Any:
    return {"configurable": {"thread_id": str(thread)}, "recursion_limit": limit}


def step(place: Place) -> dict[str, float]:
    steps = place.options["peer_steps"]
    saver = _saver(place)
    _cycle(_trivial, 100, saver).invoke({"n": 0}, _config("warm", 200), durability="sync")
    graph = _cycle(_trivial, steps, saver)
    began = time.perf_counter()
    graph.invoke({"n": 0}, _config("run", steps + 10), durability="sync")
    return {"us": (time.perf_counter() - began) / steps * 1e6}


def fan_sync(place: Place) -> dict[str, float]:
    """One after the other: its threads only take turns on the one connection."""
    count, steps = place.options["peer_workflows"], place.options["steps"]
    graph = _line(*[_trivial] * steps, saver=_saver(place))
    graph.invoke({"n": 0}, _config("warm"), durability="sync")
    began = time.perf_counter()
    for number in range(count):
        graph.invoke({"n": 0}, _config(number), durability="sync")
    return {"rate": count / (time.perf_counter() - began)}


def fan(place: Place) -> dict[str, float]:
    count, steps = place.options["peer_workflows"], place.options["steps"]

    async def run() -> float:
        async with AsyncSqliteSaver.from_conn_string(str(place.sqlite_path)) as saver:
            await saver.setup()
            graph = _line(*[_trivial_async] * steps, saver=saver)
            await graph.ainvoke({"n": 0}, _config("warm"), durability="sync")
            began = time.perf_counter()
            await asyncio.gather(
                *(graph.ainvoke({"n": 0}, _config(number), durability="sync") for number in range(count))
            )
            return count / (time.perf_counter() - began)

    return {"rate": asyncio.run(run())}


_stamps: list[int] = []


def _stamp(state: State) -> dict[str, int]:
    _stamps.append(time.perf_counter_ns())
    return {"n": 1}


def start(place: Place) -> dict[str, float]:
    graph = _line(_stamp, saver=_saver(place))
    samples = []
    for number in range(place.options["peer_samples"]):
        _stamps.clear()
        asked = time.perf_counter_ns()
        graph.invoke({"n": 0}, _config(number), durability="sync")
        samples.append(_stamps[0] - asked)
    return p50_p99_ms(samples[1:])


def _ask(state: State) -> dict[str, int]:
    interrupt("go?")
    return {"n": 1}


def event(place: Place) -> dict[str, float]:
    graph = _line(_ask, _stamp, saver=_saver(place))
    samples = []
    for number in range(place.options["peer_samples"]):
        graph.invoke({"n": 0}, _config(number), durability="sync")
        _stamps.clear()
        asked = time.perf_counter_ns()
        graph.invoke(Command(resume="yes"), _config(number), durability="sync")
        samples.append(_stamps[0] - asked)
    return p50_p99_ms(samples[1:])


def imports(place: Place) -> dict[str, float]:
    modules = "langgraph.graph, langgraph.types, langgraph.checkpoint.sqlite.aio"
    return import_times({"engine_ms": ("-c", f"import {modules}")}, place.options["times"])


def installed(place: Place) -> dict[str, float]:
    return installed_size("langgraph", "langgraph-checkpoint-sqlite")


MEASUREMENTS = {
    "step": step,
    "fan": fan,
    "fan-sync": fan_sync,
    "start": start,
    "event": event,
    "imports": imports,
    "installed": installed,
}

"""Generated definitions: nested flows of every kind, built from nodes or through what users write."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from durable_core.definition.document import with_hash
from durable_core.definition.keys import branch_key, label_text
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    Branch,
    CallNode,
    Case,
    CompensationSpec,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    LoopNode,
    Node,
    ParallelNode,
    RetryPolicy,
    SleepNode,
    Source,
    StepNode,
    SwitchNode,
    TimeoutRule,
    child_sequences,
)
from durable_core.definition.paths import Ids, join_path, put_at
from durable_core.dsl import (
    Element,
    Flow,
    Retry,
    Step,
    Workflow,
    decision,
    foreach,
    loop,
    parallel,
    registry,
    sleep_for,
    step,
    switch,
    wait_for_event,
    workflow,
)

__all__ = ["definitions", "labels", "names", "workflows"]

names = st.sampled_from(["charge", "ship", "notify", "a/b", "50%", "añade", "step_2", "notify_2"])
labels = st.one_of(st.sampled_from(["high", "low", "", "a/b"]), st.booleans(), st.integers(-3, 3), st.none())
_plain = {"id": "", "path": ""}


@st.composite
def _retries(draw: st.DrawFn) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=draw(st.integers(1, 4)),
        backoff=draw(st.sampled_from(["exponential", "linear", "constant"])),
        base=draw(st.floats(0, 5)),
        jitter=draw(st.floats(0, 1)),
    )


@st.composite
def _work(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(names)
    undo = st.builds(CompensationSpec, name=st.just("undo"), timeout=st.none() | st.just(3.0))
    return {
        **_plain,
        "name": name,
        "function": f"flows:{name}",
        "retry": draw(st.just(RetryPolicy()) | _retries()),
        "timeout": draw(st.none() | st.just(30.0)),
        "compensate": draw(st.none() | undo),
        "output": draw(st.none() | st.just("result")),
    }


_timeouts = st.just(TimeoutRule()) | st.builds(
    TimeoutRule,
    seconds=st.floats(0, 100),
    value=st.none() | st.just({"$key": [1, None]}),
    on_timeout=st.sampled_from(["resume", "fail"]),
)


def _leaves(waits: bool) -> st.SearchStrategy[tuple[Node, list[Any]]]:
    steps = _work().map(lambda options: StepNode(**options))
    if not waits:
        return steps.map(lambda node: (node, []))
    return st.one_of(
        steps,
        st.builds(SleepNode, **{k: st.just(v) for k, v in _plain.items()}, name=names, seconds=st.floats(0, 9)),
        st.builds(
            EventNode,
            **{k: st.just(v) for k, v in _plain.items()},
            name=names,
            events=st.sampled_from([("paid",), ("paid", "cancelled")]),
            mode=st.sampled_from(["one", "any", "all"]),
            timeout=_timeouts,
            where=st.none() | st.just({"id": "$id"}),
        ),
        st.builds(
            InputNode,
            **{k: st.just(v) for k, v in _plain.items()},
            name=names,
            input_type=st.just("single_choice"),
            choices=st.just(("yes", "no")),
            timeout=_timeouts,
        ),
        st.builds(CallNode, **{k: st.just(v) for k, v in _plain.items()}, name=names, workflow=st.just("child")),
    ).map(lambda node: (node, []))


def _bodies(inner: st.SearchStrategy[Any], smallest: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(inner, min_size=smallest, max_size=3)


@st.composite
def _composites(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> tuple[Node, list[Any]]:
    kind = draw(st.sampled_from(["decision", "switch", "loop", "parallel", "foreach"]))
    name = draw(names)
    if kind in ("loop", "foreach"):
        bodies = [draw(_bodies(inner, 1))]
        if kind == "loop":
            bound = draw(st.integers(1, 5))
            return LoopNode(**_plain, name=name, condition="more", body=(), max_iterations=bound), bodies
        items = Source(kind="key", name="items")
        limit = draw(st.none() | st.integers(1, 3))
        on_error = draw(st.sampled_from(["fail_fast", "complete_all"]))
        return ForeachNode(**_plain, name=name, items=items, body=(), concurrency=limit, on_error=on_error), bodies
    found = draw(st.lists(labels, min_size=1, max_size=3, unique_by=branch_key))
    bodies = draw(st.lists(_bodies(inner), min_size=len(found), max_size=len(found)))
    # the labels of a node are as distinct as its keys: True and "True" are numbered by the compiler
    texts = list(dict.fromkeys(label_text(label) for label in found))
    found, bodies = found[: len(texts)], bodies[: len(texts)]
    branches = tuple(
        Branch(label=text, nodes=(), key=branch_key(label)) for text, label in zip(texts, found, strict=True)
    )
    last = Branch(label="otherwise", nodes=()) if draw(st.booleans()) and kind != "parallel" else None
    if last is not None:
        bodies.append(draw(_bodies(inner)))
    if kind == "decision":
        return DecisionNode(**draw(_work()), branches=branches, otherwise=last), bodies
    if kind == "switch":
        cases = tuple(Case(kind="literal", key=one.key, branch=replace(one, key=None)) for one in branches)
        return SwitchNode(**_plain, name=name, on=Source(kind="key", name="x"), cases=cases, default=last), bodies
    on_error = draw(st.sampled_from(["fail_fast", "complete_all"]))
    limit = draw(st.none() | st.integers(1, 3))
    return ParallelNode(**_plain, name=name, branches=branches, on_error=on_error, concurrency=limit), bodies


def _place(parts: list[Any], base: str, ids: Ids) -> tuple[Node, ...]:
    made = []
    for node, bodies in parts:
        node_id = ids.claim(node.name)
        path = join_path(base, node_id)
        sequences = [
            _place(body, path if label is None else join_path(path, label), ids)
            for (label, _), body in zip(child_sequences(node), bodies, strict=True)
        ]
        made.append(put_at(node, node_id, path, sequences))
    return tuple(made)


def definitions(max_nodes: int = 25, waits: bool = False) -> st.SearchStrategy[Definition]:
    """Nested definitions of at most about `max_nodes` nodes, without any functions; `waits` adds waits and calls."""
    parts = st.recursive(_leaves(waits), _composites, max_leaves=max(1, max_nodes // 2))

    def build(sequence: list[Any]) -> Definition:
        return with_hash(Definition(name="generated", nodes=_place(sequence, "", Ids())))

    return (
        st.lists(parts, min_size=1, max_size=4)
        .map(build)
        .filter(lambda definition: len(definition.places) <= max_nodes)
    )


_numbers = itertools.count()


def _new_step() -> Step[..., Any]:
    name = f"step_{next(_numbers)}"

    @step(name=name)
    def body(ctx: Any) -> None:
        ctx.append("trace", name)

    return body


def _new_decision(wanted: object, branches: dict[Any, Flow], otherwise: Flow | None) -> Element:
    @decision(name=f"choose_{next(_numbers)}")
    def choose(ctx: Any) -> object:
        return wanted

    return choose.branch(branches, otherwise=otherwise)


def _less_than(name: str, times: int) -> Callable[[Any], bool]:
    return lambda ctx: bool(ctx.iteration < times)


@st.composite
def _flows(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    bodies = st.lists(inner, max_size=3)
    full = st.lists(inner, min_size=1, max_size=3)
    match draw(st.integers(0, 4)):
        case 0:
            branches = draw(st.dictionaries(labels, bodies, min_size=1, max_size=3))
            return _new_decision(draw(labels), branches, draw(st.none() | bodies) if draw(st.booleans()) else [])
        case 1:
            return switch(on=lambda ctx: "x", cases={"x": draw(bodies), "y": draw(bodies)}, default=draw(bodies))
        case 2:
            return loop(draw(full), while_=_less_than("loop", draw(st.integers(0, 2))))
        case 3:
            return parallel(
                *draw(st.lists(bodies, min_size=1, max_size=3)), concurrency=draw(st.sampled_from([None, 1]))
            )
        case _:
            count = draw(st.integers(0, 3))
            return foreach(
                draw(full), items=lambda ctx: list(range(count)), concurrency=draw(st.sampled_from([None, 1]))
            )


@st.composite
def workflows(draw: st.DrawFn, waits: bool = False) -> Workflow:
    """Workflows written through the DSL with real functions: every step appends its name to ``ctx["trace"]``.

    A decision returns one fixed label, which may have no branch when it has an ``otherwise``; the workflow is called
    ``generated`` and replaces the one drawn before it.
    """
    leaves: Any = st.builds(_new_step)
    if waits:
        leaves = leaves | st.builds(lambda: wait_for_event("go", timeout=5)) | st.builds(lambda: sleep_for(1))
    retrying = leaves.map(
        lambda part: part.with_options(retry=Retry(max_attempts=2)) if isinstance(part, Step) else part
    )
    parts = st.recursive(leaves | retrying, _flows, max_leaves=10)
    written = draw(st.lists(parts, min_size=1, max_size=4))
    if "generated" in registry:
        registry.remove("generated")

    @workflow(name="generated")
    def flow() -> Any:
        return written

    return flow

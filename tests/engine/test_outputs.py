"""What `run.output` is, what a step's return value becomes, and how values come back."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from durable_core.dsl import decision, foreach, loop, parallel, step, switch, workflow
from durable_core.engine.engine import Engine
from tests.engine.runs import end_of


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


def gives(value: Any, name: str = "last", **options: Any) -> Any:
    @step(name=name, **options)
    def body(ctx: Any) -> Any:
        return value

    return body


@decision
def choose(ctx: Any) -> str:
    return str(ctx["label"])


CASES: list[tuple[str, Any, Any]] = [
    ("a step", gives(5), 5),
    ("nothing", gives(None), None),
    ("a mapping", gives({"a": 1}), {"a": 1}),
    ("a parallel", parallel("p", {"x": gives(1), "y": [gives(2, "y1"), gives(3, "y2")]}), {"x": 1, "y": 3}),
    ("a foreach", foreach(gives(7), items=lambda ctx: [1, 2]), [7, 7]),
    ("a loop", loop(gives(8), while_=lambda ctx: ctx.iteration < 2), 8),
    ("a loop of no iterations", loop(gives(8), while_=lambda ctx: False), None),
    ("a taken branch", choose.branch(x=gives("of x"), y=gives("of y", "other")), "of x"),
    ("an empty branch", choose.branch(x=[], y=gives(1)), None),
    ("a switch", switch(on="label", cases={"x": [gives(0, "first"), gives("s")]}), "s"),
    ("a passed switch", switch(on="label", cases={"z": gives(1)}), None),
    (
        "a loop around a parallel",
        loop(parallel("p", {"x": gives(1)}), while_=lambda ctx: ctx.iteration < 2),
        {"x": 1},
    ),
    ("a branch that ends with a foreach", choose.branch(x=foreach(gives(7), items=lambda ctx: [1]), y=[]), [7]),
]


@pytest.mark.parametrize(("node", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_output_is_that_of_the_last_node(engine: Engine, node: Any, expected: Any) -> None:
    """run.output: the output of the flow's last node (a dict by branch, a list, the last iteration's, the branch's)."""
    run = end_of(engine, flow(node), {"label": "x"})
    assert run.status == "completed", run.error
    assert run.output == expected


def test_a_workflow_names_its_output(engine: Engine) -> None:
    """`@workflow(output="key")`, or a function of ctx."""
    assert end_of(engine, flow(gives({"a": 1, "b": 2}), output="b")).output == 2
    assert end_of(engine, flow(gives({"a": 1}), name="second", output=lambda ctx: [ctx["a"], ctx.input])).output == [
        1,
        {},
    ]


def test_a_named_output_holds_after_a_join_as_well(engine: Engine) -> None:
    """The output function runs when the flow has ended, whatever its last node is."""
    both = parallel("p", gives({"a": 1}), gives({"b": 2}, "other"))
    assert end_of(engine, flow(both, output=lambda ctx: ctx["a"] + ctx["b"])).output == 3


def test_returned_values_find_their_place_in_the_context(engine: Engine) -> None:
    """a mapping is merged; None changes nothing; anything else is stored under the step's name, or `output=`."""
    run = end_of(
        engine,
        flow(
            gives({"a": 1}, "mapping"),
            gives(None, "nothing"),
            gives([1], "plain"),
            gives({"b": 2}, "kept", output="whole"),
            gives(None, "none", output="null"),
        ),
    )
    assert run.context == {"a": 1, "plain": [1], "whole": {"b": 2}, "null": None}


VALUES: list[Any] = [
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
    date(2026, 1, 2),
    timedelta(days=1, microseconds=3),
    Decimal("1.10"),
    UUID(int=5),
    b"\x00\xff",
    {1, 2},
    (1, "two", (3,)),
    {1: "one", "$t": "not a tag"},
    2**70,
    "äöü\U0001f600",
    1e300,
]


def test_values_keep_their_types_from_step_to_step(engine: Engine) -> None:
    """The next step always sees the decoded value; the input, context and output keep their types."""
    seen: list[Any] = []

    @step
    def first(ctx: Any) -> None:
        ctx["values"] = VALUES

    @step
    def second(ctx: Any) -> Any:
        seen.extend(ctx["values"])
        return ctx["values"]

    run = end_of(engine, flow(first, second))
    assert run.status == "completed", run.error
    assert seen == VALUES
    assert list(map(type, seen)) == list(map(type, VALUES))
    assert run.output == VALUES


def test_what_is_changed_in_place_counts(engine: Engine) -> None:
    """X-2: values that were read are compared when the body ends, so `ctx["a"]["b"] = 1` counts."""

    @step
    def change(ctx: Any) -> None:
        ctx["a"]["b"] = 1
        ctx["list"].append(3)
        del ctx["gone"]

    run = end_of(engine, flow(change), {"a": {}, "list": [1], "gone": 1, "same": {"x": 1}})
    assert run.context == {"a": {"b": 1}, "list": [1, 3], "same": {"x": 1}}
    assert run.input == {"a": {}, "list": [1], "gone": 1, "same": {"x": 1}}


def test_results_of_earlier_steps_can_be_read(engine: Engine) -> None:
    """`ctx.results`: outputs by step."""

    @step
    def last(ctx: Any) -> Any:
        return [ctx.results["first"], ctx.results["second"]]

    run = end_of(engine, flow(gives({"a": 1}, "first"), gives(2, "second"), last))
    assert run.status == "completed", run.error
    assert run.output == [{"a": 1}, 2]


def test_a_long_sequence_is_resumed_from_bounded_records(engine: Engine) -> None:
    """X-4: the context survives many steps, each change in its own row."""
    run = end_of(
        engine,
        flow(loop("many", gives({"x": 1}, "body"), while_=lambda ctx: ctx.iteration < 150, max_iterations=200)),
    )
    assert run.status == "completed", run.error
    assert run.context == {"x": 1}

"""Composites and waits become nodes; everything wrong with them is told where they are written."""

from __future__ import annotations

import enum
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, Field

from durable_core.definition.document import from_document, to_document
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    CallNode,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    LoopNode,
    ParallelNode,
    SleepNode,
    SwitchNode,
    TimeoutRule,
)
from durable_core.dsl import (
    FormField,
    Workflow,
    call,
    decision,
    foreach,
    inside_body,
    loop,
    parallel,
    sleep_for,
    sleep_until,
    step,
    switch,
    wait_for_all,
    wait_for_any,
    wait_for_event,
    wait_for_input,
    workflow,
)
from durable_core.errors import DefinitionError, LimitError
from tests.generation import examples
from tests.strategies.definitions import workflows


class Color(enum.Enum):
    RED = "red"


@step
def a(ctx: Any) -> None: ...


@step
def b(ctx: Any) -> None: ...


@decision
def route(ctx: Any) -> str:
    return "high"


def is_urgent(ctx: Any) -> bool:
    return True


def compiled(*flow: Any) -> Definition:
    @workflow(name="compiled")
    def build() -> Any:
        return list(flow)

    return build.definition


def ids(definition: Definition) -> list[str]:
    return [node.id for node in definition.walk()]


def test_ids_follow_written_order_composites_first_and_are_unique_everywhere() -> None:
    definition = compiled(a, route.branch(high=[a, parallel(a, b)], low=[]), parallel(b, [a, [b]]), a)
    assert ids(definition) == ["a", "route", "a_2", "parallel", "a_3", "b", "parallel_2", "b_2", "a_4", "b_3", "a_5"]
    assert list(definition.places) == [
        "a", "route", "route/high/a_2", "route/high/parallel", "route/high/parallel/a/a_3",
        "route/high/parallel/b/b", "parallel_2", "parallel_2/b/b_2", "parallel_2/a/a_4", "parallel_2/a/b_3", "a_5",
    ]  # fmt: skip


def test_a_node_named_like_a_numbered_one_still_gets_an_id_of_its_own() -> None:
    definition = compiled(a.with_options(name="a_2"), a, a)
    assert ids(definition) == ["a_2", "a", "a_3"]


def test_names_and_labels_with_slashes_stay_one_part_of_the_path() -> None:
    definition = compiled(parallel("p/q", {"x/y": a.with_options(name="50%")}))
    assert list(definition.places) == ["p%2Fq", "p%2Fq/x%2Fy/50%25"]


def test_labels_may_be_of_any_plain_kind_and_1_and_true_differ() -> None:
    node = compiled(route.branch({3: a, True: b, Color.RED: [], None: [], "": []}, low=a, otherwise=[b])).nodes[0]
    assert isinstance(node, DecisionNode) and node.otherwise is not None
    assert [(branch.label, branch.key) for branch in node.branches] == [
        ("3", ("int", "3")),
        ("True", ("bool", "true")),
        ("Color.RED", ("enum", "Color.RED")),
        ("None", ("none", "")),
        ("''", ("str", "")),
        ("low", ("str", "low")),
    ]


def test_a_switch_takes_literals_patterns_and_guards_in_written_order() -> None:
    cases = [(1, a), (True, b), (re.compile(r"sec.*", re.IGNORECASE), a), (is_urgent, []), (lambda ctx: False, a)]
    node = compiled(switch("ticket", on="category", cases=cases, default=b)).nodes[0]
    assert isinstance(node, SwitchNode) and node.default is not None
    assert [case.kind for case in node.cases] == ["literal", "literal", "regex", "guard", "guard"]
    assert [case.branch.label for case in node.cases] == ["1", "True", "~sec.*", "is_urgent", "lambda"]
    assert (node.cases[2].pattern, bool(node.cases[2].flags & re.IGNORECASE)) == ("sec.*", True)
    assert (node.on.kind, node.on.name) == ("key", "category")


def test_functions_stand_in_the_bindings_under_path_and_role() -> None:
    more, items, merge, until = (lambda ctx: [] for _ in range(4))

    def join(base: dict[str, Any], branches: list[Any]) -> dict[str, Any]:
        return base

    @workflow(output=lambda ctx: 1)
    def flow() -> Any:
        return [
            loop("retry", [a], while_=more),
            foreach("each", b, items=items, merge=join),
            switch("s", on=merge, cases=[(is_urgent, a)]),
            sleep_until(until, name="nap"),
            call("other", input=items),
        ]

    assert set(flow.bindings) == {
        "retry:while", "retry/a:body", "each:items", "each:merge", "each/b:body", "s:on", "s:guard:0",
        "s/is_urgent/a_2:body", "nap:until", "other:input", ":output",
    }  # fmt: skip
    assert set(flow.bodies) == set(flow.bindings)
    assert flow.bindings["retry:while"] is more and flow.bindings["s:guard:0"] is is_urgent


def test_composites_keep_their_options() -> None:
    definition = compiled(
        loop(a, while_=is_urgent, max_iterations=3),
        parallel({"x": a, "y": []}, merge="collect", on_error="complete_all", concurrency=2),
        foreach(a, items="orders", concurrency=None, as_="order", collect="results", merge="deep_merge"),
        call("child", input={"id": 1}, name="kid", wait=False),
    )
    one, two, three, four = definition.nodes
    assert isinstance(one, LoopNode) and (one.condition, one.max_iterations) == ("is_urgent", 3)
    assert isinstance(two, ParallelNode) and two.explicit_labels
    assert (two.merge, two.on_error, two.concurrency) == ("collect", "complete_all", 2)
    assert isinstance(three, ForeachNode)
    assert (three.items.name, three.concurrency, three.as_, three.collect) == ("orders", None, "order", "results")
    assert isinstance(four, CallNode) and (four.id, four.workflow, four.wait) == ("kid", "child", False)
    assert four.input.value == {"id": 1}


def test_waits_become_nodes_with_their_options() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    definition = compiled(
        sleep_for(hours=24, name="cool_down"),
        sleep_for(timedelta(minutes=1)),
        sleep_until(at),
        wait_for_event(
            "payment", timeout=3600, timeout_value="late", where={"id": "$id", "n": {"op": "in", "value": [1]}}
        ),
        wait_for_any(["paid", "cancelled"], timeout=0),
        wait_for_all(["x", "y"], name="both", timeout=5, on_timeout="fail"),
    )
    cool, minute, until, payment, any_, all_ = definition.nodes
    assert isinstance(cool, SleepNode) and (cool.id, cool.seconds) == ("cool_down", 86400.0)
    assert isinstance(minute, SleepNode) and (minute.id, minute.seconds) == ("sleep", 60.0)
    assert isinstance(until, SleepNode) and until.until is not None and until.until.kind == "constant"
    assert isinstance(payment, EventNode) and payment.timeout == TimeoutRule(seconds=3600.0, value="late")
    assert payment.where == {"id": "$id", "n": {"op": "in", "value": [1]}}
    assert isinstance(any_, EventNode) and (any_.mode, any_.id, any_.timeout.seconds) == ("any", "wait_for_any", 0)
    assert isinstance(all_, EventNode) and (all_.name, all_.timeout.on_timeout) == ("both", "fail")
    assert from_document(to_document(definition)) == definition


class Signup(BaseModel):
    email: str = Field(max_length=50)
    seats: int = Field(default=1, ge=1, le=9)
    plan: Color = Color.RED
    tags: list[str] = []


def test_the_type_of_an_input_follows_from_what_is_given() -> None:
    definition = compiled(
        wait_for_input("form", fields=[FormField("email", type="email", required=True, max_length=200)]),
        wait_for_input("choice", choices=["yes", 2, True]),
        wait_for_input("free", prompt="Why?"),
        wait_for_input("model", schema=Signup),
        wait_for_input("ok", type="approval"),
    )
    inputs = [node for node in definition.nodes if isinstance(node, InputNode)]
    assert [node.input_type for node in inputs] == ["form", "single_choice", "free_text", "form", "approval"]
    assert inputs[0].fields == ({"name": "email", "type": "email", "required": True, "max_length": 200},)
    assert inputs[1].choices == ("yes", 2, True)
    assert str(inputs[3].schema).endswith(":Signup")
    assert [(field["name"], field["type"]) for field in inputs[3].fields] == [
        ("email", "text"), ("seats", "integer"), ("plan", "select"), ("tags", "textarea"),
    ]  # fmt: skip


def generator() -> Any:
    yield a


def plain(ctx: Any) -> None: ...


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (plain, "add @step above def plain"),
        (lambda ctx: 1, "add @step"),
        (generator(), "generator"),
        (None, "None is no node"),
        ("a", "call\\('a'\\)"),
        (dict, "class"),
        ({"x": a}, "dict"),
        (3, "no node"),
        ([a, [plain]], "add @step"),
        (Shop := type("Shop", (), {"open": lambda self: 1})().open, "method"),
        (route, "route.branch"),
    ],
)
def test_what_is_no_node_is_refused_with_advice(part: Any, says: str) -> None:
    for build in (
        lambda: compiled(part),
        lambda: parallel(part, a),
        lambda: loop([a, part], while_=is_urgent),
        lambda: route.branch(x=[part]),
        lambda: switch(on="k", cases={"x": [part]}),
    ):
        if isinstance(part, str | dict) and build is not None:
            continue
        with pytest.raises(DefinitionError, match=says):
            build()
    with pytest.raises(DefinitionError, match=says):
        compiled(a, part)


def test_a_workflow_inside_a_flow_needs_call() -> None:
    inner = workflow_named("inner")
    with pytest.raises(DefinitionError, match=r"use call\("):
        compiled(inner)
    node = compiled(call(inner)).nodes[0]
    assert isinstance(node, CallNode) and node.workflow == "inner"


def workflow_named(name: str) -> Workflow:
    @workflow(name=name)
    def build() -> Any:
        return [a]

    return build


WRONG: list[tuple[Any, str]] = [
    (lambda: compiled(), "nothing to run"),
    (lambda: parallel(), "nothing to run"),
    (lambda: parallel("p"), "nothing to run"),
    (lambda: parallel({}), "nothing to run"),
    (lambda: parallel({"x": a}, b), "mapping"),
    (lambda: parallel(a, concurrency=0), "concurrency"),
    (lambda: parallel(a, concurrency=True), "concurrency"),
    (lambda: parallel(a, merge="last_win"), "Did you mean 'last_wins'"),
    (lambda: parallel(a, merge="function"), "merge"),
    (lambda: parallel(a, merge=lambda base: base), "two arguments"),
    (lambda: parallel(a, on_error="fail"), "on_error"),
    (lambda: parallel(a, on_errors="x"), "Did you mean 'on_error'"),
    (lambda: loop([], while_=is_urgent), "nothing to run"),
    (lambda: loop("l", while_=is_urgent), "nothing to run"),
    (lambda: loop([a]), "while_"),
    (lambda: loop([a], while_="x"), "while_"),
    (lambda: loop([a], while_=a), "while_"),
    (lambda: loop([a], while_=is_urgent, max_iterations=0), "max_iterations"),
    (lambda: loop([a], while_=is_urgent, max_iteration=3), "Did you mean 'max_iterations'"),
    (lambda: loop(3, [a], while_=is_urgent), "name"),
    (lambda: foreach(a, items=[1, 2]), "items"),
    (lambda: foreach([], items="x"), "nothing to run"),
    (lambda: foreach(a, items="x", as_="not a name"), "as_"),
    (lambda: foreach(a, items="x", as_="ctx"), "taken"),
    (lambda: foreach(a, items="x", concurrency=-1), "concurrency"),
    (lambda: foreach(a), "items"),
    (lambda: wait_for_event("x", timeout_value=1), "event 'x': timeout_value means nothing without a timeout"),
    (lambda: wait_for_any(["x"], on_timeout="fail"), "on_timeout means nothing without a timeout"),
    (lambda: wait_for_input("q", timeout_value="no"), "input 'q': timeout_value means nothing without a timeout"),
    (lambda: call("child", on_timeout="fail"), "call 'child': on_timeout means nothing without a timeout"),
    (lambda: route.branch(), "no branches"),
    (lambda: route.branch({"x": a}, x=b), "duplicate label 'x'"),
    (lambda: route.branch({(1, 2): a}), "label"),
    (lambda: route.branch([("x", a)]), "mapping"),
    (lambda: switch(on="k", cases={}), "no branches"),
    (lambda: switch(on="k", cases=[("x", a), ("x", b)]), "duplicate label"),
    (lambda: switch(on="k", cases=[(is_urgent, a), (is_urgent, b)]), "duplicate label"),
    (lambda: switch(on="k", cases=[a, b]), "pairs"),
    (lambda: switch(on=3, cases={"x": a}), "on must be"),
    (lambda: switch(on="k", cases=[([1], a)]), "pattern"),
    (lambda: switch(on="k", cases=[(a, a)]), "pattern"),
    (lambda: switch(on="k", cases=[(re.compile("x" * 1025), a)]), "1,024"),
    (lambda: switch(on="k", cases=[(re.compile(b"x"), a)]), "strings"),
    (lambda: call(a), "no workflow"),
    (lambda: call("x", input=3), "input"),
    (lambda: call("x", wait="no"), "wait"),
    (lambda: call("x", wait=False, timeout=3), "wait=False"),
    (lambda: call("x", input={"f": object()}), "cannot be stored"),
    (lambda: sleep_for(), "no duration"),
    (lambda: sleep_for(-1), "sleep_for"),
    (lambda: sleep_for("1h"), "sleep_for"),
    (lambda: sleep_for(hour=1), "Did you mean 'hours'"),
    (lambda: sleep_until(datetime(2030, 1, 1)), "time zone"),
    (lambda: sleep_until("tomorrow"), "datetime"),
    (lambda: sleep_until(a), "datetime"),
    (lambda: wait_for_event(""), "empty"),
    (lambda: wait_for_event("e", timeout=-1), "timeout"),
    (lambda: wait_for_event("e", on_timeout="explode"), "on_timeout"),
    (lambda: wait_for_event("e", where=lambda p: True), "where"),
    (lambda: wait_for_event("e", where={"x": {"op": "like", "value": 1}}), "op"),
    (lambda: wait_for_event("e", where={"x": {"op": "gt"}}), "value"),
    (lambda: wait_for_event("e", where={"x": {"op": "in", "value": 3}}), "list"),
    (lambda: wait_for_event("e", where={"x": {"op": "exists", "value": 3}}), "exists"),
    (lambda: wait_for_event("e", where={"x": {"op": "gt", "value": 3, "z": 1}}), "z"),
    (lambda: wait_for_event("e", where={"x": lambda v: v}), "function"),
    (lambda: wait_for_any([]), "nothing"),
    (lambda: wait_for_any("paid"), "list"),
    (lambda: wait_for_all(["x", "x"]), "twice"),
    (lambda: wait_for_input("i", type="formular"), "Did you mean 'form'"),
    (lambda: wait_for_input("i", type="form"), "needs fields"),
    (lambda: wait_for_input("i", fields=[]), "needs fields"),
    (lambda: wait_for_input("i", fields=["email"]), "form field"),
    (lambda: wait_for_input("i", fields=[FormField("x"), FormField("x")]), "two fields"),
    (lambda: wait_for_input("i", type="single_choice"), "needs choices"),
    (lambda: wait_for_input("i", type="multi_choice", choices=[]), "needs choices"),
    (lambda: wait_for_input("i", choices=["x", "x"]), "twice"),
    (lambda: wait_for_input("i", type="approval", choices=["x"]), "no choices"),
    (lambda: wait_for_input("i", type="free_text", fields=[FormField("x")]), "no fields"),
    (lambda: wait_for_input("i", schema=dict), "pydantic model"),
    (lambda: wait_for_input("i", schema=Signup, fields=[FormField("x")]), "either"),
    (lambda: wait_for_input("i", promt="?"), "Did you mean 'prompt'"),
]


@pytest.mark.parametrize("build", [row[0] for row in WRONG], ids=[f"{n}: {row[1]}" for n, row in enumerate(WRONG)])
def test_what_is_wrong_is_refused_when_it_is_written(build: Any) -> None:
    says = next(row[1] for row in WRONG if row[0] is build)
    with pytest.raises(DefinitionError, match=says):
        build()


def test_different_functions_under_one_name_are_refused() -> None:
    other = step(name="a")(plain)
    with pytest.raises(DefinitionError, match="two different functions are called 'a'"):
        compiled(a, parallel(b, [other]))
    assert ids(compiled(a, parallel(b, [other.with_options(name="c")]))) == ["a", "parallel", "b", "c"]


def test_composites_nest_64_deep_and_no_deeper() -> None:
    flow: Any = a
    for _ in range(64):
        flow = parallel(flow)
    definition = compiled(flow)
    assert len(definition.places) == 65
    assert from_document(to_document(definition)) == definition
    with pytest.raises(DefinitionError, match="nest 65 deep") as caught:
        parallel(flow)
    assert isinstance(caught.value, LimitError)


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[Any] = [a]
    endless.append(endless)
    with pytest.raises(DefinitionError, match="lists nest"):
        compiled(endless)


def test_two_thousand_uses_of_one_step_compile_quickly() -> None:
    compiled(*[a] * 10)
    best = min(_timed(2000) for _ in range(3))
    assert best < 3.0, "100 ms on a fast machine; were each name compared with all others, minutes"


def _timed(count: int) -> float:
    start = time.perf_counter()
    definition = compiled(*[a] * count)
    assert definition.nodes[-1].id == f"a_{count}"
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("build", "method"),
    [
        (lambda: sleep_for(1), r"ctx\.sleep_for"),
        (lambda: sleep_until(is_urgent), r"ctx\.sleep_until"),
        (lambda: wait_for_event("x"), r"ctx\.wait_for_event"),
        (lambda: wait_for_any(["x"]), r"ctx\.wait_for_any"),
        (lambda: wait_for_all(["x"]), r"ctx\.wait_for_all"),
        (lambda: wait_for_input("x"), r"ctx\.wait_for_input"),
        (lambda: call("x"), r"ctx\.call"),
        (lambda: parallel(a), "plain Python"),
    ],
)
def test_builders_inside_a_running_step_name_the_method_of_ctx(build: Any, method: str) -> None:
    token = inside_body.set(True)
    try:
        with pytest.raises(DefinitionError, match=method):
            build()
        assert workflow_named("imported_by_a_step").name == "imported_by_a_step"
    finally:
        inside_body.reset(token)


@given(workflows(waits=True))
@examples(40, deadline=None)
def test_whatever_is_written_compiles_to_the_same_definition_each_time(flow: Workflow) -> None:
    definition = flow.definition
    assert len({node.id for node in definition.walk()}) == len(definition.places)
    assert from_document(to_document(definition)) == definition
    assert all(key.rpartition(":")[0] or key == ":output" for key in flow.bindings)
    for place in definition.places.values():
        assert place.node.path.rpartition("/")[2] == place.node.id

"""What a change means for executions that stand somewhere in the workflow (T-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.definition.diff import DefinitionDiff, diff
from durable_core.definition.model import Definition
from durable_core.dsl import Flow, decision, foreach, loop, parallel, registry, step, workflow
from tests.generation import examples
from tests.strategies.definitions import definitions


def make(name: str) -> Any:
    @step(name=name)
    def body(ctx: Any) -> None: ...

    return body


A, B, C, D, E = map(make, "abcde")


@decision
def route(ctx: Any) -> str:
    return "x"


def always(ctx: Any) -> bool:
    return True


def again(*body: Flow) -> Flow:
    return loop("l", list(body), while_=always)


def version(*flow: Flow, **options: Any) -> Definition:
    with registry.isolated():

        @workflow(name="order", **options)
        def build() -> Any:
            return list(flow)

        return build.definition


Old = Callable[[], Definition]

BOTH = ["p", "p/a/a", "p/b/b"]

CASES: list[tuple[str, list[Any], list[Any], list[str], str]] = [
    ("nothing changed", [A, B], [A, B], ["a"], "identical"),
    ("appended", [A, B], [A, B, C], ["a"], "ahead"),
    ("inserted right after", [A, B], [A, C, B], ["a"], "ahead"),
    ("inserted before", [A, B], [C, A, B], ["b"], "behind"),
    ("removed a finished one", [A, B, C], [B, C], ["b"], "behind"),
    ("removed the next", [A, B, C], [A, C], ["a"], "ahead"),
    ("removed where it stands", [A, B, C], [A, C], ["b"], "incompatible"),
    ("option where it stands", [A, B], [A.with_options(timeout=3), B], ["a"], "incompatible"),
    ("option behind", [A, B], [A.with_options(timeout=3), B], ["b"], "behind"),
    ("both sides", [A, B, C], [A.with_options(timeout=3), B, C.with_options(timeout=3)], ["b"], "incompatible"),
    ("swapped ahead", [A, B, C], [A, C, B], ["a"], "ahead"),
    ("swapped around it", [A, B, C], [B, A, C], ["a"], "incompatible"),
    ("the branch not taken", [route.branch(x=[A], y=[B]), C], [route.branch(x=[A], y=[D]), C], ["route/x/a"], "ahead"),
    ("labels around it", [route.branch(x=[A], y=[B])], [route.branch(x=[A])], ["route/x/a"], "incompatible"),
    ("later in its branch", [route.branch(x=[A])], [route.branch(x=[A, B])], ["route/x/a"], "ahead"),
    ("after the join", [parallel("p", A, B), C], [parallel("p", A, B), C, D], BOTH, "ahead"),
    ("in a sibling, known", [parallel("p", A, [B, C])], [parallel("p", A, [B, D])], BOTH, "ahead"),
    ("in a sibling, unknown", [parallel("p", A, [B, C])], [parallel("p", A, [B, D])], ["p", "p/a/a"], "incompatible"),
    ("a branch more", [parallel("p", A, B)], [parallel("p", A, B, C)], ["p", "p/a/a"], "incompatible"),
    ("later in the loop", [again(A, B)], [again(A, B, C)], ["l/a"], "ahead"),
    ("earlier in the loop", [again(A, B)], [again(C, A, B)], ["l/a"], "incompatible"),
    ("in the loop it tests", [again(A)], [again(A, B)], ["l"], "incompatible"),
    ("in a foreach it passed", [foreach("f", A, items="i"), B], [foreach("f", [A, C], items="i"), B], ["b"], "behind"),
    ("no tokens", [A], [B], [], "ahead"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "tokens", "kind"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_change_is_judged_from_where_the_execution_stands(
    old: list[Any], new: list[Any], tokens: list[str], kind: str
) -> None:
    assert diff(version(*old), version(*new), token_paths=tokens).kind == kind


def test_the_sentence_tells_people_what_changed() -> None:
    found = diff(version(A, B), version(A.with_options(timeout=1), C), token_paths=["a"])
    assert found.sentence == "order: added c; removed b; changed a"
    assert (found.added, found.removed, found.changed) == (("c",), ("b",), ("a",))


def test_another_body_is_no_other_structure() -> None:
    found = diff(version(A), version(A), {"a:body": "1", "a:compensate": "x"}, {"a:body": "2", "a:compensate": "x"})
    assert (found.kind, found.bodies, found.same_structure) == ("bodies", ("a",), True)
    assert found.sentence == "order: new body of a"


def test_an_option_of_the_workflow_concerns_what_is_ahead() -> None:
    found = diff(version(A), version(A, timeout=3), token_paths=["a"])
    assert (found.kind, found.options) == ("ahead", ("timeout",))


def test_nodes_whose_functions_are_gone_are_named() -> None:
    """An execution pinned to the old version cannot run them here."""
    assert diff(version(A, B), version(A)).lost == ("b",)


@given(definitions(waits=True), st.data())
@examples(50, deadline=None)
def test_a_definition_does_not_differ_from_itself(definition: Definition, data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.sampled_from(list(definition.places)), max_size=3))
    found: DefinitionDiff = diff(definition, definition, token_paths=tokens)
    assert found.kind == "identical"


@given(definitions(waits=True), definitions(waits=True), st.data())
@examples(50, deadline=None)
def test_any_two_definitions_can_be_compared(old: Definition, new: Definition, data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.sampled_from(list(old.places)), max_size=3))
    found = diff(old, new, token_paths=tokens)
    assert (found.kind == "identical") == (old.hash == new.hash)

"""Results find their branch by kind and text: 1, True and "1" are three different labels."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from durable_core.definition.keys import branch_key, choose_branch, label_text, match_branch, match_case
from durable_core.definition.nodes import Branch, Case, DecisionNode, Source, SwitchNode


class Color(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        ("x", ("str", "x"), "x"),
        ("", ("str", ""), "''"),
        (True, ("bool", "true"), "True"),
        (3, ("int", "3"), "3"),
        (2.5, ("float", "2.5"), "2.5"),
        (None, ("none", ""), "None"),
        (Color.RED, ("enum", "Color.RED"), "Color.RED"),
        (Size.BIG, ("enum", "Size.BIG"), "Size.BIG"),
        ([1], ("other", "list"), "[1]"),
    ],
)
def test_every_label_has_a_key_of_its_own_kind(value: object, key: tuple[str, str], text: str) -> None:
    assert branch_key(value) == key
    assert label_text(value) == text


def decision(*labels: object, otherwise: bool = False) -> DecisionNode:
    branches = tuple(Branch(label=label_text(label), nodes=(), key=branch_key(label)) for label in labels)
    last = Branch(label="otherwise", nodes=()) if otherwise else None
    return DecisionNode(id="d", name="d", path="d", function="m:d", branches=branches, otherwise=last)


@pytest.mark.parametrize(
    ("labels", "result", "index"),
    [
        ((1, True, "1"), True, 1),
        ((1, True, "1"), "1", 2),
        ((1, 1.5), 1.0, None),
        ((Color.RED,), Color.RED, 0),
        (("red",), Color.RED, 0),
        ((3,), Size.BIG, 0),
        (("red", Color.RED), Color.RED, 1),
        ((False, None), None, 1),
        (("a",), ["a"], None),
    ],
)
def test_a_result_takes_the_branch_of_exactly_its_label(labels: Any, result: object, index: int | None) -> None:
    node = decision(*labels)
    assert choose_branch(node, result) == index
    assert match_branch(node, result) is (None if index is None else node.branches[index])


def test_what_has_no_label_goes_otherwise() -> None:
    node = decision("a", otherwise=True)
    assert choose_branch(node, "b") == 1
    assert match_branch(node, "b") is node.otherwise


def switch(*cases: tuple[str, object], default: bool = False) -> SwitchNode:
    made = [
        Case(kind="literal", branch=Branch(label=str(n), nodes=()), key=branch_key(value))
        if kind == "literal"
        else Case(kind=kind, branch=Branch(label=str(n), nodes=()), pattern=str(value))  # type: ignore[arg-type]
        for n, (kind, value) in enumerate(cases)
    ]
    last = Branch(label="default", nodes=()) if default else None
    return SwitchNode(id="s", name="s", path="s", on=Source(kind="key", name="k"), cases=tuple(made), default=last)


def test_the_first_matching_case_wins_and_guards_are_asked_only_until_then() -> None:
    node = switch(("literal", 1), ("guard", ""), ("regex", "s.*"), ("guard", ""), default=True)
    asked: list[int] = []

    def holds(n: int) -> bool:
        asked.append(n)
        return n == 3

    assert match_case(node, 1, holds) == 0 and asked == []
    assert match_case(node, True, lambda n: False) == 4, "1 and True differ"
    assert match_case(node, "security", holds) == 2 and asked == [1]
    assert match_case(node, 5, holds) == 3, "a regular expression looks at strings only"


def test_a_regular_expression_matches_the_whole_string() -> None:
    node = switch(("regex", "ab"))
    assert match_case(node, "ab", lambda n: False) == 0
    assert match_case(node, "abc", lambda n: False) is None

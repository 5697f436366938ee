"""W-7: an answer is validated before anything changes, all faults at once, each under its field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from durable_core.codec import decode, encode
from durable_core.dsl.forms import FormField, fields_of_model
from durable_core.errors import InputValidationError
from durable_core.limits import LIMITS
from durable_core.wait.answers import check_answer


def form(*fields: FormField, schema: str | None = None) -> dict[str, Any]:
    return {"type": "form", "prompt": "", "fields": [one.to_json() for one in fields], "choices": [], "schema": schema}


def choice(kind: str, *choices: Any) -> dict[str, Any]:
    return {"type": kind, "prompt": "", "fields": [], "choices": [encode(each) for each in choices]}


def faults(spec: dict[str, Any], value: Any, schema: type | None = None) -> dict[str, list[str]]:
    with pytest.raises(InputValidationError) as caught:
        check_answer(spec, value, schema)
    return caught.value.errors


SIGNUP = form(
    FormField("email", type="email", required=True, max_length=200),
    FormField("plan", type="select", options=["basic", "pro"], default="basic"),
    FormField("seats", type="integer", min=1, max=500),
    FormField("starts", type="date", min="2026-01-01"),
)


def test_an_accepted_form_has_its_defaults_and_leaves_out_what_nobody_gave() -> None:
    assert check_answer(SIGNUP, {"email": "ana@example.org"}) == ({"email": "ana@example.org", "plan": "basic"}, None)


def test_every_fault_of_every_field_is_told_at_once() -> None:
    found = faults(SIGNUP, {"plan": "gold", "seats": 0, "starts": "soon", "seat": 4})
    assert set(found) == {"email", "plan", "seats", "starts", "seat"}
    assert found["email"] == ["is required"]
    assert "'seats'" in found["seat"][0]  # the close match
    assert found["seats"] == ["must be at least 1, got 0"]


def test_a_field_may_have_several_faults() -> None:
    spec = form(FormField("code", min_length=3, pattern="[0-9]+"))
    assert len(faults(spec, {"code": "ab"})["code"]) == 2


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        (FormField("f", type="integer"), "42", 42),
        (FormField("f", type="integer"), " -7 ", -7),
        (FormField("f", type="integer"), 42.0, 42),
        (FormField("f", type="number"), "1.5", 1.5),
        (FormField("f", type="number"), "2", 2),
        (FormField("f", type="number"), "1e3", 1000.0),
        (FormField("f", type="number"), Decimal("0.5"), 0.5),
        (FormField("f", type="boolean"), "yes", True),
        (FormField("f", type="boolean"), "off", False),
        (FormField("f", type="boolean"), False, False),
        (FormField("f", type="date"), "2026-01-31", date(2026, 1, 31)),
        (FormField("f", type="date"), date(2026, 1, 31), date(2026, 1, 31)),
        (FormField("f", type="datetime"), "2026-01-31T09:00:00Z", datetime(2026, 1, 31, 9, tzinfo=UTC)),
        (FormField("f", type="email"), " a@example.org ", "a@example.org"),
        (FormField("f", type="select", options=[1, 2, True]), "2", 2),
        (FormField("f", type="select", options=[1, 2, True]), "true", True),
        (FormField("f", type="select", options=["1", 1]), 1, 1),
        (FormField("f", type="select", options=["1", 1]), "1", "1"),
        (FormField("f", type="multiselect", options=["a", "b", "c"]), "c, a", ["c", "a"]),
        (FormField("f", type="multiselect", options=["a", "b, c"]), "b, c", ["b, c"]),
        (FormField("f", type="multiselect", options=[1, 2]), ["2", 2, 1], [2, 1]),
        (FormField("f", pattern="[a-z]+"), "abc", "abc"),
        (FormField("f", min_length=3), "", ""),
    ],
)
def test_what_screens_and_callers_send_becomes_the_fields_type(field: FormField, given: Any, expected: Any) -> None:
    tree, _ = check_answer(form(field), {"f": given})
    value = decode(tree)["f"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (FormField("f", type="integer"), True),
        (FormField("f", type="integer"), "4.5"),
        (FormField("f", type="integer"), "1_000"),
        (FormField("f", type="integer"), "9" * 5000),
        (FormField("f", type="integer"), float("inf")),
        (FormField("f", type="number"), "nan"),
        (FormField("f", type="number"), float("nan")),
        (FormField("f", type="number"), "1e999"),
        (FormField("f", type="number"), False),
        (FormField("f", type="boolean"), "maybe"),
        (FormField("f", type="boolean"), 2),
        (FormField("f", type="date"), datetime(2026, 1, 1, tzinfo=UTC)),
        (FormField("f", type="date", max="2026-01-01"), "2026-01-02"),
        (FormField("f", type="datetime"), "2026-01-31T09:00:00"),
        (FormField("f", type="datetime", min="2026-02-01T00:00:00Z"), "2026-01-31T09:00:00Z"),
        (FormField("f", type="email"), "not-an-address"),
        (FormField("f", type="email"), "a@b@example.org"),
        (FormField("f", type="select", options=[1, True]), "TRUE?"),
        (FormField("f", type="select", options=[1]), True),
        (FormField("f", type="multiselect", options=["a"]), ["a", "z"]),
        (FormField("f", type="multiselect", options=["a"]), {"a": 1}),
        (FormField("f", type="multiselect", options=["a", "b"], max_length=1), ["a", "b"]),
        (FormField("f", type="multiselect", options=["a", "b"], required=True), []),
        (FormField("f", max_length=2), "abc"),
        (FormField("f", pattern="[a-z]+"), "abc1"),
        (FormField("f", pattern="[a-z]+"), "abc\n"),
        (FormField("f"), 5),
        (FormField("f", required=True), "  "),
        (FormField("f", required=True), None),
        (FormField("f"), object()),
    ],
)
def test_what_does_not_fit_is_a_fault_of_the_field(field: FormField, given: Any) -> None:
    assert list(faults(form(field), {"f": given})) == ["f"]


def test_a_default_date_is_filled_in_as_a_date() -> None:
    tree, _ = check_answer(form(FormField("f", type="date", default="2026-02-03")), {})
    assert decode(tree) == {"f": date(2026, 2, 3)}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(a+)+", id="no backtracking at all"),
        pytest.param("(?=a)(a+)+", marks=pytest.mark.slow, id="two seconds"),
        pytest.param(r"(a+)+(b)?\1x", marks=pytest.mark.slow, id="two seconds, with a group"),
    ],
)
def test_a_pattern_that_backtracks_forever_still_ends(pattern: str) -> None:
    assert list(faults(form(FormField("f", pattern=pattern)), {"f": "a" * 40 + "!"})) == ["f"]


def test_patterns_of_the_backtracking_engine_match_too() -> None:
    spec = form(FormField("f", pattern=r"(?=.*\d)(\w)\1.*\Z"))
    assert check_answer(spec, {"f": "aab1"})[0] == {"f": "aab1"}
    assert faults(spec, {"f": "abb1"})


@pytest.mark.parametrize("value", [None, "text", 5, ["email"], [("email", "a@b.cc")]])
def test_a_form_takes_a_mapping(value: Any) -> None:
    assert "email, plan" in faults(SIGNUP, value)["answer"][0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("approved", ("approved", None)),
        (" rejected ", ("rejected", None)),
        ({"decision": "rejected", "comment": "too much"}, ("rejected", "too much")),
        ({"decision": "approved", "comment": None}, ("approved", None)),
        ({"decision": "approved"}, ("approved", None)),
    ],
)
def test_an_approval_is_a_decision_and_keeps_its_comment_apart(value: Any, expected: Any) -> None:
    assert check_answer({"type": "approval"}, value) == expected


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("yes", ["answer"]),
        (True, ["answer"]),
        (None, ["answer"]),
        ({}, ["decision"]),
        ({"decision": "maybe", "comment": 5, "coment": "x"}, ["coment", "comment", "decision"]),
        ({"decision": ["approved"]}, ["decision"]),
    ],
)
def test_an_approval_has_no_other_words(value: Any, fields: list[str]) -> None:
    assert sorted(faults({"type": "approval"}, value)) == fields


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


def test_a_choice_is_matched_with_its_type_and_then_as_written() -> None:
    spec = choice("single_choice", 1, "b", True, Decimal("1.5"))
    assert [decode(check_answer(spec, each)[0]) for each in (1, "1", True, "true", "1.5", "b")] == [
        1,
        1,
        True,
        True,
        Decimal("1.5"),
        "b",
    ]
    for wrong in ("z", 2, None, 1.0, ["b"], object()):
        assert list(faults(spec, wrong)) == ["answer"]


def test_choices_may_be_members_of_an_enum() -> None:
    from durable_core.codec import register_type

    register_type(Size)
    spec = choice("single_choice", Size.SMALL, Size.LARGE)
    assert decode(check_answer(spec, Size.LARGE)[0]) is Size.LARGE
    assert decode(check_answer(spec, "SMALL")[0]) is Size.SMALL


def test_many_choices_are_a_list_without_doubles() -> None:
    spec = choice("multi_choice", "a", "b", 3)
    assert check_answer(spec, ["b", "3", "b"])[0] == ["b", 3]
    assert check_answer(spec, [])[0] == []
    assert list(faults(spec, ["a", "z", 4])) == ["answer"]


@pytest.mark.parametrize("value", [None, "", "text", 5, {"a": [1, None]}, [date(2026, 1, 1)]])
def test_free_text_takes_any_value(value: Any) -> None:
    assert decode(check_answer({"type": "free_text"}, value)[0]) == value


def test_an_answer_has_at_most_one_mebibyte_and_can_be_stored() -> None:
    assert "limit" in faults({"type": "free_text"}, "x" * LIMITS.input_bytes)["answer"][0]
    assert faults({"type": "free_text"}, object())["answer"]
    assert check_answer({"type": "free_text"}, "x" * (LIMITS.input_bytes - 2))


class Line(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class Order(BaseModel):
    name: str = Field(min_length=2)
    day: date
    note: str | None = None
    ship_to: str = Field("home", alias="shipTo")
    lines: list[Line] = []

    @field_validator("name")
    @classmethod
    def _no_digits(cls, value: str) -> str:
        if any(letter.isdigit() for letter in value):
            raise ValueError("must not hold digits")
        return value


ORDER = form(*fields_of_model(Order), schema="Order")


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Ana", "day": "2026-01-31", "lines": [{"sku": "x", "quantity": "2"}]},
        {"name": "Ana", "day": "2026-01-31", "lines": '[{"sku": "x", "quantity": 2}]'},
        Order(name="Ana", day=date(2026, 1, 31), lines=[Line(sku="x", quantity=2)], shipTo="home"),
    ],
)
def test_the_model_accepts_its_fields_texts_of_screens_and_itself(given: Any) -> None:
    tree, _ = check_answer(ORDER, given, Order)
    assert Order.model_validate(decode(tree)) == Order(
        name="Ana", day=date(2026, 1, 31), lines=[Line(sku="x", quantity=2)], shipTo="home"
    )


def test_faults_of_the_model_and_unknown_fields_are_told_together() -> None:
    found = faults(ORDER, {"name": "Ana 2", "lines": [{"sku": "x", "quantity": 0}], "shipto": "x"}, Order)
    assert sorted(found) == ["day", "lines", "name", "shipto"]
    assert found["day"] == ["is required"]
    assert "digits" in found["name"][0]
    assert found["lines"][0].startswith("0.quantity:")
    assert "'shipTo'" in found["shipto"][0]


def test_without_the_model_at_hand_the_fields_are_checked_and_the_rest_left_to_the_worker() -> None:
    tree, _ = check_answer(ORDER, {"name": "Ana", "day": "2026-01-31", "lines": [{"sku": "x", "quantity": 2}]})
    assert decode(tree)["lines"] == [{"sku": "x", "quantity": 2}]
    assert list(faults(ORDER, {"name": "A", "day": "2026-01-31"})) == ["name"]

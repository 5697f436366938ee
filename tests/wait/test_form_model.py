"""One form model: what a screen shows of each kind of question, and what it makes of what was typed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from durable_core.codec import encode
from durable_core.dsl.forms import FormField
from durable_core.wait.answers import check_answer
from durable_core.wait.form_model import FormModel, Option

FIELDS = [
    FormField("email", type="email", required=True, max_length=200, help="Work address"),
    FormField("plan", type="select", options=["basic", "pro"], default="basic"),
    FormField("seats", type="integer", min=1, max=500),
    FormField("tags", type="multiselect", options=["a", "b"], default=["a"], min_length=1),
    FormField("agree", type="boolean", default=False),
    FormField("starts", type="datetime"),
]
SPEC = {"type": "form", "prompt": "Your details", "fields": [one.to_json() for one in FIELDS], "choices": []}


def test_a_form_shows_each_field_with_label_default_options_and_limits() -> None:
    model = FormModel.from_spec("details", SPEC, due_at=5, execution_id="wf_1", workflow="signup")
    shown = {one.name: one for one in model.fields}
    assert (model.prompt, model.due_at, model.execution_id) == ("Your details", 5, "wf_1")
    assert (shown["email"].label, shown["email"].help, shown["email"].limits) == (
        "Email",
        "Work address",
        "at most 200 characters",
    )
    assert shown["plan"].options == (Option("basic", "basic"), Option("pro", "pro"))
    assert (shown["plan"].default, shown["tags"].default, shown["agree"].default) == ("basic", ("a",), "false")
    assert (shown["seats"].limits, shown["tags"].limits) == ("1 to 500", "at least 1 choices")


def test_what_was_typed_becomes_the_answer() -> None:
    model = FormModel.from_spec("details", SPEC)
    typed = {"email": "a@example.org", "plan": "pro", "seats": "7", "tags": ["b"], "agree": True}
    parsed = model.parse({**typed, "starts": "2026-07-01T09:00"}, zone=ZoneInfo("Europe/Madrid"))
    assert parsed.ok
    assert parsed.value["seats"] == 7
    assert parsed.value["starts"] == datetime(2026, 7, 1, 9, tzinfo=ZoneInfo("Europe/Madrid"))
    check_answer(SPEC, parsed.value)


def test_blank_fields_are_not_given_and_faults_stand_under_their_fields() -> None:
    parsed = FormModel.from_spec("details", SPEC).parse({"email": "", "plan": "", "seats": "many", "starts": ""})
    assert not parsed.ok
    assert set(parsed.faults) == {"email", "seats"}


@pytest.mark.parametrize(
    ("spec", "raw", "value"),
    [
        ({"type": "approval"}, {"decision": "approved", "comment": ""}, "approved"),
        (
            {"type": "approval"},
            {"decision": "rejected", "comment": "no"},
            {"decision": "rejected", "comment": "no"},
        ),
        ({"type": "single_choice", "choices": [1, 2]}, {"answer": "2"}, 2),
        ({"type": "multi_choice", "choices": [1, 2]}, {"answer": ["2", "1"]}, [2, 1]),
        ({"type": "multi_choice", "choices": [1, 2]}, {}, []),
        ({"type": "free_text"}, {"answer": "hello"}, "hello"),
        ({}, {}, ""),
    ],
)
def test_every_kind_of_question_parses_to_what_provide_input_takes(spec: Any, raw: Any, value: Any) -> None:
    model = FormModel.from_spec("q", spec)
    parsed = model.parse(raw)
    assert (parsed.value, dict(parsed.faults)) == (value, {})
    check_answer(spec, parsed.value)
    assert all(one.name in ("answer", "decision", "comment") for one in model.fields)


@pytest.mark.parametrize("spec", [{"type": "approval"}, {"type": "single_choice", "choices": ["a"]}])
def test_a_decision_is_required(spec: Any) -> None:
    assert not FormModel.from_spec("q", spec).parse({}).ok


def test_options_show_booleans_and_rich_values_as_text() -> None:
    from decimal import Decimal

    spec = {"type": "single_choice", "choices": [encode(each) for each in (True, Decimal("1.50"), "x")]}
    (field,) = FormModel.from_spec("q", spec).fields
    assert [option.text for option in field.options] == ["true", "1.50", "x"]
    for option in field.options:
        assert FormModel.from_spec("q", spec).parse({"answer": option.text}).ok

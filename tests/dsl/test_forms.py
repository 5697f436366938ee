"""Form fields are data; every option that does not fit is refused when the form is written."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from durable_core.dsl import FormField
from durable_core.dsl.forms import fields_of_model
from durable_core.errors import DefinitionError
from durable_core.wait.fields import field_value

FIELDS = [
    FormField("name"),
    FormField("email", type="email", required=True, max_length=200, pattern=r".+@.+", help="Work address"),
    FormField("plan", type="select", options=["basic", "pro"], default="basic"),
    FormField("tags", type="multiselect", options=["a", "b"], default=["a"], min_length=1),
    FormField("seats", type="integer", min=0, max=500, default=0),
    FormField("share", type="number", min=0.5),
    FormField("ok", type="boolean", default=False, label="Fine?"),
    FormField("day", type="date", min=date(2030, 1, 1), default="2030-02-03"),
    FormField("at", type="datetime", max="2030-01-01T00:00:00+00:00"),
]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_field_comes_back_equal_from_its_json(field: FormField) -> None:
    written = json.loads(json.dumps(field.to_json()))
    assert FormField.from_json(written) == field


def test_what_is_not_given_is_left_out() -> None:
    assert FIELDS[0].to_json() == {"name": "name", "type": "text"}
    assert FIELDS[6].to_json() == {"name": "ok", "type": "boolean", "default": False, "label": "Fine?"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"type": "string"}, "type"),
        ({"typ": "text"}, "Did you mean 'type'"),
        ({"required": "yes"}, "required"),
        ({"type": "select"}, "needs options"),
        ({"type": "select", "options": []}, "needs options"),
        ({"type": "select", "options": ["a", "a"]}, "twice"),
        ({"type": "select", "options": [["a"]]}, "option"),
        ({"type": "select", "options": ["a"], "default": "b"}, "default"),
        ({"type": "multiselect", "options": ["a"], "default": "a"}, "default"),
        ({"options": ["a"]}, "takes no options"),
        ({"min": 3}, "min_length"),
        ({"type": "integer", "min": "3"}, "number"),
        ({"type": "integer", "min": 1.5}, "whole number"),
        ({"type": "number", "max": float("nan")}, "number"),
        ({"type": "integer", "min": 3, "max": 2}, "above max"),
        ({"type": "integer", "min_length": 3}, "min_length"),
        ({"min_length": -1}, "min_length"),
        ({"min_length": 3, "max_length": 2}, "above max_length"),
        ({"pattern": "("}, "regular expression"),
        ({"pattern": "x" * 1025}, "1,024"),
        ({"type": "integer", "pattern": "x"}, "pattern"),
        ({"type": "integer", "default": True}, "default"),
        ({"type": "integer", "min": 1, "default": 0}, "default 0 is below min 1"),
        ({"type": "number", "max": 1.5, "default": 2}, "default 2 is above max 1.5"),
        ({"type": "date", "min": "2030-01-01", "default": "2029-12-31"}, "below min"),
        ({"type": "datetime", "max": "2030-01-01T10:00Z", "default": "2030-01-01T09:00-05:00"}, "above max"),
        ({"min_length": 2, "default": "x"}, "shorter than min_length 2"),
        ({"max_length": 2, "default": "xxx"}, "longer than max_length 2"),
        ({"type": "email", "default": "ana at home"}, "'ana at home' is no e-mail address"),
        ({"type": "email", "required": True, "default": ""}, "'' is no e-mail address"),
        ({"type": "email", "pattern": r".+@example\.org", "default": "ana@example.com"}, "does not match the pattern"),
        ({"pattern": "[a-z]+", "default": "abc1"}, "'abc1' does not match the pattern"),
        ({"type": "textarea", "pattern": "(?=x).*", "default": "abc"}, "does not match the pattern"),
        ({"required": True, "pattern": "[a-z]+", "default": ""}, "does not match the pattern"),
        ({"type": "multiselect", "options": ["a"], "min_length": 1, "default": []}, "shorter than min_length 1"),
        ({"type": "boolean", "default": 1}, "default"),
        ({"default": 3}, "default"),
        ({"type": "date", "min": "soon"}, "no date"),
        ({"type": "date", "min": datetime(2030, 1, 1)}, "date"),
        ({"type": "datetime", "min": datetime(2030, 1, 1)}, "time zone"),
        ({"help": 3}, "help"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_naming_the_field(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        FormField("field", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "email", "default": " ana@example.org "},
        {"type": "email", "default": ""},
        {"pattern": "[a-z]+", "default": "abc"},
        {"pattern": "[a-z]+", "default": ""},
        {"pattern": "(?=x).*", "default": "xyz"},
    ],
)
def test_a_default_that_its_field_takes_as_an_answer_is_taken(options: dict[str, Any]) -> None:
    """Also an empty one, where nothing needs to be given."""
    field = FormField("field", **options)
    assert field_value(field, field.default)[1] == []


def test_a_field_needs_a_name() -> None:
    with pytest.raises(DefinitionError):
        FormField("")


class Address(BaseModel):
    street: str


class Signup(BaseModel):
    mail: str = Field(json_schema_extra={"format": "email"}, description="Work")
    seats: int = Field(default=3, ge=1, le=9)
    share: float | None = None
    ok: bool = False
    day: date
    plan: Literal["basic", "pro"] = "basic"
    colors: list[Literal["r", "g"]] = []
    address: Address


def test_a_model_is_a_form() -> None:
    found = {field.name: field for field in fields_of_model(Signup)}
    assert {name: field.type for name, field in found.items()} == {
        "mail": "email", "seats": "integer", "share": "number", "ok": "boolean", "day": "date", "plan": "select",
        "colors": "multiselect", "address": "textarea",
    }  # fmt: skip
    assert (found["seats"].min, found["seats"].max, found["seats"].default) == (1, 9, 3)
    assert found["plan"].options == ("basic", "pro") and found["mail"].help == "Work"
    assert [name for name, field in found.items() if field.required] == ["mail", "day", "address"]


class Odd(BaseModel):
    seats: int = Field(default=0, ge=1, le=9)
    mail: str = Field(default="nobody", json_schema_extra={"format": "email"})


def test_a_models_default_outside_its_bounds_is_left_to_the_model() -> None:
    """pydantic takes it; the screen shows the bounds and offers no value that it would refuse."""
    seats, mail = fields_of_model(Odd)
    assert (seats.min, seats.max, seats.default, seats.required) == (1, 9, None, False)
    assert (mail.type, mail.default) == ("email", None)


def test_bounds_of_times_are_compared_as_times() -> None:
    """By their texts the first would be the later one."""
    field = FormField("at", type="datetime", min="2030-01-01T10:00+02:00", max="2030-01-01T09:00+00:00")
    assert field.max == "2030-01-01T09:00:00+00:00"

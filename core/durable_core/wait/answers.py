"""Answers of people, validated: all faults at once, each under its field, before anything changes (W-7)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from durable_core.codec import encode, encoded_size
from durable_core.codec.registry import find_type, is_model
from durable_core.definition.nodes import Json
from durable_core.dsl.forms import FormField
from durable_core.errors import InputValidationError, SerializationError
from durable_core.limits import LIMITS
from durable_core.text import storable_text
from durable_core.wait.fields import FieldFault, choose, choose_many, field_value, is_blank, shown
from durable_core.wait.schemas import accept_by_model, as_mapping, known_names

__all__ = ["ANSWER", "APPROVAL", "check_answer"]

ANSWER: Final = "answer"
"""The name under which faults of an answer stand that has no fields."""

APPROVAL: Final = ("approved", "rejected")

Faults = dict[str, list[str]]


def check_answer(spec: Mapping[str, Any], value: Any, schema: type[Any] | None = None) -> tuple[Json, str | None]:
    """The accepted answer, encoded, and the comment of an approval; InputValidationError with every fault by field.

    A form of a model is judged by the model: the one given, else the one this process knows under its name.
    """
    faults: Faults = {}
    comment: str | None = None
    tree: Any = None
    if schema is None and spec.get("schema"):
        found = find_type(spec["schema"])
        schema = found if found is not None and is_model(found) else None
    match spec.get("type", "free_text"):
        case "form":
            tree = _form(spec, value, schema, faults)
        case "approval":
            tree, comment = _approval(value, faults)
        case "single_choice":
            tree = _chosen(choose, spec, value, faults)
        case "multi_choice":
            tree = _chosen(choose_many, spec, value, faults)
        case _:
            tree = _encoded(value, ANSWER, faults)
    if not faults:
        size = encoded_size(tree) + len((comment or "").encode("utf-8", "surrogatepass"))
        if size > LIMITS.input_bytes:
            faults[ANSWER] = [f"has {size:,} bytes, the limit is {LIMITS.input_bytes:,}"]
    if faults:
        told = "; ".join(
            ", ".join(found) if name == ANSWER else f"{name}: {', '.join(found)}" for name, found in faults.items()
        )
        raise InputValidationError(f"the answer is not valid: {told}", errors=faults)
    return tree, comment


def _encoded(value: Any, name: str, faults: Faults) -> Any:
    try:
        return encode(value)
    except SerializationError as error:
        faults.setdefault(name, []).append(error.message)
        return None


def _chosen(choosing: Any, spec: Mapping[str, Any], value: Any, faults: Faults) -> Any:
    try:
        return choosing(value, spec.get("choices") or ())
    except FieldFault as fault:
        faults[ANSWER] = [str(fault)]
        return None


def _approval(value: Any, faults: Faults) -> tuple[Any, str | None]:
    """The decision, plain or in a mapping with a comment."""
    comment: Any = None
    decision = value
    where = ANSWER
    if isinstance(value, Mapping):
        where = "decision"
        _unknown(value, ("decision", "comment"), faults)
        decision, comment = value.get("decision"), value.get("comment")
    word = decision.strip() if isinstance(decision, str) else decision
    if decision is None:
        faults[where] = ["is required: approved or rejected"]
    elif word not in APPROVAL:
        faults[where] = [f"must be 'approved' or 'rejected', got {shown(decision)}"]
    if comment is not None and not isinstance(comment, str):
        faults["comment"] = [f"must be a text, got {shown(comment)}"]
    return (None, None) if faults else (word, storable_text(comment) if comment else None)


def _form(spec: Mapping[str, Any], value: Any, schema: Any, faults: Faults) -> Any:
    fields = [FormField.from_json(each) for each in spec.get("fields") or ()]
    value = as_mapping(value)
    if not isinstance(value, Mapping):
        names = ", ".join(field.name for field in fields)
        faults[ANSWER] = [f"must be a mapping with the fields {names}, got {shown(value)}"]
        return None
    if schema is not None:
        names_of_model = known_names(schema, fields)
        if names_of_model is not None:
            _unknown(value, names_of_model, faults)
        tree, found = accept_by_model(schema, value, fields)
        for name, told in found.items():
            if name not in faults:
                faults[name] = told
        return tree
    _unknown(value, [field.name for field in fields], faults)
    answer: dict[str, Any] = {}
    # Without the model at hand, a field that it alone can judge takes any value; the step's worker has the model.
    judged_later = bool(spec.get("schema"))
    for field in fields:
        given = value.get(field.name)
        if judged_later and field.type == "textarea" and given is not None and not isinstance(given, str):
            answer[field.name] = given
        elif is_blank(field, given):
            _not_given(field, answer, faults)
        else:
            answer[field.name], found_faults = field_value(field, given)
            if found_faults:
                faults[field.name] = found_faults
    return None if faults else _encoded(answer, ANSWER, faults)


def _not_given(field: FormField, answer: dict[str, Any], faults: Faults) -> None:
    """A default counts as given; without one a required field is a fault and another is left out."""
    if field.default is not None:
        # Dates stand as text in a field's data; an answer holds dates.
        answer[field.name], found = field_value(field, field.default)
        if found:
            faults[field.name] = found
    elif field.required:
        faults[field.name] = ["is required"]


def _unknown(value: Mapping[Any, Any], names: Iterable[str], faults: Faults) -> None:
    known = list(names)
    for key in value:
        if isinstance(key, str) and key in known:
            continue
        close = difflib.get_close_matches(key, known, n=1) if isinstance(key, str) else []
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}"
        faults[str(key) if isinstance(key, str) else shown(key)] = [f"is no field here; {hint}"]

"""Answers judged by a pydantic model: the model decides, the form's fields only help to read what screens send."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from durable_core.codec import decode, encode
from durable_core.dsl.forms import FormField
from durable_core.errors import SerializationError
from durable_core.wait.fields import field_value

__all__ = ["accept_by_model", "as_mapping", "known_names"]


def as_mapping(value: Any) -> Any:
    """A pydantic model as the mapping it can be made from again; anything else unchanged."""
    dump = getattr(value, "model_dump", None)
    return dump(by_alias=True, round_trip=True) if dump is not None and not isinstance(value, type) else value


def accept_by_model(
    model: Any, value: Mapping[str, Any], fields: Sequence[FormField]
) -> tuple[Any, dict[str, list[str]]]:
    """The accepted answer, encoded, or the model's faults by field."""
    from pydantic import ValidationError

    readings = (dict(value), _read(value, fields))
    faults: dict[str, list[str]] = {}
    for given in readings:
        try:
            made = model.model_validate(given)
        except ValidationError as error:
            faults = _by_field(error)
            continue
        return _stored(model, made, given), {}
    return None, faults


def known_names(model: Any, fields: Sequence[FormField]) -> set[str] | None:
    """The names the model takes; None when it takes any."""
    if model.model_config.get("extra") == "allow":
        return None
    names = {field.name for field in fields}
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    for name, info in model.model_fields.items():
        if by_name or info.validation_alias is None:
            names.add(name)
        for alias in (info.alias, info.validation_alias, *getattr(info.validation_alias, "choices", ())):
            if isinstance(alias, str):
                names.add(alias)
            elif getattr(alias, "path", None):
                names.add(str(alias.path[0]))
    return names


def _read(value: Mapping[str, Any], fields: Sequence[FormField]) -> dict[str, Any]:
    """What the fields make of the texts that screens send; what does not convert is left to the model."""
    read = dict(value)
    for field in fields:
        given = read.get(field.name)
        if not isinstance(given, str):
            continue
        if not given.strip() and field.type not in ("text", "textarea"):
            del read[field.name]
        elif field.type == "textarea":
            # A field of the model with no widget of its own is written as JSON.
            try:
                read[field.name] = json.loads(given)
            except ValueError:
                continue
        else:
            found, faults = field_value(field, given)
            if not faults:
                read[field.name] = found
    return read


def _stored(model: Any, made: Any, given: Mapping[str, Any]) -> Any:
    """The encoded form that the model can be made from again: its own dump, or what was given."""
    for write in (
        lambda: made.model_dump(by_alias=True, round_trip=True),
        lambda: made.model_dump(round_trip=True),
        lambda: dict(given),
    ):
        try:
            tree = encode(write())
            model.model_validate(decode(tree))
        except (ValueError, SerializationError):  # a ValidationError is a ValueError
            continue
        return tree
    return encode(dict(given))


def _by_field(error: Any) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        location = each["loc"]
        name = str(location[0]) if location else "answer"
        inner = ".".join(map(str, location[1:]))
        words = "is required" if each["type"] == "missing" else each["msg"]
        faults.setdefault(name, []).append(f"{inner}: {words}" if inner else words)
    return faults

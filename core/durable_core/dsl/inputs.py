"""The input of an execution: checked by the workflow's model, or a mapping with string keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable_core.errors import DefinitionError, InputValidationError

__all__ = ["faults_by_field", "validated_input"]


def validated_input(workflow: str, model: Any, value: Any) -> dict[str, Any]:
    """The input as a dict of context values; InputValidationError lists all faults at once, by field."""
    if model is not None:
        return _by_model(workflow, model, {} if value is None else value)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        hint = "Pass a mapping of names to values."
        if hasattr(value, "model_dump"):
            hint = f"Pass its model_dump(), or declare @workflow(input={type(value).__name__})."
        raise InputValidationError(
            f"the input of workflow {workflow!r} must be a mapping, not {type(value).__name__}",
            errors={"input": ["must be a mapping"]},
            hint=hint,
        )
    wrong = {repr(key): ["names are strings"] for key in value if not isinstance(key, str)}
    if wrong:
        raise InputValidationError(
            f"the input of workflow {workflow!r} has names that are no strings: {', '.join(wrong)}", errors=wrong
        )
    return dict(value)


def _by_model(workflow: str, model: Any, value: Any) -> dict[str, Any]:
    from pydantic import ValidationError  # loaded: the model derives from it

    try:
        checked = model.model_validate(value)
    except ValidationError as error:
        faults = faults_by_field(error, "input")
        told = "; ".join(f"{name}: {', '.join(found)}" for name, found in faults.items())
        raise InputValidationError(
            f"the input of workflow {workflow!r} does not fit {model.__name__}: {told}", errors=faults
        ) from error
    fields = checked.model_dump()
    if not isinstance(fields, dict):
        raise DefinitionError(
            f"workflow {workflow!r}: the input model {model.__name__} is no mapping of fields", hint="Use a BaseModel."
        )
    return fields


def faults_by_field(error: Any, whole: str) -> dict[str, list[str]]:
    """The faults of a pydantic ValidationError by dotted field name; `whole` stands for the value itself."""
    faults: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        field = ".".join(str(part) for part in one["loc"]) or whole
        faults.setdefault(field, []).append(one["msg"])
    return faults

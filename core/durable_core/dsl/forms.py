"""Form fields: what a person is asked for, as data that every screen and the validation share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal, get_args

from durable_core.definition.checks import check_choice, check_count, check_name, check_regex, fault
from durable_core.dsl.guard import checked_options
from durable_core.dsl.patterns import fully_matches, is_email
from durable_core.errors import DefinitionError

__all__ = ["FieldType", "FormField", "fields_of_model"]

FieldType = Literal[
    "text", "textarea", "email", "integer", "number", "boolean", "date", "datetime", "select", "multiselect"
]

_CHOOSING = ("select", "multiselect")
_NUMERIC = ("integer", "number")
_TIMES = ("date", "datetime")
_TEXTUAL = ("text", "textarea", "email")


@checked_options
@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form; every option that does not fit its type is refused at once."""

    name: str
    type: FieldType = "text"
    required: bool = False
    min: Any = None
    """Smallest number, or earliest date or datetime."""
    max: Any = None
    min_length: int | None = None
    """Of a text, or of what is chosen in a multiselect."""
    max_length: int | None = None
    pattern: str | None = None
    """Regular expression that the whole text matches."""
    default: Any = None
    help: str | None = None
    options: Sequence[Any] | None = None
    """What select and multiselect offer."""
    label: str | None = None

    def __post_init__(self) -> None:
        where = f"FormField {self.name!r}"
        check_name(self.name, where)
        check_choice(self.type, get_args(FieldType), "type", where)
        if type(self.required) is not bool:
            raise fault(where, f"required must be True or False, got {self.required!r}")
        for option in ("help", "label"):
            if getattr(self, option) is not None and not isinstance(getattr(self, option), str):
                raise fault(where, f"{option} must be a string, got {getattr(self, option)!r}")
        self._check_options(where)
        self._check_bounds(where)
        self._check_lengths(where)
        object.__setattr__(self, "default", self._default(where))
        if self.default is not None:
            self._check_default(where)

    def _check_options(self, where: str) -> None:
        if self.type not in _CHOOSING:
            if self.options is not None:
                raise fault(where, f"type={self.type!r} takes no options", 'Use type="select" or "multiselect".')
            return
        if isinstance(self.options, str) or not isinstance(self.options, Sequence) or not self.options:
            raise fault(where, f"type={self.type!r} needs options", 'Write options=["basic", "pro"].')
        for n, option in enumerate(self.options):
            if not isinstance(option, str | bool | int | float):
                raise fault(where, f"the option {option!r} is no string or number")
            if any(option == other and type(option) is type(other) for other in self.options[:n]):
                raise fault(where, f"the option {option!r} is there twice", "Give each option once.")
        object.__setattr__(self, "options", tuple(self.options))

    def _check_bounds(self, where: str) -> None:
        for option in ("min", "max"):
            value = getattr(self, option)
            if value is None:
                continue
            if self.type not in (*_NUMERIC, *_TIMES):
                raise fault(
                    where,
                    f"type={self.type!r} takes no {option}",
                    f"Use {option}_length." if self.type in (*_TEXTUAL, "multiselect") else None,
                )
            object.__setattr__(self, option, self._comparable(value, option, where))
        if self.min is not None and self.max is not None and self._ordered(self.min) > self._ordered(self.max):
            raise fault(where, f"min {self.min!r} is above max {self.max!r}")

    def _comparable(self, value: Any, option: str, where: str) -> Any:
        if self.type in _NUMERIC:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise fault(where, f"{option} must be a number, got {value!r}")
            if self.type == "integer" and value != int(value):
                raise fault(where, f"{option} must be a whole number, got {value!r}")
            return value
        return _iso(value, self.type, option, where)

    def _check_lengths(self, where: str) -> None:
        sized = (*_TEXTUAL, "multiselect")
        for option in ("min_length", "max_length"):
            value = getattr(self, option)
            if value is None:
                continue
            if self.type not in sized:
                hint = f"Use {option[:3]}." if self.type in (*_NUMERIC, *_TIMES) else None
                raise fault(where, f"type={self.type!r} takes no {option}", hint)
            check_count(value, option, where, minimum=0)
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise fault(where, f"min_length {self.min_length} is above max_length {self.max_length}")
        if self.pattern is not None:
            if self.type not in _TEXTUAL:
                raise fault(where, f"type={self.type!r} takes no pattern")
            check_regex(self.pattern, "pattern", where)

    def _default(self, where: str) -> Any:
        value = self.default
        if value is None:
            return None
        match self.type:
            case "select":
                fits = _offered(value, self.options or ())
            case "multiselect":
                fits = isinstance(value, list | tuple) and all(_offered(item, self.options or ()) for item in value)
                value = list(value) if fits else value
            case "boolean":
                fits = isinstance(value, bool)
            case "integer":
                fits = isinstance(value, int) and not isinstance(value, bool)
            case "number":
                fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            case "date" | "datetime":
                return _iso(value, self.type, "default", where)
            case _:
                fits = isinstance(value, str)
        if not fits:
            offered = f"It is one of: {', '.join(map(repr, self.options))}." if self.options else None
            raise fault(where, f"the default {value!r} does not fit type={self.type!r}", offered)
        return value

    def _check_default(self, where: str) -> None:
        """A default that the field refuses would be a fault of whoever leaves the field out."""
        default = self.default
        if self.type in (*_NUMERIC, *_TIMES):
            if self.min is not None and self._ordered(default) < self._ordered(self.min):
                raise fault(where, f"the default {default!r} is below min {self.min!r}")
            if self.max is not None and self._ordered(default) > self._ordered(self.max):
                raise fault(where, f"the default {default!r} is above max {self.max!r}")
        elif self.type in (*_TEXTUAL, "multiselect"):
            if self.min_length is not None and len(default) < self.min_length:
                raise fault(where, f"the default {default!r} is shorter than min_length {self.min_length}")
            if self.max_length is not None and len(default) > self.max_length:
                raise fault(where, f"the default {default!r} is longer than max_length {self.max_length}")
            if self.type in _TEXTUAL:
                self._check_default_text(default.strip() if self.type == "email" else default, where)

    def _check_default_text(self, text: str, where: str) -> None:
        if not text and not self.required:
            return
        if self.type == "email" and not is_email(text):
            raise fault(where, f"the default {self.default!r} is no e-mail address", "Write it like ana@example.org.")
        if self.pattern is not None and _default_matches(self.pattern, text) is False:
            raise fault(where, f"the default {self.default!r} does not match the pattern {self.pattern!r}")

    def _ordered(self, value: Any) -> Any:
        """A bound or default as what is compared; texts of times in several zones have another order."""
        return datetime.fromisoformat(value) if self.type == "datetime" else value

    def to_json(self) -> dict[str, Any]:
        """The field as data; what is not given is left out."""
        written: dict[str, Any] = {"name": self.name, "type": self.type}
        for one in fields(self)[2:]:
            value = getattr(self, one.name)
            if value is not None and value is not False:
                written[one.name] = list(value) if isinstance(value, tuple) else value
            elif value is False and one.name == "default":
                written["default"] = False
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> FormField:
        """The field that `to_json` wrote."""
        return cls(**written)


@lru_cache(maxsize=256)
def _default_matches(pattern: str, default: str) -> bool | None:
    """Whether a default matches; kept, since fields are made anew for each question that is drawn or answered."""
    return fully_matches(pattern, default)


def _offered(value: Any, options: Sequence[Any]) -> bool:
    return any(value == option and type(value) is type(option) for option in options)


def _iso(value: Any, kind: str, option: str, where: str) -> str:
    """ISO 8601 text of a date or an aware datetime."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if kind == "datetime" else date.fromisoformat(value)
    except ValueError:
        raise fault(where, f"{option} {value!r} is no {kind}", "Write it in ISO 8601.") from None
    if kind == "datetime":
        if not isinstance(value, datetime) or value.utcoffset() is None:
            raise fault(where, f"{option} must be a datetime with a time zone, got {value!r}")
        return value.isoformat()
    if not isinstance(value, date) or isinstance(value, datetime):
        raise fault(where, f"{option} must be a date, got {value!r}")
    return value.isoformat()


def fields_of_model(model: type[Any]) -> list[FormField]:
    """The fields of a pydantic model, for screens; the model itself validates the answer."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return [
        _field_of(name, shape, name in required, schema.get("$defs", {}))
        for name, shape in schema.get("properties", {}).items()
    ]


def _field_of(name: str, shape: Mapping[str, Any], required: bool, defs: Mapping[str, Any]) -> FormField:
    inner = _resolve(shape, defs)
    options: dict[str, Any] = {"required": required, "label": shape.get("title"), "help": shape.get("description")}
    kind = _kind(inner, defs)
    if kind in _CHOOSING:
        options["options"] = list(_choices(inner if kind == "select" else _resolve(inner.get("items", {}), defs)))
    if kind in _NUMERIC:
        options |= {"min": inner.get("minimum"), "max": inner.get("maximum")}
    if kind in (*_TEXTUAL, "multiselect") and inner.get("type") in ("string", "array"):
        lengths = ("minItems", "maxItems") if kind == "multiselect" else ("minLength", "maxLength")
        options |= {"min_length": inner.get(lengths[0]), "max_length": inner.get(lengths[1])}
    few = {key: value for key, value in options.items() if key in ("required", "label", "help", "options")}
    default = {"default": shape.get("default")}
    # A default that does not fit, and bounds in another dialect, only shape the screen: the model checks the answer.
    for given in (options | default, options, few | default):
        with suppress(DefinitionError):
            return FormField(name, type=kind, **given)
    return FormField(name, type=kind, **few)


def _resolve(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in shape:
        return _resolve(defs.get(shape["$ref"].rpartition("/")[2], {}), defs)
    variants = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
    return _resolve(variants[0], defs) if variants else shape


def _choices(shape: Mapping[str, Any]) -> Sequence[Any]:
    return shape["enum"] if "enum" in shape else [shape["const"]] if "const" in shape else ()


def _kind(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> FieldType:
    def plain(found: Sequence[Any]) -> bool:
        return bool(found) and all(isinstance(one, str | int) for one in found)

    if plain(_choices(shape)):
        return "select"
    match shape.get("type"), shape.get("format"):
        case "string", "email":
            return "email"
        case "string", "date":
            return "date"
        case "string", "date-time":
            return "datetime"
        case "string", _:
            return "text"
        case "integer", _:
            return "integer"
        case "number", _:
            return "number"
        case "boolean", _:
            return "boolean"
        case "array", _ if plain(_choices(_resolve(shape.get("items", {}), defs))):
            return "multiselect"
        case _:
            return "textarea"

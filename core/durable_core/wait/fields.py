"""One field of a form: what a screen or a caller gave becomes a value of its type, or a fault in plain words."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from durable_core.codec import encode, same_tree, to_plain
from durable_core.dsl.forms import FormField
from durable_core.dsl.patterns import fully_matches, is_email
from durable_core.errors import SerializationError

__all__ = ["FieldFault", "choose", "choose_many", "field_value", "is_blank", "shown"]

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_YES: Final = frozenset({"true", "yes", "on", "1", "y", "t"})
_NO: Final = frozenset({"false", "no", "off", "0", "n", "f"})


class FieldFault(Exception):  # noqa: N818 - one fault of one field, gathered and never shown as an error itself
    """What is wrong with a value, in words that follow the field's name."""


def shown(value: object) -> str:
    """A short repr of what was given; only the type of what is no plain value."""
    if isinstance(value, str | int | float | bool | None):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"a {type(value).__name__}"


def is_blank(field: FormField, value: Any) -> bool:
    """Whether the value stands for none: None, or an empty text where a text would not do."""
    if value is None:
        return True
    if field.type == "multiselect":
        return field.required and isinstance(value, str | list | tuple | set | frozenset) and not value
    if not isinstance(value, str) or value.strip():
        return False
    return field.required or field.type not in ("text", "textarea")


def field_value(field: FormField, value: Any) -> tuple[Any, list[str]]:
    """The converted value with every fault it has; the value means something only without faults."""
    try:
        found = _convert(field, value)
    except FieldFault as fault:
        return None, [str(fault)]
    return found, list(_faults(field, found))


def _convert(field: FormField, value: Any) -> Any:
    match field.type:
        case "integer":
            return _integer(value)
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
        case "date":
            return _date(value)
        case "datetime":
            return _datetime(value)
        case "select":
            return choose(value, field.options or ())
        case "multiselect":
            return choose_many(value, field.options or ())
        case "email":
            return _text(value).strip()
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise FieldFault(f"must be a text, got {shown(value)}")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise FieldFault(f"must be a whole number, got {shown(value)}")


def _number(value: Any) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    number = math.nan
    if isinstance(value, float | Decimal):
        number = float(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        if _INTEGER.fullmatch(text):
            return int(text)
        number = float(text)
    if not math.isfinite(number):
        raise FieldFault(f"must be a number, got {shown(value)}")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int) and (word := str(value).strip().lower()) in _YES | _NO:
        return word in _YES
    raise FieldFault(f"must be true or false, got {shown(value)}")


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):  # told below, like everything else that is no date
            return date.fromisoformat(value.strip())
    raise FieldFault(f"must be a date like 2026-01-31, got {shown(value)}")


def _datetime(value: Any) -> datetime:
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            found = None
    if not isinstance(found, datetime):
        raise FieldFault(f"must be a date and time like 2026-01-31T09:00:00Z, got {shown(value)}")
    if found.utcoffset() is None:
        raise FieldFault(f"needs a time zone, like 2026-01-31T09:00:00Z, got {shown(str(value))}")
    return found


def choose(value: Any, options: Iterable[Any]) -> Any:
    """The one option (or encoded choice) that a value means: the same value, else the one written like that."""
    listed = list(options)
    try:
        tree = encode(value)
    except SerializationError:
        tree = None
    for option in listed:
        if tree is not None and same_tree(option, tree):
            return option
    if isinstance(value, str):
        written = [option for option in listed if value.strip() in _spellings(option)]
        if len(written) == 1:
            return written[0]
    offered = ", ".join(shown(option if isinstance(option, str) else _plain(option)) for option in listed[:20])
    more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
    raise FieldFault(f"must be one of {offered}{more}, got {shown(value)}")


def choose_many(value: Any, options: Iterable[Any]) -> list[Any]:
    """The options that a list means, or a text with commas between them, each once and in the given order."""
    listed = list(options)
    if isinstance(value, str):
        try:
            return [choose(value, listed)]
        except FieldFault:
            value = [part for part in (part.strip() for part in value.split(",")) if part]
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if not isinstance(value, list | tuple):
        raise FieldFault(f"must be a list, got {shown(value)}")
    chosen: list[Any] = []
    faults: list[str] = []
    for each in value:
        try:
            found = choose(each, listed)
        except FieldFault as fault:
            faults.append(str(fault))
            continue
        if not any(same_tree(found, other) for other in chosen):
            chosen.append(found)
    if faults:
        raise FieldFault("each " + "; ".join(faults[:10]))
    return chosen


def _plain(option: Any) -> Any:
    return option if isinstance(option, str | int | float | bool | None) else to_plain(option)


def _spellings(option: Any) -> frozenset[str]:
    """How a screen may write an option that is no text."""
    plain = _plain(option)
    if isinstance(plain, bool):
        return frozenset({str(plain), str(plain).lower()})
    return frozenset({str(plain).strip()})


def _faults(field: FormField, value: Any) -> Iterable[str]:
    if field.type in ("text", "textarea", "email"):
        yield from _text_faults(field, value)
    elif field.type == "multiselect":
        yield from _length_faults(field, value, "choices")
    elif field.min is not None or field.max is not None:
        low, high = (_bound(field, bound) for bound in (field.min, field.max))
        if low is not None and value < low:
            yield f"must be at least {field.min}, got {value}"
        if high is not None and value > high:
            yield f"must be at most {field.max}, got {value}"


def _bound(field: FormField, bound: Any) -> Any:
    match field.type:
        case "date" if bound is not None:
            return date.fromisoformat(bound)
        case "datetime" if bound is not None:
            return datetime.fromisoformat(bound)
        case _:
            return bound


def _length_faults(field: FormField, value: Sequence[Any], unit: str) -> Iterable[str]:
    if field.min_length is not None and len(value) < field.min_length:
        yield f"must have at least {field.min_length} {unit}, got {len(value)}"
    if field.max_length is not None and len(value) > field.max_length:
        yield f"must have at most {field.max_length} {unit}, got {len(value)}"


def _text_faults(field: FormField, value: str) -> Iterable[str]:
    if not value and not field.required:
        return
    yield from _length_faults(field, value, "characters")
    if field.type == "email" and not is_email(value):
        yield f"must be an e-mail address, got {shown(value)}"
    if field.pattern is not None:
        match fully_matches(field.pattern, value):
            case False:
                yield f"must match {field.pattern!r}, got {shown(value)}"
            case None:
                yield f"could not be matched against {field.pattern!r} in time; write a simpler pattern"

"""From values to trees."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Final
from uuid import UUID

from durable_core.codec.fault import Fault, field, index, item
from durable_core.codec.registry import Codec, Encoder, codec_for, encoders, is_model, is_named_tuple, meet_type
from durable_core.limits import LIMITS

__all__ = ["MAX_INT", "TAG", "encode"]

TAG: Final = "$t"
MAX_INT: Final = 2**63 - 1
"""Larger integers are tagged: databases and other JSON readers would lose digits."""

_MAX_DEPTH: Final = LIMITS.value_depth
_MAX_DIGITS_BITS: Final = 14_000
"""Python refuses to write integers above 4,300 digits in decimals; hexadecimal has no such limit."""


def encode(value: object, where: str = "") -> Any:
    """The tree of a value; SerializationError with the path, ``order.lines[3].price``, when it cannot be stored."""
    try:
        return _encode(value, 0)
    except Fault as fault:
        raise fault.error(where, "store") from fault.__cause__
    except RecursionError:
        raise Fault(f"nested deeper than {_MAX_DEPTH} levels").error(where, "store") from None
    except RuntimeError as error:  # a container changed by another thread meanwhile
        raise Fault(str(error)).error(where, "store") from error


def _encode(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else _string(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -MAX_INT <= value <= MAX_INT else _integer(value)
    if kind is float:
        return value if value - value == 0.0 else {TAG: "float", "v": repr(value)}
    if kind is dict:
        return _mapping(value, depth)
    if kind is list:
        return _elements(value, depth)
    encoder = encoders.get(kind)
    if encoder is None:
        encoder = encoders[kind] = _encoder_for(kind)
    return encoder(value, depth)


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    if depth >= _MAX_DEPTH:
        raise _too_deep()
    out: dict[str, Any] = {}
    key: Any = None
    inner = depth + 1
    try:
        for key, element in value.items():
            if type(key) is not str or key == TAG or not (key.isascii() and "\0" not in key or _clean(key)):
                break
            kind = type(element)
            if kind is str and element.isascii() and "\0" not in element:  # the common case, without a call
                out[key] = element
            else:
                out[key] = _encode(element, inner)
        else:
            return out
    except Fault as fault:
        raise fault.within(item(key), value) from fault.__cause__
    return _pairs(value, depth)  # a key JSON does not know, or one that looks like a tag


def _pairs(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    pairs = []
    for key, element in value.items():
        try:
            encoded_key = _encode(key, depth + 2)
        except Fault as fault:
            raise Fault(f"a key, {fault.problem}", fault.hint).within(item(key), value) from fault.__cause__
        try:
            pairs.append([encoded_key, _encode(element, depth + 2)])
        except Fault as fault:
            raise fault.within(item(key), value) from fault.__cause__
    return {TAG: "dict", "v": pairs}


def _elements(value: Any, depth: int) -> list[Any]:
    if depth >= _MAX_DEPTH:
        raise _too_deep()
    out: list[Any] = []
    inner = depth + 1
    try:
        for element in value:
            if type(element) is int and -MAX_INT <= element <= MAX_INT:  # the common case, without a call
                out.append(element)
            else:
                out.append(_encode(element, inner))
    except Fault as fault:
        raise fault.within(index(len(out)), value) from fault.__cause__
    return out


def _too_deep() -> Fault:
    return Fault(f"nested deeper than {_MAX_DEPTH} levels", "Store a flatter value.")


def _clean(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _string(value: str) -> Any:
    # PostgreSQL refuses NUL in text, UTF-8 refuses lone surrogates; both travel escaped.
    return value if _clean(value) else {TAG: "str", "v": value.encode("unicode_escape").decode("ascii")}


def _integer(value: int) -> Any:
    return {TAG: "int", "v": str(value) if value.bit_length() < _MAX_DIGITS_BITS else hex(value)}


def _zone(value: datetime | time) -> str | None:
    key = getattr(value.tzinfo, "key", None)  # a ZoneInfo knows its name, a fixed offset has none
    return key if isinstance(key, str) else None


def _datetime(value: datetime, depth: int) -> Any:
    tree = {TAG: "datetime", "v": datetime.isoformat(value)}
    zone = _zone(value)
    if zone is not None:
        tree["z"] = zone
    return tree if not value.fold or value.tzinfo is not None else {**tree, "f": 1}


def _time(value: time, depth: int) -> Any:
    zone = _zone(value)
    tree: dict[str, Any] = {TAG: "time", "v": time.isoformat(value if zone is None else value.replace(tzinfo=None))}
    if zone is not None:
        tree["z"] = zone
    return {**tree, "f": 1} if value.fold else tree


def _set(tag: str) -> Encoder:
    def encode_set(value: Any, depth: int) -> Any:
        # Sorted: the same set always has the same tree, whatever the hash seed, so an unchanged one compares equal.
        return {TAG: tag, "v": sorted(_elements(value, depth + 1), key=repr)}

    return encode_set


def _path(value: PurePath, depth: int) -> Any:
    tree = {TAG: "path", "v": _encode(str(value), depth + 1)}
    if not isinstance(value, Path):
        tree["k"] = "windows" if isinstance(value, PureWindowsPath) else "posix"
    return tree


_BUILTIN: Final[dict[type, Encoder]] = {
    datetime: _datetime,
    date: lambda value, depth: {TAG: "date", "v": date.isoformat(value)},
    time: _time,
    timedelta: lambda value, depth: {TAG: "timedelta", "v": [value.days, value.seconds, value.microseconds]},
    Decimal: lambda value, depth: {TAG: "decimal", "v": str(value)},
    UUID: lambda value, depth: {TAG: "uuid", "v": str(value)},
    bytes: lambda value, depth: {TAG: "bytes", "v": base64.b64encode(value).decode("ascii")},
    bytearray: lambda value, depth: {TAG: "bytearray", "v": base64.b64encode(value).decode("ascii")},
    set: _set("set"),
    frozenset: _set("frozenset"),
    tuple: lambda value, depth: {TAG: "tuple", "v": _elements(value, depth + 1)},
    PurePosixPath: _path,
    PureWindowsPath: _path,
    type(Path()): _path,
}


_PLAIN: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)


def _encoder_for(kind: type) -> Encoder:
    codec = codec_for(kind)
    if codec is not None:
        return _by_codec(codec)
    builtin = _BUILTIN.get(kind)
    if builtin is not None:
        return builtin
    if issubclass(kind, Enum):
        return _enum(kind)
    if is_model(kind):
        return _model(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if is_named_tuple(kind):
        return _named_tuple(kind)
    # Subclasses without a codec of their own are stored, and come back, as what they extend.
    plain: tuple[tuple[type, Callable[[Any], Any]], ...] = (
        (str, str.__str__),
        (int, int.__int__),
        (float, float.__float__),
    )
    for base, reduce in plain:
        if issubclass(kind, base):
            return lambda value, depth: _encode(reduce(value), depth)
    if issubclass(kind, list):
        return _elements
    for base, encoder in _BUILTIN.items():
        if issubclass(kind, base):
            return encoder
    if issubclass(kind, Mapping):
        return _mapping
    return _refuse


def _refuse(value: object, depth: int) -> Any:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    hint = f"Register how to store it: register_codec({kind.__name__}, encode, decode)."
    if callable(getattr(kind, "item", None)) and callable(getattr(kind, "tolist", None)):  # NumPy and its relatives
        hint = f"Store value.item() or value.tolist(), or register_codec({kind.__name__}, encode, decode)."
    elif callable(value):
        hint = "Functions and classes are code, not data: store their name."
    raise Fault(f"{name} has no stored form", hint)


def _by_codec(codec: Codec) -> Encoder:
    def encode_custom(value: Any, depth: int) -> Any:
        if depth >= _MAX_DEPTH:
            raise _too_deep()
        try:
            stored = codec.encode(value)
        except Exception as error:
            raise Fault(f"the codec of {codec.name} raised {type(error).__name__}: {_text(error)}") from error
        return {TAG: "x", "n": codec.name, "v": _encode(stored, depth + 1)}

    return encode_custom


def _text(error: Exception) -> str:
    try:
        return str(error)[:500]
    except Exception:
        return "(its text cannot be read)"


def _enum(kind: type[Enum]) -> Encoder:
    name = meet_type(kind)
    if issubclass(kind, Flag):
        return lambda value, depth: {TAG: "flag", "n": name, "v": _encode(value.value, depth + 1)}
    return lambda value, depth: {TAG: "enum", "n": name, "v": _encode(value.name, depth + 1)}


def _fields(value: object, values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth >= _MAX_DEPTH:
        raise _too_deep()
    out = {}
    for name, element in values.items():
        try:
            out[name] = _encode(element, depth + 1)
        except Fault as fault:
            raise fault.within(field(name), value) from fault.__cause__
    return out


def _dataclass(kind: type) -> Encoder:
    name = meet_type(kind)
    names = tuple(each.name for each in dataclasses.fields(kind))

    def encode_dataclass(value: Any, depth: int) -> Any:
        present = {each: getattr(value, each) for each in names if hasattr(value, each)}
        return {TAG: "dataclass", "n": name, "v": _fields(value, present, depth + 1)}

    return encode_dataclass


def _named_tuple(kind: type) -> Encoder:
    name = meet_type(kind)

    def encode_named_tuple(value: Any, depth: int) -> Any:
        return {TAG: "namedtuple", "n": name, "v": _fields(value, value._asdict(), depth + 1)}

    return encode_named_tuple


def _model(kind: type) -> Encoder:
    name = meet_type(kind)

    def encode_model(value: Any, depth: int) -> Any:
        tree = {TAG: "model", "n": name, "v": _fields(value, value.__dict__, depth + 1)}
        if value.__pydantic_extra__:
            tree["x"] = _mapping(value.__pydantic_extra__, depth + 1)
        given = value.__pydantic_fields_set__
        if given != value.__dict__.keys():
            tree["s"] = sorted(given)
        return tree

    return encode_model

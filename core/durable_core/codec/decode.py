"""From trees back to values."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from durable_core.codec.encode import TAG
from durable_core.codec.fault import Fault, index, item
from durable_core.codec.registry import find_codec, find_type, is_model, is_named_tuple

__all__ = ["decode", "is_plain", "to_plain"]

_ATOMS: Final = frozenset({str, int, float, bool, type(None)})


def decode(tree: Any, *, strict: bool = True, where: str = "") -> Any:
    """The value of a tree, always a fresh copy.

    A type this process does not know is a SerializationError naming it; without ``strict``, plain data for a viewer.
    """
    try:
        return _decode(tree, strict)
    except Fault as fault:
        raise fault.error(where, "read") from fault.__cause__
    except RecursionError:
        raise Fault("nested too deep").error(where, "read") from None


def is_plain(tree: Any) -> bool:
    """Whether a tree holds no tag, so that its value is the tree itself."""
    kind = type(tree)
    if kind is dict:
        return TAG not in tree and all(type(each) in _ATOMS or is_plain(each) for each in tree.values())
    return kind is not list or all(type(each) in _ATOMS or is_plain(each) for each in tree)


def to_plain(tree: Any) -> Any:
    """Plain JSON for people and other programs: rich values as strings, sets as lists, objects as mappings."""
    kind = type(tree)
    if kind is list:
        return [to_plain(each) for each in tree]
    if kind is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {key: each if type(each) in _ATOMS else to_plain(each) for key, each in tree.items()}
    stored = tree.get("v")
    match tag:
        case "dict" if isinstance(stored, list):
            return {
                _plain_key(pair[0]): to_plain(pair[1]) for pair in stored if isinstance(pair, list) and len(pair) == 2
            }
        case "timedelta" if isinstance(stored, list) and len(stored) == 3:
            return str(timedelta(*stored))
        case "model" if isinstance(stored, dict):
            return {**to_plain(stored), **to_plain(tree.get("x") or {})}
        case "str" | "int" | "float":  # escaped surrogates stay escaped, NaN and huge numbers are strings
            return stored
    return to_plain(stored)


def _plain_key(tree: Any) -> str:
    plain = to_plain(tree)
    return plain if isinstance(plain, str) else repr(plain)


def _decode(tree: Any, strict: bool) -> Any:
    kind = type(tree)
    if kind is dict:
        if TAG in tree:
            return _tagged(tree, strict)
        key = None
        out = {}
        try:
            for key, each in tree.items():
                out[key] = each if type(each) in _ATOMS else _decode(each, strict)
        except Fault as fault:
            raise fault.within(item(key), tree) from fault.__cause__
        return out
    if kind is list:
        return _list(tree, strict)
    return tree


def _list(tree: list[Any], strict: bool) -> list[Any]:
    out: list[Any] = []
    try:
        for each in tree:
            out.append(each if type(each) in _ATOMS else _decode(each, strict))
    except Fault as fault:
        raise fault.within(index(len(out)), tree) from fault.__cause__
    return out


def _tagged(tree: dict[str, Any], strict: bool) -> Any:
    tag = tree[TAG]
    decoder = _DECODERS.get(tag) if isinstance(tag, str) else None
    try:
        if decoder is None:
            raise ValueError(f"unknown type tag {tag!r}")
        return decoder(tree, strict)
    except Fault:
        raise
    except Exception as error:
        if not strict:
            return {key: _decode(each, strict) if key != TAG else each for key, each in tree.items()}
        raise Fault(
            f"this is no readable {tag!r} ({type(error).__name__}: {error})",
            "It was written by a newer version of the library, or changed by hand.",
        ) from error


def _datetime(tree: dict[str, Any], strict: bool) -> datetime:
    value = datetime.fromisoformat(tree["v"])
    zone = tree.get("z")
    if zone is not None:
        try:
            return value.astimezone(ZoneInfo(zone))
        except (OSError, ValueError, OverflowError):  # no such zone here, the offset still names the instant
            return value
    return value.replace(fold=1) if "f" in tree else value


def _time(tree: dict[str, Any], strict: bool) -> time:
    value = time.fromisoformat(tree["v"])
    if "z" in tree:
        value = value.replace(tzinfo=ZoneInfo(tree["z"]))
    return value.replace(fold=1) if "f" in tree else value


def _path(tree: dict[str, Any], strict: bool) -> Any:
    kinds: dict[str | None, Callable[[str], Any]] = {None: Path, "posix": PurePosixPath, "windows": PureWindowsPath}
    return kinds[tree.get("k")](_decode(tree["v"], strict))


def _pairs(tree: dict[str, Any], strict: bool) -> Any:
    out = {}
    for key, each in tree["v"]:
        name = _decode(key, strict)
        try:
            hash(name)
        except TypeError:  # a key of a type not known here, as plain data
            name = repr(name)
        try:
            out[name] = _decode(each, strict)
        except Fault as fault:
            raise fault.within(item(name), tree) from fault.__cause__
    return out


def _members(make: Callable[[Any], Any]) -> Callable[[dict[str, Any], bool], Any]:
    def decode_members(tree: dict[str, Any], strict: bool) -> Any:
        members = _list(tree["v"], strict)
        try:
            return make(members)
        except TypeError:
            if strict:
                raise
            return members  # an element of a type not known here is plain data, which no set takes

    return decode_members


def _custom(tree: dict[str, Any], strict: bool) -> Any:
    name, stored = tree["n"], _decode(tree["v"], strict)
    codec = find_codec(name)
    if codec is None:
        if not strict:
            return stored
        raise _unknown(name, f"register_codec(..., name={name!r})")
    try:
        return codec.decode(stored)
    except Exception as error:
        if not strict:
            return stored
        raise Fault(f"the codec of {name} raised {type(error).__name__}: {str(error)[:500]}") from error


def _enum(tree: dict[str, Any], strict: bool) -> Any:
    cls, stored = find_type(tree["n"]), _decode(tree["v"], strict)
    if cls is None or not issubclass(cls, Enum):
        return _plain_or_unknown(tree, stored, strict)
    try:
        return cls[stored] if tree[TAG] == "enum" else cls(stored)
    except (KeyError, ValueError):
        if not strict:
            return stored
        raise Fault(f"{tree['n']} has no member {stored!r}", "Keep members that stored values use.") from None


def _dataclass(tree: dict[str, Any], strict: bool) -> Any:
    cls, stored = find_type(tree["n"]), _values(tree, strict)
    if cls is None or not dataclasses.is_dataclass(cls):
        return _plain_or_unknown(tree, stored, strict)
    # Field by field and past __init__: frozen, slotted and init=False fields come back exactly as they were.
    value = cls.__new__(cls)
    for each in dataclasses.fields(cls):
        if each.name in stored:
            object.__setattr__(value, each.name, stored[each.name])
        elif each.default is not dataclasses.MISSING:
            object.__setattr__(value, each.name, each.default)
        elif each.default_factory is not dataclasses.MISSING:
            object.__setattr__(value, each.name, each.default_factory())
        elif not strict:
            return stored
        else:
            raise _lacks(tree["n"], each.name)
    return value


def _named_tuple(tree: dict[str, Any], strict: bool) -> Any:
    cls, stored = find_type(tree["n"]), _values(tree, strict)
    if cls is None or not is_named_tuple(cls):
        return _plain_or_unknown(tree, stored, strict)
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    try:
        return cls(**{name: stored[name] for name in names if name in stored})
    except TypeError:
        if not strict:
            return stored
        raise _lacks(tree["n"], next(name for name in names if name not in stored)) from None


def _model(tree: dict[str, Any], strict: bool) -> Any:
    cls, stored = find_type(tree["n"]), _values(tree, strict)
    extra = _decode(tree["x"], strict) if "x" in tree else None
    if cls is None or not is_model(cls):
        return _plain_or_unknown(tree, {**stored, **(extra or {})}, strict)
    model: Any = cls
    if stored.keys() == model.__pydantic_fields__.keys():
        return _restored(model, stored, extra, set(tree.get("s", stored)))
    try:  # the class has changed since: its own validation decides whether the old fields still make one
        known = {name: value for name, value in stored.items() if name in model.__pydantic_fields__}
        return model.model_validate({**known, **(extra or {})}, by_name=True, by_alias=False)
    except ValueError as error:
        if not strict:
            return stored
        raise Fault(f"{tree['n']} has changed and no longer takes it: {str(error)[:500]}") from error


def _restored(model: Any, stored: dict[str, Any], extra: dict[str, Any] | None, given: set[str]) -> Any:
    # As model_construct does, but by field name whatever the aliases are; validators do not run twice over a value.
    value = model.__new__(model)
    assign = object.__setattr__
    assign(value, "__dict__", stored)
    assign(value, "__pydantic_fields_set__", given)
    assign(value, "__pydantic_extra__", (extra or {}) if model.model_config.get("extra") == "allow" else None)
    if model.__private_attributes__:
        private = {name: attribute.get_default() for name, attribute in model.__private_attributes__.items()}
        assign(value, "__pydantic_private__", private)
    else:
        assign(value, "__pydantic_private__", None)
    return value


def _values(tree: dict[str, Any], strict: bool) -> dict[str, Any]:
    stored = tree["v"]
    out = {}
    for name, each in stored.items():
        try:
            out[name] = _decode(each, strict)
        except Fault as fault:
            raise fault.within(item(name), tree) from fault.__cause__
    return out


def _plain_or_unknown(tree: Mapping[str, Any], stored: Any, strict: bool) -> Any:
    if not strict:
        return stored
    raise _unknown(tree["n"], f"register_type({tree['n'].rpartition(':')[2]}), or annotate a step's parameter with it")


def _unknown(name: str, remedy: str) -> Fault:
    return Fault(
        f"the type {name!r} is not known in this process", f"Import the code that defines it and use {remedy}."
    )


def _lacks(name: str, missing: str) -> Fault:
    return Fault(f"{name} has a field {missing!r} the stored value lacks", "Give the new field a default.")


_DECODERS: Final[dict[str, Callable[[dict[str, Any], bool], Any]]] = {
    "str": lambda tree, strict: tree["v"].encode("ascii").decode("unicode_escape"),
    "int": lambda tree, strict: int(tree["v"], 0),
    "float": lambda tree, strict: float(tree["v"]),
    "datetime": _datetime,
    "date": lambda tree, strict: date.fromisoformat(tree["v"]),
    "time": _time,
    "timedelta": lambda tree, strict: timedelta(*tree["v"]),
    "decimal": lambda tree, strict: Decimal(tree["v"]),
    "uuid": lambda tree, strict: UUID(tree["v"]),
    "bytes": lambda tree, strict: base64.b64decode(tree["v"], validate=True),
    "bytearray": lambda tree, strict: bytearray(base64.b64decode(tree["v"], validate=True)),
    "set": _members(set),
    "frozenset": _members(frozenset),
    "tuple": _members(tuple),
    "path": _path,
    "dict": _pairs,
    "enum": _enum,
    "flag": _enum,
    "dataclass": _dataclass,
    "namedtuple": _named_tuple,
    "model": _model,
    "x": _custom,
}

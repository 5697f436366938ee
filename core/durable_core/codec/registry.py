"""The types this process knows: the only way from a name in data to a class (D-4)."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, TypeVar

from durable_core.errors import DefinitionError

__all__ = [
    "Codec",
    "codec_for",
    "encoders",
    "find_codec",
    "find_type",
    "is_model",
    "is_named_tuple",
    "is_structured",
    "meet_type",
    "register_codec",
    "register_type",
    "type_name",
]

_T = TypeVar("_T")
Encoder = Callable[[Any, int], Any]

_JSON_TYPES: Final = frozenset({str, int, float, bool, type(None), list, dict, object})


@dataclass(frozen=True, slots=True)
class Codec:
    """How values of one registered type travel."""

    type: type[Any]
    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


encoders: Final[dict[type, Encoder]] = {}
"""The encoder found for each type met so far; emptied whenever a codec is registered."""

_codecs_by_type: Final[dict[type, Codec]] = {}
_codecs_by_name: Final[dict[str, Codec]] = {}
_types: Final[dict[str, type]] = {}
_registered: Final[set[str]] = set()
# "flows:Order" for a class of shop.flows: the same file run as a script and imported as a module are one.
# None where two classes share it.
_short: Final[dict[str, str | None]] = {}


def register_codec(
    type: type[_T], encode: Callable[[_T], Any], decode: Callable[[Any], _T], name: str | None = None
) -> None:
    """Let values of ``type``, and of its subclasses, be stored: ``encode`` gives any storable value.

    ``name`` is what the store keeps (default ``module:QualifiedName``); a codec registered again replaces the first.
    """
    # The parameter is the public name `type`; the class of anything is then spelled `__class__`.
    if not isinstance(type, _class):
        raise DefinitionError(f"register_codec needs a type, not {type!r}")
    if type in _JSON_TYPES:
        raise DefinitionError(
            f"register_codec: {type.__name__} is JSON already", hint="Wrap it in a class of your own."
        )
    for role, function in (("encode", encode), ("decode", decode)):
        if not callable(function):
            raise DefinitionError(f"register_codec({type.__name__}): {role} must be a function, not {function!r}")
    codec = Codec(type, name or type_name(type), encode, decode)
    _codecs_by_type[type] = codec
    _codecs_by_name[codec.name] = codec
    encoders.clear()


_class = type


def register_type(cls: type[_T], name: str | None = None) -> type[_T]:
    """Let a dataclass, pydantic model, named tuple or Enum come back from the store as itself; usable as a decorator.

    A class registered again under the same name, as in a cell run twice, replaces the first.
    """
    if not (isinstance(cls, type) and is_structured(cls)):
        raise DefinitionError(
            f"register_type takes a dataclass, a pydantic model, a named tuple or an Enum, not {cls!r}",
            hint="Use register_codec(type, encode, decode) for any other type.",
        )
    key = name or type_name(cls)
    _enter(key, cls)
    _registered.add(key)
    if name is not None:
        _names[cls] = name
        encoders.pop(cls, None)
    return cls


_names: Final[dict[type, str]] = {}


def meet_type(cls: type) -> str:
    """Remember the class of a value seen in this process; return its name. A registered class is never displaced."""
    key = type_name(cls)
    if key not in _registered:
        _enter(key, cls)
    return key


def find_type(name: str) -> type | None:
    """The class known under a name, or None; never imports."""
    found = _types.get(name)
    if found is None:
        full = _short.get(_shortened(name))
        found = _types.get(full) if full is not None else None
    return found


def find_codec(name: str) -> Codec | None:
    """The codec registered under a name, or None."""
    return _codecs_by_name.get(name)


def codec_for(cls: type) -> Codec | None:
    """The codec of a class or of its nearest registered base."""
    if not _codecs_by_type:
        return None
    for base in cls.__mro__:
        codec = _codecs_by_type.get(base)
        if codec is not None:
            return codec
    return None


def type_name(cls: type) -> str:
    """The stable name of a class: ``module:QualifiedName``, with a script's ``__main__`` named by its file."""
    given = _names.get(cls)
    if given is not None:
        return given
    module = cls.__module__
    if module == "__main__":
        main = sys.modules.get("__main__")
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else PurePath(file).stem if file else module
    return f"{module}:{cls.__qualname__}"


def is_structured(cls: type) -> bool:
    """Whether a class is stored by its name and fields."""
    return dataclasses.is_dataclass(cls) or issubclass(cls, Enum) or is_named_tuple(cls) or is_model(cls)


def is_model(cls: type) -> bool:
    """Whether a class is a pydantic model; pydantic is not imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and hasattr(cls, "__pydantic_fields__") and issubclass(cls, pydantic.BaseModel)


def is_named_tuple(cls: type) -> bool:
    """Whether a class is a named tuple."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make")


def _enter(name: str, cls: type) -> None:
    _types[name] = cls
    short = _shortened(name)
    if _short.setdefault(short, name) != name:
        _short[short] = None


def _shortened(name: str) -> str:
    module, _, qualname = name.partition(":")
    return f"{module.rpartition('.')[2]}:{qualname}"

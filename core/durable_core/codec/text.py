"""Trees as compact JSON text, through the C encoder and scanner."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from typing import Any, Final

from durable_core.codec.decode import decode
from durable_core.codec.encode import encode
from durable_core.errors import SerializationError

__all__ = ["dump_tree", "dumps", "encoded_size", "load_tree", "loads", "same_tree"]

_portable: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def _compact() -> Callable[[Any], str]:
    # JSONEncoder.encode makes a C encoder at each call, which costs as much as a small tree; this one is made once.
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _portable.encode
    chunks = make(None, _portable.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    join = "".join
    return lambda tree: join(chunks(tree, 0))


_to_text: Final = _compact()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not part of JSON")


_from_text: Final = json.JSONDecoder(parse_constant=_no_constant).decode


def dump_tree(tree: Any) -> str:
    """The JSON text of an encoded tree: valid UTF-8 even where the tree was made by hand and holds lone surrogates."""
    try:
        text = _to_text(tree)
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        return json.dumps(tree, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializationError(f"this is no encoded tree: {error}", hint="Pass the value through encode().") from None
    return text


def load_tree(text: str | bytes) -> Any:
    """The tree of a JSON text; what is no JSON is a SerializationError."""
    try:
        return _from_text(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"this is no JSON: {error}", hint="NaN and Infinity are no JSON either.") from None


def dumps(value: object, where: str = "") -> str:
    """The JSON text of a value."""
    return _to_text(encode(value, where))  # nothing encode() makes needs dump_tree's care


def loads(text: str | bytes, *, strict: bool = True) -> Any:
    """The value of a JSON text made by ``dumps``."""
    return decode(load_tree(text), strict=strict)


def encoded_size(tree: Any) -> int:
    """Bytes of the JSON text of an encoded tree: what the limits count."""
    text = dump_tree(tree)
    return len(text) if text.isascii() else len(text.encode())


def same_tree(one: Any, other: Any) -> bool:
    """Whether two trees are the same JSON; unlike ``==``, 1, 1.0 and True differ, and so does the order of keys."""
    return one is other or (one == other and _to_text(one) == _to_text(other))

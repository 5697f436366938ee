"""SQL with ``:name`` parameters as PostgreSQL takes it, and the values that go with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from durable_core.errors import StoreError
from durable_core.store.transaction import Params

__all__ = ["Statement", "encode", "statement"]

# Left alone: string literals, quoted names, comments, casts. A slice like [1:2] has no name after its colon.
_TOKENS: Final = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|::|(?<!\w):([A-Za-z_][A-Za-z0-9_]*)", re.DOTALL
)
_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LOCKING: Final = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE|KEY\s+SHARE)\b", re.IGNORECASE)
_MOST_STATEMENTS: Final = 4096

_known: dict[str, Statement] = {}


class Statement:
    """One SQL text, translated once: the bytes to send, the names of ``$1, $2 ...``, and whether it may write."""

    __slots__ = ("names", "text", "writes")

    def __init__(self, sql: str) -> None:
        numbers: dict[str, int] = {}

        def number(match: re.Match[str]) -> str:
            name = match[1]
            return match[0] if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

        self.text: bytes = _TOKENS.sub(number, sql).encode()
        self.names: tuple[str, ...] = tuple(numbers)
        bare = _COMMENTS.sub(" ", sql).lstrip()
        self.writes: bool = bare[:6].upper() != "SELECT" or _LOCKING.search(bare) is not None

    def values(self, params: Params) -> list[Any] | None:
        """The parameters in order, as text; None where the statement has none, which makes it cheaper."""
        if not self.names:
            return None
        try:
            return [
                None
                if (value := params[name]) is None
                else _text(value)
                if type(value) is str
                else b"%d" % value
                if type(value) is int
                else encode(value)
                for name in self.names
            ]
        except KeyError as error:
            raise StoreError(f"a statement names the parameter :{error.args[0]}, which was not given") from None


def statement(sql: str) -> Statement:
    """The translation of an SQL text, from memory when it was seen before."""
    found = _known.get(sql)
    if found is None:
        if len(_known) >= _MOST_STATEMENTS:
            _known.clear()  # somebody builds SQL with values in it; do not keep it all
        found = _known[sql] = Statement(sql)
    return found


def _text(value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"a text cannot be stored: {error.reason} at position {error.start}") from None
    if b"\0" in data:
        # libpq would cut the text there without a word.
        raise StoreError("a text with a NUL character cannot be stored in PostgreSQL")
    return data


_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    bool: lambda value: b"1" if value else b"0",  # text of both an integer and a boolean
    float: lambda value: repr(value).encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
    list: lambda value: _array(value),
    tuple: lambda value: _array(value),
}


def encode(value: Any) -> bytes | None:
    """The text form of one value; the server finds its type in the statement."""
    if value is None:
        return None
    if isinstance(value, str):
        return _text(value)
    for kind, encoder in _ENCODERS.items():
        if isinstance(value, kind):
            return encoder(value)
    if isinstance(value, int):
        return b"%d" % value
    raise StoreError(f"a {type(value).__name__} cannot be a parameter of a statement")


def _array(values: Iterable[Any]) -> bytes:
    # https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    elements: list[bytes] = []
    for value in values:
        data = encode(value)
        if data is None:
            elements.append(b"NULL")
        elif isinstance(value, str):
            elements.append(b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
        else:
            elements.append(data)
    return b"{" + b",".join(elements) + b"}"

"""An exception as data: what is recorded, shown and sent about a failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict, TypeVar

from durable_core.limits import LIMITS
from durable_core.masking import DEFAULT_MASKER
from durable_core.text import storable_text

__all__ = ["Failure", "describe_exception"]

_T = TypeVar("_T")
_NAME_BYTES: Final = 255
_VALUE_BYTES: Final = 1024
_MAX_ITEMS: Final = 20
_MAX_DEPTH: Final = 4
_MAX_INT: Final = 2**63
_LONGEST: Final = 1_000_000
"""Characters of a text that are looked at; far more than are kept."""


class Failure(TypedDict):
    """One recorded failure: JSON, valid UTF-8, no NUL, bounded in size."""

    type: str
    module: str
    message: str
    traceback: str
    attributes: dict[str, Any]
    exceptions: list[Failure]
    """The members of an exception group, without tracebacks of their own."""


def describe_exception(exc: BaseException) -> Failure:
    """Describe any exception and never raise, whatever its ``__str__``, attributes or size (S-9); secrets are masked
    (L-4)."""
    return _describe(exc, with_traceback=True, depth=0)


def _describe(exc: BaseException, *, with_traceback: bool, depth: int) -> Failure:
    return {
        "type": _guarded(lambda: storable_text(type(exc).__name__, max_bytes=_NAME_BYTES), "Exception"),
        "module": _guarded(lambda: storable_text(type(exc).__module__, max_bytes=_NAME_BYTES), ""),
        "message": _guarded(
            lambda: storable_text(_masked(str(exc)), max_bytes=LIMITS.error_message_bytes),
            "(the exception's own text could not be read: its __str__ raises)",
        ),
        "traceback": _guarded(lambda: _traceback(exc), "(no traceback could be made)") if with_traceback else "",
        "attributes": _guarded(lambda: DEFAULT_MASKER.mask_value(_attributes(exc)), {}),
        "exceptions": _guarded(lambda: _members(exc, depth), []),
    }


def _guarded(make: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return make()
    except BaseException:  # a hostile __str__ may raise anything, and the failure path cannot fail (S-9)
        return otherwise


def _masked(text: str) -> str:
    """The text without secrets: masked before it is cut, or half a secret could be left at the cut."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + text[-_LONGEST // 2 :]
    return DEFAULT_MASKER.mask(text)


def _traceback(exc: BaseException) -> str:
    text: str = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    return storable_text(_masked(text), max_bytes=LIMITS.error_traceback_bytes, keep="both")


def _members(exc: BaseException, depth: int) -> list[Failure]:
    if not isinstance(exc, BaseExceptionGroup) or depth >= _MAX_DEPTH:
        return []
    return [_describe(member, with_traceback=False, depth=depth + 1) for member in exc.exceptions[:_MAX_ITEMS]]


def _attributes(exc: BaseException) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in list(vars(exc).items())[: 2 * _MAX_ITEMS]:
        if type(name) is str and not name.startswith("_") and value is not None:
            shown[storable_text(name, max_bytes=_NAME_BYTES)] = _plain(value, 0)
    return shown


def _plain(value: object, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, int) and -_MAX_INT <= value < _MAX_INT:
        return int(value)
    if isinstance(value, str):
        return storable_text(str.__str__(value), max_bytes=_VALUE_BYTES)
    if kind in (list, tuple, set, frozenset) and depth < _MAX_DEPTH:
        return [_plain(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]  # type: ignore[call-overload]
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        items = list(value.items())[:_MAX_ITEMS]
        return {_text(key): _plain(item, depth + 1) for key, item in items}
    return _text(value)  # floats too: NaN and Infinity are no JSON


def _text(value: object) -> str:
    as_text: Callable[[object], str] = str if isinstance(value, str) else repr
    return _guarded(lambda: storable_text(as_text(value), max_bytes=_VALUE_BYTES), f"<{type(value).__name__}>")

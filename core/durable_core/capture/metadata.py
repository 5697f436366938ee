"""The extra fields of a log record as plain JSON data, whatever they hold."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from durable_core.text import storable_text

__all__ = ["METADATA_BYTES", "fitted", "plain", "record_extras"]

METADATA_BYTES: Final = 8 * 1024
_VALUE_BYTES: Final = 1024
_NAME_BYTES: Final = 255
_MAX_ITEMS: Final = 50
_MAX_DEPTH: Final = 4
_MAX_INT: Final = 2**53
"""Above it JavaScript, and so a browser's view of the log, rounds."""

# What every record has; the rest came with `extra=`. `message` and `asctime` are left there by formatters, `taskName`
# by 3.12.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def record_extras(record: logging.LogRecord) -> dict[str, Any] | None:
    """What was passed as ``extra=``, as plain data; None when nothing was."""
    fields = record.__dict__
    if len(fields) <= len(_STANDARD) and fields.keys() <= _STANDARD:
        return None
    extras = {key: plain(value) for key, value in list(fields.items()) if key not in _STANDARD}
    return {storable_text(str(key), max_bytes=_NAME_BYTES): value for key, value in extras.items()} or None


def fitted(metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The metadata, or what of it fits in 8 KiB with a word on what was left out."""
    if not metadata or len(json.dumps(metadata)) <= METADATA_BYTES:
        return metadata
    kept: dict[str, Any] = {}
    room = METADATA_BYTES
    for key, value in metadata.items():
        room -= len(json.dumps({key: value}))
        if room >= 0:
            kept[key] = value
    return {**kept, "left_out": f"{len(metadata) - len(kept)} fields: over {METADATA_BYTES:,} bytes"}


def plain(value: object, depth: int = 0) -> Any:
    """Any object as JSON data of bounded depth and size; never raises."""
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and -_MAX_INT <= value <= _MAX_INT:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, str):
        return storable_text(str.__str__(value), max_bytes=_VALUE_BYTES)
    if depth < _MAX_DEPTH:
        if type(value) in (list, tuple, set, frozenset):
            return [plain(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]  # type: ignore[call-overload]
        if type(value) is dict:
            return {_text(key, str): plain(item, depth + 1) for key, item in list(value.items())[:_MAX_ITEMS]}
    return _text(value, repr)


def _text(value: object, write: Callable[[object], str]) -> str:
    try:
        return storable_text(write(value), max_bytes=_VALUE_BYTES)
    except Exception:  # noqa: BLE001 - a hostile __repr__ must not fail the step that logs it
        return f"<{type(value).__name__}>"

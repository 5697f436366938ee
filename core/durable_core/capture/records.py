"""Records of ``logging`` and warnings, as events of the step that made them."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

from durable_core.capture.metadata import record_extras
from durable_core.capture.route import ROUTE, Route

__all__ = ["capturing_handlers", "capturing_warnings"]

_CallHandlers = Callable[[logging.Logger, logging.LogRecord], None]
_ShowWarning = Callable[..., None]
_T = TypeVar("_T")


def capturing_handlers(original: _CallHandlers) -> _CallHandlers:
    """``Logger.callHandlers`` that captures a record inside a step, then hands it to the user's own handlers.

    Not a handler on the root logger: that would silence ``logging.basicConfig`` and the handler of last resort for
    the whole program, and miss loggers that do not propagate.
    """

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802 - the name it replaces
        route = ROUTE.get()
        if route is None or not route.captures:
            original(self, record)
            return
        if record.levelno >= route.level:
            _send(route, record)
        # What a handler prints is this record once more.
        token = ROUTE.set(route.muted)
        try:
            original(self, record)
        finally:
            ROUTE.reset(token)

    return callHandlers


def capturing_warnings(replaced: _ShowWarning | None) -> _ShowWarning:
    """``warnings.showwarning`` that captures a warning inside a step; without one, warnings are shown as they are."""
    original = replaced or _show

    def showwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        route = ROUTE.get()
        if route is None or not route.captures or file is not None:
            original(message, category, filename, lineno, file, line)
            return
        text = f"{category.__name__}: {_guarded(lambda: str(message), 'its text could not be read')}"
        where = {"category": category.__name__, "filename": filename, "lineno": lineno}
        route.send(("warning", "WARNING", "py.warnings", text, where, route.stamp()), len(text))
        if not route.passthrough:
            return
        token = ROUTE.set(route.muted)
        try:
            original(message, category, filename, lineno, file, line)
        finally:
            ROUTE.reset(token)

    return showwarning


def _show(message: Any, category: Any, filename: str, lineno: int, file: TextIO | None, line: str | None) -> None:
    """What the interpreter does where `warnings.showwarning` is gone."""
    file = sys.stderr if file is None else file
    if file is not None:  # a program without a console has none
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file)


def _send(route: Route, record: logging.LogRecord) -> None:
    text = _message(record)
    extras: dict[str, Any] | None = _guarded(lambda: record_extras(record), None)
    route.send(("logger", record.levelname, record.name, text, extras, route.stamp()), len(text))


def _message(record: logging.LogRecord) -> str:
    text = _guarded(record.getMessage, None)
    if text is None:
        template = _guarded(lambda: str(record.msg), "<unreadable>")
        text = f"{template} (its arguments do not fit: {_guarded(lambda: repr(record.args), '<unreadable>')})"
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text += "\n" + _guarded(lambda: "".join(traceback.format_exception(error)).rstrip(), "(no traceback)")
    elif record.exc_text:
        text += f"\n{record.exc_text}"
    if record.stack_info:
        text += f"\n{record.stack_info}"
    return text


def _guarded(make: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return make()
    except Exception:  # noqa: BLE001 - a hostile __str__ must not fail the step that logs it
        return otherwise

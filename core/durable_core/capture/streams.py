"""Stand-ins for ``sys.stdout`` and ``sys.stderr`` that know which step writes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, Final, Literal

from durable_core.capture.route import BACKLOG, LARGE, ROUTE, Route

__all__ = ["CapturedStream"]

_current_route: Final = ROUTE.get
# Nothing behind these calls back into Python that could print again; anything else (a Tee, a kernel's stream) might.
_CLOSED_TYPES: Final = (io.TextIOWrapper, io.StringIO)


class CapturedStream:
    """Stands before a real stream: outside steps it is that stream, inside a step it also captures what is written.

    Everything but writing is the real stream's own: ``encoding``, ``isatty()``, ``fileno()``, ``reconfigure()`` ...
    A real stream that fails does not fail the step, whose text is captured already.
    """

    write: Callable[[str], int]
    """Write text, as the real stream does."""

    def __init__(self, real: Any, source: Literal["stdout", "stderr"]) -> None:
        self._real = real
        self._source = source
        self._write: Callable[[str], int] = len if real is None else real.write
        self.write = self._writing(plain=real is None or type(real) in _CLOSED_TYPES)

    def _writing(self, *, plain: bool) -> Callable[[str], int]:
        # A closure, since every print in the process comes through here twice: cheaper than a method with attributes.
        source, real_write, careful_write = self._source, self._write, self._write_muted
        is_stdout = source == "stdout"

        def write(text: str, /) -> int:
            route = _current_route()
            if route is None:
                return real_write(text)
            if type(text) is not str:
                text = _as_str(text)
            # One event, no lock, no splitting into lines; what `print` writes makes no new object but the time.
            if is_stdout and get_ident() == route.thread:
                if "\n" not in text:
                    route.put(text)
                elif text == "\n":
                    route.put(route.stamp())
                else:
                    route.put((source, route.thread, text, route.stamp()))
            else:
                route.put((source, get_ident(), text, route.stamp()))
            if not route.awake:
                route.wake()
            elif len(text) > LARGE or len(route.events) > BACKLOG:
                route.relieve()
            if not route.passthrough:
                return len(text)
            if not plain:
                return careful_write(text, route)
            try:
                return real_write(text)
            except (OSError, ValueError) as error:
                self._write_readable(text, error)
                return len(text)

        return write

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the real stream."""
        if self._real is None:
            return
        route = _current_route()
        if route is None:
            self._real.flush()
        elif route.passthrough:
            _try(self._real.flush, route)

    def close(self) -> None:
        """Close the real stream; a step closes nothing, since others write to it too."""
        if _current_route() is None and self._real is not None:
            self._real.close()

    @property
    def buffer(self) -> _CapturedBuffer:
        """The binary side, captured too; absent where the real stream has none."""
        return _CapturedBuffer(self._real.buffer, self._source)

    def _write_muted(self, text: str, route: Route) -> int:
        token = ROUTE.set(route.muted)
        try:
            self._write(text)
        except (OSError, ValueError) as error:
            self._write_readable(text, error)
        finally:
            ROUTE.reset(token)
        return len(text)

    def _write_readable(self, text: str, error: Exception) -> None:
        """Write once more what the stream's encoding cannot take, with escapes; a stream that is gone gets nothing."""
        if not isinstance(error, UnicodeEncodeError):
            return
        encoding = getattr(self._real, "encoding", None) or "ascii"
        readable = text.encode(encoding, "backslashreplace").decode(encoding)
        _try(lambda: self._write(readable), None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        # A wrapped `write` belongs here, or it would call itself; what is meant for the real stream goes there.
        own = name in _OWN or hasattr(type(self), name) or self._real is None
        if own:
            object.__setattr__(self, name, value)
        else:
            setattr(self._real, name, value)

    def __repr__(self) -> str:
        return f"<captured {self._source} over {self._real!r}>"


_OWN: Final = frozenset({"_real", "_source", "_write", "write"})


class _CapturedBuffer:
    """The binary side of a captured stream; its bytes are read as UTF-8."""

    def __init__(self, real: Any, source: Literal["stdout", "stderr"]) -> None:
        self._real = real
        self._source = source

    def write(self, data: Any) -> int:
        """Write bytes, as the real buffer does."""
        route = _current_route()
        if route is None:
            return self._real.write(data)  # type: ignore[no-any-return]
        copy = bytes(memoryview(data))
        route.send((self._source, get_ident(), copy, route.stamp()), len(copy))
        if route.passthrough:
            _try(lambda: self._real.write(copy), route)
        return len(copy)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write several pieces."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_real"], name)


def _as_str(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"write() argument must be str, not {type(text).__name__}")
    return str.__str__(text)


def _try(act: Callable[[], object], route: Route | None) -> None:
    token = None if route is None else ROUTE.set(route.muted)
    try:
        act()
    except (OSError, ValueError):  # the worker's terminal or pipe is gone: no reason to fail the step
        return
    finally:
        if token is not None:
            ROUTE.reset(token)

"""Puts what was written, in pieces and by several threads, together into whole lines."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from itertools import repeat
from typing import Any, Final, Literal, cast

from durable_core.capture.admission import Entry, Printed
from durable_core.capture.route import Event

__all__ = ["PARTIAL_SECONDS", "LineAssembler"]

PARTIAL_SECONDS: Final = 0.1
"""How long the start of a line waits for its end after it was first looked at; with the flusher's own pause it is
stored within 200 ms (L-2)."""

_REDRAWN_SECONDS: Final = 2.0
"""A line that is drawn over and over (a progress bar) is stored that often at most, or one bar would fill the log."""

_PARTIAL_CHARS: Final = 64 * 1024

_Stream = Literal["stdout", "stderr"]
_TEXTS: Final[set[type]] = {str}
_TIMES: Final[set[type]] = {int}
_LEVELS: Final[dict[str, str]] = {"stdout": "INFO", "stderr": "WARNING"}


class _Partial:
    """The start of a line whose end was not written yet."""

    __slots__ = ("at_us", "continues", "overflow", "parts", "redrawn", "since", "size", "stored")

    def __init__(self, text: str, at_us: int) -> None:
        self.parts = [text]
        self.size = len(text)
        self.overflow = 0
        self.at_us = at_us
        self.since: float | None = None
        self.redrawn = False
        self.continues = False
        self.stored: str | None = None

    def add(self, text: str) -> None:
        if self._redraws(text):
            self.parts, self.size, self.overflow, self.redrawn = [text], len(text), 0, True
        elif self.size > _PARTIAL_CHARS:
            self.overflow += len(text.encode("utf-8", "surrogatepass"))
        else:
            self.parts.append(text)
            self.size += len(text)

    def _redraws(self, text: str) -> bool:
        # "\r" starts the line anew on a terminal, unless it belongs to "\r\n".
        if text.startswith("\r"):
            return len(text) > 1 and text[1] != "\n"
        return self.parts[-1].endswith("\r") and text[:1] not in ("", "\n")

    def text(self) -> str:
        return "".join(self.parts)


class LineAssembler:
    """Turns events into entries: no piece ends up in another writer's line. Neither thread-safe nor re-entrant."""

    __slots__ = ("_decoders", "_partials", "_stamp", "thread")

    def __init__(self, stamp: Callable[[], int] = lambda: 0) -> None:
        self._stamp = stamp
        self.thread = 0
        """Who wrote the texts that come without a writer."""
        self._partials: dict[tuple[_Stream, object], _Partial] = {}
        self._decoders: dict[tuple[_Stream, object], codecs.IncrementalDecoder] = {}

    @property
    def has_partials(self) -> bool:
        """Whether the start of some line waits for its end."""
        return bool(self._partials)

    def feed(self, events: deque[Event]) -> list[Entry] | Printed:
        """Take every event there is; return the lines they complete, in the order they were completed."""
        taken: list[Event] = [take() for take in repeat(events.popleft, len(events))]
        own: tuple[_Stream, object] = ("stdout", self.thread)
        whole = None if own in self._partials else _whole_lines(taken)
        if whole is not None:
            return whole
        entries: list[Entry] = []
        begun: list[str] = []
        for event in taken:
            if type(event) is str:
                begun.append(event)
            elif type(event) is int:
                text = "".join(begun)
                if "\r" in text or (self._partials and own in self._partials):
                    self._pieces([*begun, "\n"], event // 1000, entries)
                else:
                    entries.append((event // 1000, "INFO", "stdout", None, text, None, 0))
                begun.clear()
            else:
                self._pieces(begun, 0, entries)
                begun.clear()
                self._told_apart(event, entries)
        self._pieces(begun, 0, entries)
        return entries

    def _pieces(self, pieces: list[str], at_us: int, entries: list[Entry]) -> None:
        """Pieces of lines of the step's own thread; the time of those that were not ended is now."""
        key: tuple[_Stream, object] = ("stdout", self.thread)
        for piece in pieces:
            if piece:
                self._text(key, piece, at_us or self._stamp() // 1000, entries)

    def _told_apart(self, event: Any, entries: list[Entry]) -> None:
        source = event[0]
        if source != "stdout" and source != "stderr":
            _, level, logger, message, metadata, at_ns = event
            entries.append((at_ns // 1000, level, source, logger, message, metadata, 0))
            return
        _, writer, text, at_ns = event
        key = (source, writer)
        if type(text) is not str:
            text = self._decode(key, text)
        if text:
            self._text(key, text, at_ns // 1000, entries)

    def aged(self, now: float) -> list[Entry]:
        """Lines that have waited too long for their end, as far as they go."""
        entries: list[Entry] = []
        for key, partial in list(self._partials.items()):
            if partial.since is None:
                partial.since = now
            elif now - partial.since >= (_REDRAWN_SECONDS if partial.redrawn else PARTIAL_SECONDS):
                self._store_partial(key, partial, now, entries)
        return entries

    def finish(self) -> list[Entry]:
        """Every line that was begun, as far as it goes; the scope ends."""
        for key, decoder in list(self._decoders.items()):
            rest = decoder.decode(b"", final=True)
            if rest:
                self._text(key, rest, self._partials[key].at_us if key in self._partials else 0, [])
        entries: list[Entry] = []
        for key, partial in self._partials.items():
            self._complete(key[0], partial, partial.at_us, entries)
        self._partials.clear()
        self._decoders.clear()
        return entries

    def _text(self, key: tuple[_Stream, object], text: str, at_us: int, entries: list[Entry]) -> None:
        partial = self._partials.get(key)
        if "\n" not in text:
            if partial is None:
                self._partials[key] = _Partial(text, at_us)
            else:
                partial.add(text)
            return
        lines = text.split("\n")
        rest = lines.pop()
        if partial is not None:
            # The end of line goes along: a "\r" before it is a line end, not a line drawn anew.
            first = lines.pop(0)
            partial.add(first + "\n")
            if partial.parts[-1].endswith("\n"):
                partial.parts[-1] = partial.parts[-1][:-1]
            self._complete(key[0], partial, at_us, entries)
            del self._partials[key]
        source, level = key[0], _LEVELS[key[0]]
        for line in lines:
            entries.append((at_us, level, source, None, line.rstrip("\r"), None, 0))
        if rest:
            self._partials[key] = _Partial(rest, at_us)

    def _complete(self, source: _Stream, partial: _Partial, at_us: int, entries: list[Entry]) -> None:
        text = partial.text().strip("\r")
        if text == partial.stored or (not text and partial.continues):
            return  # stored already when it had waited too long for this end
        entries.append((at_us, _LEVELS[source], source, None, text, None, partial.overflow))

    def _store_partial(self, key: tuple[_Stream, object], partial: _Partial, now: float, entries: list[Entry]) -> None:
        partial.since = now
        text = partial.text().strip("\r")
        if not text or text == partial.stored:
            return
        entries.append((partial.at_us, _LEVELS[key[0]], key[0], None, text, None, partial.overflow))
        if partial.redrawn or "\r" in partial.parts[-1]:
            partial.redrawn, partial.stored = True, text
        else:
            # What comes next goes on in a line of its own.
            partial.parts, partial.size, partial.overflow, partial.continues = [""], 0, 0, True

    def _decode(self, key: tuple[_Stream, object], data: bytes) -> str:
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        return decoder.decode(data)


def _whole_lines(taken: list[Event]) -> Printed | None:
    """What nearly every print is: one text and the end of its line, again and again; None when there is more to it."""
    texts, times = taken[::2], taken[1::2]
    if len(texts) != len(times) or {*map(type, texts)} != _TEXTS or {*map(type, times)} != _TIMES:
        return None
    printed = Printed(cast("list[str]", texts), cast("list[int]", times))
    return None if "\r" in printed.joined else printed

"""What becomes of a finished line: masked, made storable, cut, numbered, or dropped by a full attempt (L-3, L-4)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import Any, Final

from durable_core.capture.line import AttemptIdentity, LogLine, Source, make_line, make_lines
from durable_core.capture.metadata import fitted
from durable_core.capture.options import CaptureOptions
from durable_core.text import storable_text

__all__ = ["CAPTURE_LOGGER", "Admission", "Entry", "Printed"]

CAPTURE_LOGGER: Final = "durable.capture"
"""The logger of the lines that capture itself writes."""

_NAME_BYTES: Final = 255


Entry = tuple[int, str, Source, str | None, str, Mapping[str, Any] | None, int]
"""A whole line as it was written: at_us, level, source, logger, message, metadata, and the bytes that were not even
kept in memory. A plain tuple: one is made for every line."""


class Printed:
    """Whole lines that the step's own thread printed, kept as two lists: they are by far the most, and an object for
    each would have the garbage collector look at all there is again and again."""

    __slots__ = ("at_ns", "joined", "texts")

    def __init__(self, texts: list[str], at_ns: list[int]) -> None:
        self.texts = texts
        self.at_ns = at_ns
        self.joined = "\n".join(texts)

    def __bool__(self) -> bool:
        return bool(self.texts)

    def entries(self) -> list[Entry]:
        """The same, each by itself."""
        lines = zip(self.texts, self.at_ns, strict=True)
        return [(at // 1000, "INFO", "stdout", None, text, None, 0) for text, at in lines]


class Admission:
    """Turns entries into stored lines, in order, within the caps of one attempt; not thread-safe by itself."""

    __slots__ = ("_bytes", "_line_bytes", "_options", "_seq", "_who", "dropped", "full")

    def __init__(self, identity: AttemptIdentity, options: CaptureOptions) -> None:
        # The first fields of every line.
        self._who = (
            identity.execution_id,
            identity.token,
            identity.path,
            identity.step,
            identity.iteration,
            identity.attempt,
            identity.pass_number,
        )
        self._options = options
        self._line_bytes = options.line_bytes
        self._seq = 0
        self._bytes = 0
        self.full = False
        self.dropped = 0

    def admit(self, entries: list[Entry] | Printed) -> list[LogLine]:
        """The lines to store of these entries."""
        if isinstance(entries, Printed):
            lines = self._all_printed(entries)
            if lines is not None:
                return lines
            entries = entries.entries()
        if self.full:
            self.dropped += len(entries)
            return []
        # One look at the whole batch: most hold nothing to mask, to escape or to cut.
        texts = [entry[4] for entry in entries]
        clean, suspect = self._look("\n".join(texts), texts)
        lines = []
        for entry in entries:
            line = None if self.full else self._admit(entry, clean, suspect)
            if line is not None:
                lines.append(line)
            else:
                self.dropped += 1
                if self.dropped == 1:
                    lines.append(self._notice(entry[0], self._full_text(), {"full": True}))
        return lines

    def _all_printed(self, printed: Printed) -> list[LogLine] | None:
        """Printed lines as they are; None when there is something to mask, to escape, to cut or to drop."""
        texts, size = printed.texts, len(printed.joined)
        if self.full or not self._has_room(len(texts), size) or not self._look(printed.joined, texts)[0]:
            return None
        first = self._seq + 1
        self._seq += len(texts)
        self._bytes += size + 1 - len(texts)
        who, times = map(repeat, self._who), [at // 1000 for at in printed.at_ns]
        level, source, none = repeat("INFO"), repeat("stdout"), repeat(None)
        return make_lines(zip(*who, range(first, self._seq + 1), times, level, source, none, texts, none, strict=False))

    def _look(self, joined: str, texts: list[str]) -> tuple[bool, bool]:
        """Whether all texts can stay as they are, and whether any may hold what is masked."""
        suspect = self._options.masker.suspects(joined)
        plain = joined.isascii() and "\0" not in joined and max(map(len, texts)) <= self._line_bytes
        return plain and not suspect, suspect

    def last_word(self, at_us: int) -> LogLine:
        """The marker that says how many lines were dropped in all."""
        text = f"dropped {self.dropped:,} {'line' if self.dropped == 1 else 'lines'} of this attempt: {self._limits()}"
        return self._notice(at_us, text, {"dropped": self.dropped})

    def _admit(self, entry: Entry, clean: bool, suspect: bool) -> LogLine | None:
        at_us, level, source, logger, message, metadata, overflow = entry
        if clean and not overflow:
            size = len(message)
        else:
            message = self._message(message, overflow, suspect)
            size = len(message) if message.isascii() else len(message.encode())
        if metadata is not None:
            metadata = fitted(self._options.masker.mask_value(metadata))
            size += len(str(metadata))
        if not self._has_room(1, size):
            self.full = True
            return None
        self._bytes += size
        return self._line(at_us, level, source, logger, message, metadata)

    def _has_room(self, lines: int, size: int) -> bool:
        return self._seq + lines <= self._options.lines and self._bytes + size <= self._options.bytes

    def _message(self, text: str, overflow: int, suspect: bool) -> str:
        limit = self._line_bytes
        if len(text) > limit:
            # Masked before it is cut, or half a secret could be left at the cut. A secret cut by this first window
            # can only lie at its very end, which is left out again.
            longest = self._options.masker.longest
            window = limit + longest
            if len(text) > window:
                overflow += _byte_length(text[window:])
                text = self._options.masker.mask(text[:window]) if suspect else text[:window]
                overflow += _byte_length(text[len(text) - longest :]) if longest else 0
                text = text[: len(text) - longest]
                suspect = False
        if suspect:
            text = self._options.masker.mask(text)
        if not text.isascii() or "\0" in text:
            text = storable_text(text)
        return cut_line(text, limit, overflow)

    def _line(
        self,
        at_us: int,
        level: str,
        source: Source,
        logger: str | None,
        message: str,
        metadata: Mapping[str, Any] | None,
    ) -> LogLine:
        self._seq += 1
        if logger is not None:
            level = storable_text(level, max_bytes=_NAME_BYTES)
            logger = storable_text(logger, max_bytes=_NAME_BYTES)
        return make_line((*self._who, self._seq, at_us, level, source, logger, message, metadata))

    def _notice(self, at_us: int, text: str, metadata: Mapping[str, Any]) -> LogLine:
        return self._line(at_us, "WARNING", "logger", CAPTURE_LOGGER, text, metadata)

    def _full_text(self) -> str:
        return f"the log of this attempt is full: {self._limits()}; what follows is counted, not kept"

    def _limits(self) -> str:
        return f"it keeps {self._options.lines:,} lines or {self._options.bytes:,} bytes"


def cut_line(text: str, limit: int, overflow: int = 0) -> str:
    """The text within ``limit`` bytes; a marker at its end says how many bytes are missing, ``overflow`` included."""
    if not overflow and (len(text) <= limit // 4 or (len(text) <= limit and text.isascii())):
        return text
    raw = text.encode()
    if not overflow and len(raw) <= limit:
        return text
    room = max(limit - len(_marker(len(raw) + overflow)), 0)
    kept = raw[:room].decode(errors="ignore")
    return kept + _marker(len(raw) - len(kept.encode()) + overflow)


def _marker(missing: int) -> str:
    return f" ... [{missing:,} bytes cut]"


def _byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

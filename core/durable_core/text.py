"""Text that is safe: ``safe_text`` for what a screen shows, ``storable_text`` for what a database keeps."""

from __future__ import annotations

import re
from typing import Final, Literal

__all__ = ["safe_text", "storable_text"]

_REPLACEMENT: Final = "\ufffd"

# Control strings (ECMA-48 5.6; OSC, DCS, APC, PM, SOS) end at BEL or ST; one that never ends loses just its introducer,
# or it would hide the rest of a log. Payloads exclude every introducer, which keeps the match linear on any input.
_SEQUENCES: Final = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\|\x9c))?+"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b[ -/]*+[0-~]"
)
_NEWLINES: Final = re.compile(r"\r\n|[\r\n]")
_HOSTILE: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero-width, line separators, bidi
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # byte order mark, interlinear marks, tags
    "\ud800-\udfff"
    "]"
)


def safe_text(text: str, *, max_chars: int | None = None, newline: str = "\n") -> str:
    """Text that cannot move the cursor, rename the window, reorder a line or hide anything when it is shown.

    Terminal sequences are removed, other controls and invisible characters replaced by U+FFFD, tabs become four spaces
    and every line end becomes ``newline`` (a space where one line must stay one). Longer than ``max_chars`` ends
    in an ellipsis.
    """
    if max_chars is not None and len(text) > 4 * max_chars + 1024:
        text = text[: 4 * max_chars + 1024] + " "  # enough, without cleaning ten megabytes for one cell
    if not (text.isascii() and text.isprintable()):
        text = _SEQUENCES.sub("", text)
        text = _NEWLINES.sub("\n", text).replace("\t", "    ")
        text = _HOSTILE.sub(_REPLACEMENT, text)
        if newline != "\n":
            text = text.replace("\n", newline)
    if max_chars is not None and len(text) > max_chars:
        text = text[: max_chars - 1] + "\u2026" if max_chars > 0 else ""
    return text


def storable_text(text: str, *, max_bytes: int | None = None, keep: Literal["start", "both"] = "start") -> str:
    """Text every database takes: valid UTF-8 without NUL, at most ``max_bytes`` with a marker where something was cut.

    NUL and lone surrogates stay readable as ``\\x00`` and ``\\udc80``. ``keep="both"`` cuts out of the middle, for
    tracebacks, whose first and last lines say most.
    """
    if max_bytes is None or len(text) * 4 <= max_bytes:
        return _valid(text).decode() if not text.isascii() or "\0" in text else text
    # A character is at least one byte: whatever is kept lies within max_bytes characters of an end.
    head = _valid(text[:max_bytes])
    if len(head) <= max_bytes and len(text) <= max_bytes:
        return head.decode()
    marker = f"... [cut: {len(text):,} characters in all] ..."
    marker = f" {marker}" if keep == "start" else f"\n{marker}\n"
    room = max_bytes - len(marker)
    if room <= 0:
        return head[:max_bytes].decode(errors="ignore")
    if keep == "start":
        return head[:room].decode(errors="ignore") + marker
    tail = _valid(text[-max_bytes:])
    half = room // 2
    return head[:half].decode(errors="ignore") + marker + tail[len(tail) - (room - half) :].decode(errors="ignore")


def _valid(text: str) -> bytes:
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace")

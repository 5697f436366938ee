"""Names written by anybody, made harmless: control, bidi and zero-width characters and surrogates are dropped."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

TITLE_LIMIT: Final = 500
_HOSTILE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff\ud800-\udfff]+"
)
_SPACES: Final = re.compile(r"[\t\n\r\x0b\x0c\x85\u2028\u2029]+")


def one_line(text: str, limit: int = TITLE_LIMIT) -> str:
    """One line of visible characters that XML, terminals and exports can all carry; cut with an ellipsis."""
    if len(text) > 4 * limit:
        text = text[: 4 * limit]
    if not (text.isascii() and text.isprintable()):
        text = _HOSTILE.sub("", _SPACES.sub(" ", text))
        text = "".join(character for character in text if unicodedata.category(character) != "Cn")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def xml(text: str, limit: int = TITLE_LIMIT) -> str:
    """Text for an XML element or a double-quoted attribute."""
    text = one_line(text, limit)
    if text.isalnum():
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")

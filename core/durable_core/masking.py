"""Masks secrets before anything is stored: revealed ones, and what stands under a telling key (L-4)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from durable_core.errors import DefinitionError
from durable_core.secret import MASK, Secret, known_secret_texts

__all__ = ["DEFAULT_MASKER", "SECRET_KEYS", "VARIABLE", "Masker", "configured_keys"]

SECRET_KEYS: Final = ("password", "passwd", "secret", "token", "api_key", "authorization")

VARIABLE: Final = "DURABLE_MASK"
"""The environment variable that names more keys; steps in processes of their own have it as well."""

_WORDLIKE_CHARS: Final = 4
"""Shorter secrets are masked as whole words only: a value "1" must not blank every 1."""

_MAX_DEPTH: Final = 64

# What follows a key: a quoted text, an authorization scheme with its credentials, or everything up to a separator.
# Every repetition is bounded or possessive, so a hostile line costs linear time.
_VALUE: Final = r"""
    (?P<key>[\w.-]{0,64}+(?:\\?["'])?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8})
    (?:
        (?P<quote>\\?["'])(?P<quoted>(?:(?!(?P=quote))[^\n])*+)
      | (?P<scheme>(?:bearer|basic|token|digest|negotiate)[ \t]++)?(?P<bare>[^\s,;&"'\\)\]}]++)
    )
"""
_URL_PASSWORD: Final = re.compile(r"(://[^\s/:@]{0,256}+:)([^\s/@]++)(?=@)")


class Masker:
    """Replaces secrets by ``***``: values of revealed secrets, and values under keys that contain one of ``keys``.

    A key counts in mappings and in texts like ``password=...``, ``"token": "..."`` and ``Authorization: Bearer ...``;
    upper and lower case, ``_`` and ``-`` make no difference. Passwords inside URLs are masked too. A plain number
    under a plural (``max_tokens: 512``) is a count and stays.
    """

    __slots__ = ("_for", "_in_text", "_needles", "_values", "keys")

    def __init__(self, keys: Iterable[str] = SECRET_KEYS) -> None:
        if isinstance(keys, str):
            raise DefinitionError(
                f"masked keys must be a list of words, not the text {keys!r}", hint=f'Write ["{keys}"].'
            )
        self.keys = tuple(dict.fromkeys(_folded(key) for key in keys if key.strip()))
        # The first word of each key finds a suspect fast; the pattern decides.
        self._needles = tuple(dict.fromkeys(re.split(r"_", key, maxsplit=1)[0] or key for key in self.keys))
        words = "|".join(re.escape(key).replace("_", "[_ -]?") for key in self.keys)
        self._in_text = re.compile(f"(?P<word>{words}){_VALUE}", re.IGNORECASE | re.VERBOSE) if self.keys else None
        self._for: tuple[str, ...] = ()
        self._values: re.Pattern[str] | None = None

    @property
    def longest(self) -> int:
        """Characters of the longest text that is masked by its value; 0 when no secret was revealed."""
        known = known_secret_texts()
        return len(known[0]) if known else 0

    def suspects(self, text: str) -> bool:
        """Whether ``mask`` could change the text; cheap, and never False by mistake."""
        for known in known_secret_texts():
            if known in text:
                return True
        if "://" in text:
            return True
        lowered = text.lower()
        return any(needle in lowered for needle in self._needles)

    def mask(self, text: str) -> str:
        """The text with every secret replaced by ``***``."""
        if not self.suspects(text):
            return text
        values = self._value_pattern()
        if values is not None:
            text = values.sub(MASK, text)
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\1{MASK}", text)
        return text if self._in_text is None else self._in_text.sub(_masked_value, text)

    def mask_value(self, value: Any) -> Any:
        """A tree of plain data with every secret replaced; what has none comes back as the same object."""
        return self._tree(value, 0)

    def is_secret_key(self, key: object) -> bool:
        """Whether a value under this key is masked."""
        if not isinstance(key, str):
            return False
        folded = _folded(key)
        return any(word in folded or word.replace("_", "") in folded for word in self.keys)

    def _tree(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Secret):
            return MASK
        if depth >= _MAX_DEPTH:
            return value if value is None or isinstance(value, (bool, int, float)) else MASK
        if isinstance(value, Mapping):
            items = {self._tree(key, depth + 1): self._under(key, item, depth) for key, item in value.items()}
            same = len(items) == len(value) and all(
                old is new and key is other
                for (key, old), (other, new) in zip(value.items(), items.items(), strict=True)
            )
            return value if same else items
        if type(value) in (list, tuple, set, frozenset):
            members = [self._tree(item, depth + 1) for item in value]
            unchanged = all(old is new for old, new in zip(value, members, strict=True))
            return value if unchanged else type(value)(members)
        return value

    def _under(self, key: object, value: Any, depth: int) -> Any:
        if value is None or not self.is_secret_key(key):
            return self._tree(value, depth + 1)
        return value if value == "" or _is_count(str(key), value) else MASK

    def _value_pattern(self) -> re.Pattern[str] | None:
        known = known_secret_texts()
        if known is not self._for:
            self._values = re.compile("|".join(map(_value_pattern, known))) if known else None
            self._for = known
        return self._values


def _folded(key: str) -> str:
    return re.sub(r"[\s.-]", "_", key.strip().lower())


def _value_pattern(text: str) -> str:
    escaped = re.escape(text)
    return escaped if len(text) >= _WORDLIKE_CHARS else rf"(?<!\w){escaped}(?!\w)"


def _is_count(key: str, value: object) -> bool:
    plural = key.lower().rstrip("\"' \t:=>\\").endswith("s")
    return plural and (isinstance(value, (bool, int, float)) or (isinstance(value, str) and value.isdigit()))


def _masked_value(match: re.Match[str]) -> str:
    group: Callable[[str], str | None] = match.group
    key = f"{group('word')}{group('key')}"
    quoted, bare = group("quoted"), group("bare")
    if quoted is not None:
        return match.group() if not quoted else f"{key}{group('quote')}{MASK}"
    if bare is None or _is_count(key, bare):
        return match.group()
    return f"{key}{group('scheme') or ''}{MASK}"


def configured_keys(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The keys that are always masked, and those that ``DURABLE_MASK`` adds, with commas between them."""
    return (*SECRET_KEYS, *environment.get(VARIABLE, "").split(","))


DEFAULT_MASKER: Final = Masker(configured_keys(os.environ))

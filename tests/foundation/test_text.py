"""Text for screens cannot act on a terminal; text for databases can be stored."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.text import safe_text, storable_text

ANYTHING = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF), max_size=60)
TERMINAL = st.lists(
    st.sampled_from(
        [
            "\x1b",
            "]",
            "[",
            "0;",
            "x",
            "\x07",
            "\x1b\\",
            "\x9b",
            "\x9d",
            "\x9c",
            "2J",
            "P",
            "\u202e",
            "\r",
            "\n",
            "\t",
            " ",
        ]
    )
).map("".join)

CASES = [
    ("a\x1b]0;title\x07b", "ab", "OSC ended by BEL"),
    ("a\x1b]0;title\x1b\\b", "ab", "OSC ended by ST"),
    ("a\x9d0;title\x9cb", "ab", "OSC in 8 bits"),
    ("a\x1b]0;hidden", "a0;hidden", "an OSC without end hides nothing"),
    ("a\x1bPq...\x1b\\b", "ab", "DCS"),
    ("a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d", "abcd", "APC, PM, SOS"),
    ("a\x1b[2Jb\x1b[31mc\x9b0md", "abcd", "CSI in 7 and 8 bits"),
    ("a\x1bcb\x1b(0c", "abc", "reset and character sets"),
    ("a\x00b\x08c\x7fd\x85e", "a�b�c�d�e", "C0, DEL, C1"),
    ("a\u202eb\u2066c\u200fd", "a�b�c�d", "bidi"),
    ("a\u200bb\ufeffc\u2060d\xade", "a�b�c�d�e", "zero width"),
    ("a\u2028b\u2029c", "a�b�c", "line separators"),
    ("a\ud800b", "a�b", "lone surrogate"),
    ("[/nope] [@click=x]", "[/nope] [@click=x]", "markup is for the caller: markup=False"),
    ("a\r\nb\rc\nd", "a\nb\nc\nd", "line ends"),
    ("a\tb", "a    b", "tab"),
    ("größe 日本 ok", "größe 日本 ok", "ordinary text"),
]


@pytest.mark.parametrize(("text", "shown", "reason"), CASES, ids=[case[2] for case in CASES])
def test_hostile_text_is_shown_harmless(text, shown, reason):
    assert safe_text(text) == shown


@given(ANYTHING | TERMINAL)
def test_nothing_that_acts_is_left(text):
    shown = safe_text(text, newline=" ")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not any(c in shown for c in "\u202a\u202e\u2066\u2069\u200b\u200d\u200e\ufeff\u061c")
    shown.encode()
    assert safe_text(shown) == shown


@given(ANYTHING, st.integers(0, 20))
def test_text_is_cut_to_its_room(text, room):
    assert len(safe_text(text, max_chars=room)) <= room


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["\x1b]", "\x9d", "\x1b[", "\x9b", "\x1b[0;", "\x1b]\x9d", "\x1bP\x1b"])
def test_cleaning_takes_linear_time(piece):
    """A log line of a megabyte must not hang a screen."""
    safe_text(piece * 500_000)


def test_newline_is_the_callers_choice():
    assert safe_text("a\r\nb", newline=" ") == "a b"
    assert safe_text("abc", max_chars=2) == "a…"


@given(ANYTHING, st.integers(60, 200), st.sampled_from(["start", "both"]))
def test_stored_text_is_valid_and_bounded(text, room, keep):
    """S-9: valid UTF-8 without NUL, whatever was raised or logged."""
    stored = storable_text(text, max_bytes=room, keep=keep)
    assert len(stored.encode()) <= room
    assert "\0" not in stored
    assert "\0" not in storable_text(text)
    storable_text(text).encode()


def test_stored_text_keeps_what_it_could_not_store_readable():
    assert storable_text("a\0b\udc80") == "a\\x00b\\udc80"
    cut = storable_text("é" * 1000, max_bytes=100)
    assert cut.startswith("é") and "[cut: 1,000 characters in all]" in cut
    both = storable_text("a" * 500 + "z" * 500, max_bytes=100, keep="both")
    assert both.startswith("aaa") and both.endswith("zzz")

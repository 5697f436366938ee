"""L-3: a line, an attempt and the memory behind them have limits, and what was left out is told."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.capture import LogLine
from durable_core.capture.admission import cut_line
from tests.capture.scopes import captured, messages


def test_a_long_line_is_cut_and_says_by_how_much() -> None:
    """L-3: 8 KiB a line; the marker counts the bytes that are missing."""
    (line,) = captured(lambda: print("x" * 10_000))
    assert 8180 <= len(line.message) <= 8192
    kept, _, marker = line.message.partition(" ... ")
    assert marker == f"[{10_000 - len(kept):,} bytes cut]"


def test_cutting_keeps_whole_characters() -> None:
    """L-3: bytes are counted, not characters, and none is cut in two."""
    (line,) = captured(lambda: print("\u20ac" * 5000))
    assert len(line.message.encode()) <= 8192
    kept, _, marker = line.message.partition(" ... ")
    assert set(kept) == {"\u20ac"}
    assert marker == f"[{15_000 - len(kept.encode()):,} bytes cut]"


@given(st.text(), st.integers(min_value=40, max_value=200), st.integers(min_value=0, max_value=10**12))
def test_a_cut_line_fits_and_adds_up(text: str, limit: int, overflow: int) -> None:
    """Whatever the text, kept and missing bytes make the whole."""
    text = text.encode("utf-8", "ignore").decode()
    cut = cut_line(text, limit, overflow)
    assert len(cut.encode()) <= limit
    if cut != text:
        kept, _, marker = cut.rpartition(" ... [")
        missing = int(marker.removesuffix(" bytes cut]").replace(",", ""))
        assert text.startswith(kept)
        assert len(kept.encode()) + missing == len(text.encode()) + overflow


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_huge_line_costs_no_memory_to_keep(ending: str) -> None:
    """S-9, L-3: 20 MB without an end of line, in one piece or many, is one line with the right count."""
    whole = captured(lambda: sys.stdout.write("y" * 20_000_000 + ending), passthrough=False)

    def pieces() -> None:
        for _ in range(2000):
            sys.stdout.write("y" * 10_000)
        sys.stdout.write(ending)

    for lines in (whole, captured(pieces, passthrough=False)):
        (line,) = [line for line in lines if "cut]" in line.message]
        kept, _, marker = line.message.partition(" ... [")
        missing = int(marker.removesuffix(" bytes cut]").replace(",", ""))
        assert abs(len(kept) + missing - 20_000_000) <= 1


def test_an_attempt_keeps_so_many_lines() -> None:
    """L-3: after 10,000 lines a notice, at the end one marker with the final count."""
    lines = captured(lambda: [print(i) for i in range(10_500)], passthrough=False)
    assert messages(lines[:10_000]) == [str(i) for i in range(10_000)]
    notice, marker = lines[10_000:]
    assert notice.message.startswith("the log of this attempt is full: it keeps 10,000 lines or 1,048,576 bytes")
    assert marker.message.startswith("dropped 500 lines of this attempt")
    assert marker.metadata == {"dropped": 500}
    assert (marker.level, marker.logger) == ("WARNING", "durable.capture")


def test_an_attempt_keeps_so_many_bytes() -> None:
    """L-3: 1 MiB of messages, whatever their number."""
    lines = captured(lambda: [print("z" * 8000) for _ in range(200)], passthrough=False)
    assert sum(len(line.message) for line in lines if line.source == "stdout") <= 1024 * 1024
    kept = [line for line in lines if line.source == "stdout"]
    assert lines[-1].message.startswith(f"dropped {200 - len(kept)} lines")


def test_two_million_lines_are_counted_not_kept() -> None:
    """L-3: a runaway step fills neither memory nor store."""
    chunk = "noise\n" * 1000
    lines = captured(lambda: [sys.stdout.write(chunk) for _ in range(2000)], passthrough=False)
    assert len(lines) == 10_002
    assert lines[-1].metadata == {"dropped": 2_000_000 - 10_000}


def test_empty_writes_are_no_lines_and_blank_lines_are() -> None:
    """`print("", end="")` writes nothing; `print()` a blank line, which belongs to the layout of the output."""

    def body() -> None:
        print("", end="")
        sys.stdout.write("")
        print()
        print("a\n\nb")

    assert messages(captured(body)) == ["", "a", "", "b"]


def test_times_follow_the_order_of_the_lines() -> None:
    """Lines carry the time they were written, and order and time agree."""
    lines = captured(lambda: [print(*["x", ""][: 1 + i % 2]) or print() for i in range(100)])
    times = [line.at_us for line in lines]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000_000_000


HOSTILE = {
    "NUL": "a\0b",
    "lone surrogate": "a\udc80b",
    "escape sequences": "\x1b]0;owned\x07\x1b[2J",
    "right to left": "user\u202egnp.exe",
    "markup": "[/nope] <img src=x onerror=alert(1)>",
    "percent": "100% %s %d",
    "line separators": "a\u2028b\x0bc\x85d",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_stored_as_it_is(text: str) -> None:
    """S-9: stored raw, in what every database takes: only NUL and lone surrogates are written as escapes."""

    def body() -> None:
        print(text)
        logging.getLogger("hostile").warning(text)

    stored = text.replace("\0", "\\x00").replace("\udc80", "\\udc80")
    lines: list[LogLine] = captured(body, passthrough=False)
    assert messages(lines) == [stored, stored]
    for line in lines:
        line.message.encode()

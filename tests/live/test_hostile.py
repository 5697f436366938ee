"""Terminals stay whole and their own, whatever workflows are called and whatever steps print."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest

from durable_core.graph.measure import cell_width
from tests.screen import on_a_terminal, plain, screen_of

FLOW = (Path(__file__).parent / "hostile_flow.py").read_text()
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|[0-9]+A|[KJ]|\?(?:25|7|2026)[hl])")
"""Colours, to the first row of the frame, clearing, the cursor, and what stands around a frame."""


def test_no_escape_of_others_reaches_the_terminal(tmp_path: Path) -> None:
    """Nobody but us moves the cursor, clears the screen, renames the window or turns letters around."""
    run = ("run", "flows.py:hostile", "--watch", "--id", "wf_h")
    for arguments in (run, ("watch", "wf_h"), ("watch", "wf_h", "--plain")):
        _, written = on_a_terminal(tmp_path, FLOW, *arguments)
        rest = OURS.sub("", written)
        assert "fails" in rest and "NonRetr" in rest
        assert {each for each in rest if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs")} <= {"\r", "\n"}
        assert not set(rest) & set("\u200b\u200d\u202e\u2066")


def test_no_row_is_broken_into_two(tmp_path: Path) -> None:
    """Terminals do not agree on how wide some characters are: none may break a row, or the picture is torn."""
    _, written = on_a_terminal(tmp_path, FLOW, "run", "flows.py:hostile", "--watch")
    frames = written.split("\x1b[?2026h")[1:]
    assert frames
    for frame in frames:
        drawn, end, _ = frame.partition("\x1b[?2026l")
        assert end and drawn.startswith("\x1b[?7l") and drawn.endswith("\x1b[?7h")
        assert max(cell_width(row) for row in plain(drawn).replace("\r", "").split("\n")) <= 80


def test_a_real_terminal_shows_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many frames there is one in the scrollback; every line of the log is one row; full rows are full."""
    (tmp_path / "flows.py").write_text(FLOW)
    monkeypatch.setenv("DURABLE_URL", f"sqlite:///{tmp_path}/durable.db")
    with screen_of("run", tmp_path / "flows.py:hostile", "--watch", name=f"hostile-{os.getpid()}") as screen:
        shown = screen.wait_for("✘ failed", "error: ").splitlines()
        title = screen.tmux("display", "-p", "#{pane_title}")
    starts, rules = ([row for row in shown if sign in row] for sign in ("▷ start", "─ log ─"))
    assert len(starts) == len(rules) == 1
    assert cell_width(rules[0]) == 100
    log = shown[shown.index(rules[0]) + 1 : next(n for n, row in enumerate(shown) if row.startswith("✘ failed"))]
    assert len(log) == 8 and all(re.match(r"\d\d:\d\d:\d\d ", row) for row in log)
    assert "owned" not in title

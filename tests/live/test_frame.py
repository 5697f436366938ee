"""What a watched execution looks like on a terminal: within its size, harmless, and with the running step in sight."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from durable_core.dsl import decision, foreach, loop, parallel, step, wait_for_input, workflow
from durable_core.graph.measure import cell_width
from durable_core.live.recorded import Attempts, Recorded
from durable_core.live.view import ExecutionView, Line, OpenWait, Position
from durable_studio.command.frame import Frames, Row, Size
from tests.screen import on_a_terminal, plain

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e日本語 " + "x" * 300
SIZES = [Size(80, 24), Size(120, 40), Size(200, 60), Size(40, 10), Size(20, 6)]


@pytest.fixture
def view() -> ExecutionView:
    """A long flow in its middle, with a question, a failure and hostile lines."""

    @step
    def one(ctx):
        return None

    @decision
    def way(ctx):
        return "left"

    @workflow
    def shown():
        return [
            one,
            way.branch(left=[one.with_options(name="l")], right=[one.with_options(name="r")]),
            parallel("both", *(one.with_options(name=f"branch_{number}") for number in range(4))),
            foreach("each", one.with_options(name="item"), items="items"),
            loop("again", [one.with_options(name="poll")], while_=lambda ctx: False),
            wait_for_input("approval", type="approval", prompt=HOSTILE),
            one.with_options(name="far_down"),
        ]

    done = Recorded(seq=1, path="one", type="step", status="completed", started_at=AT, completed_at=AT)
    return ExecutionView(
        id="wf_1",
        workflow="shown",
        definition_hash=shown.definition.hash,
        definition=shown.definition,
        status="running",
        flags=("blocked",),
        reason=HOSTILE,
        revision=7,
        attempts=Attempts([done]),
        positions=(Position(token_id="wf_1", path="far_down", status="running", since=AT),),
        waits=(OpenWait(id="w", path="approval", kind="input", name="approval", prompt=HOSTILE),),
        started_at=AT,
        lines=tuple(
            Line(id=n, at=AT, level="INFO", source="stdout", step="one", path="one", message=HOSTILE) for n in range(50)
        ),
        at=AT + timedelta(seconds=5),
    )


def texts(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.columns}x{size.rows}")
@pytest.mark.parametrize("ascii", [False, True])
def test_a_frame_keeps_within_the_terminal(view: ExecutionView, size: Size, ascii: bool) -> None:
    """Never wider than the terminal and always a row short of it, whatever the lines hold."""
    rows = texts(Frames(ascii=ascii).live(view, view.at, size))
    assert len(rows) <= size.rows - 1
    for row in rows:
        assert cell_width(row) <= size.columns
        assert all(character.isprintable() for character in row)
        assert row.isascii() or not ascii


@pytest.mark.parametrize("size", SIZES[:3], ids=lambda size: f"{size.columns}x{size.rows}")
def test_what_waits_for_a_person_is_in_sight(view: ExecutionView, size: Size) -> None:
    """The picture is taller than the terminal: the part with the open question is shown, and how to answer it."""
    drawn = "\n".join(texts(Frames().live(view, view.at, size)))
    assert "◈ approval" in drawn
    assert "durable-studio inputs answer wf_1 approval VALUE" in drawn


@pytest.mark.parametrize("size", SIZES[:3], ids=lambda size: f"{size.columns}x{size.rows}")
def test_what_runs_is_in_sight(view: ExecutionView, size: Size) -> None:
    """The picture follows the running step, and its time goes on between two views."""
    running = replace(view, waits=(), flags=(), reason=None)
    drawn = "\n".join(texts(Frames().live(running, view.at + timedelta(seconds=2), size)))
    assert "◐ far_down" in drawn and "7.0s" in drawn


def test_the_last_picture_is_whole(view: ExecutionView) -> None:
    """What is left in the scrollback shows every node, however short the terminal is."""
    drawn = "\n".join(texts(Frames().final(view, Size(80, 10))))
    for name in ("one", "way", "branch_3", "each", "poll", "approval", "far_down", "end"):
        assert name in drawn


def test_a_small_graph_lies_down_on_a_low_terminal(view: ExecutionView) -> None:
    """All of it is in sight where from top to bottom only a part would be; a high terminal shows it upright."""

    @step
    def load(ctx):
        return None

    @workflow
    def small():
        return [load, load.with_options(name="send")]

    two = replace(view, definition=small.definition, definition_hash=small.definition.hash, waits=(), positions=())
    low = texts(Frames().live(two, two.at, Size(80, 12)))
    assert [row for row in low if "load" in row and "send" in row and "end" in row]
    high = texts(Frames().live(two, two.at, Size(80, 40)))
    assert not [row for row in high if "load" in row and "send" in row]
    narrow = texts(Frames().live(two, two.at, Size(40, 12)))
    assert not [row for row in narrow if "load" in row and "send" in row]


FLOW = """
from durable_studio import step, workflow

@step
def greet(ctx):
    print("hello there")

@workflow
def hello():
    return [greet, greet.with_options(name="again")]
"""


def test_run_watch_draws_the_graph_and_leaves_it_behind(tmp_path: Path) -> None:
    """Colours while it runs, the whole picture and the log at the end, the cursor back where it belongs."""
    code, written = on_a_terminal(tmp_path, FLOW, "run", "flows.py:hello", "--watch", "--id", "wf_a")
    assert code == 0
    last = plain(written)[plain(written).rindex("▷ start") :]
    assert "✔ greet" in last and "✔ again" in last and "hello there" in last
    assert "✔ completed  hello wf_a" in last
    assert "\x1b[32m" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_graph_fits_the_terminal_and_has_its_colours(tmp_path: Path) -> None:
    """A workflow as text: no line is wider than the terminal; NO_COLOR leaves the codes out; a pipe gets plain text."""
    code, written = on_a_terminal(tmp_path, FLOW, "graph", "flows.py:hello")
    assert code == 0 and "\x1b[1mgreet" in written
    assert max(cell_width(line) for line in plain(written).splitlines()) <= 80
    code, written = on_a_terminal(tmp_path, FLOW, "graph", "flows.py:hello", NO_COLOR="1")
    assert code == 0 and "\x1b[" not in written and "○ greet" in written


def test_no_color_and_ascii_are_obeyed(tmp_path: Path) -> None:
    """No colour code and no box character; the picture is the same."""
    code, written = on_a_terminal(tmp_path, FLOW, "run", "flows.py:hello", "--watch", "--ascii", NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*m", written)
    assert "| + greet" in written


def test_plain_prints_a_line_for_each_step(tmp_path: Path) -> None:
    """Nothing is drawn over: what scripts and slow lines want."""
    code, written = on_a_terminal(tmp_path, FLOW, "run", "flows.py:hello", "--watch", "--plain")
    assert code == 0
    assert "\x1b[2K" not in written and "\x1b[?25l" not in written and "▷" not in written
    assert re.search(r"completed\s+greet", plain(written)) and re.search(r"completed\s+again", plain(written))


def test_watch_shows_the_end_of_what_has_ended(tmp_path: Path) -> None:
    """One picture, no waiting."""
    on_a_terminal(tmp_path, FLOW, "run", "flows.py:hello", "--plain", "--id", "wf_b")
    code, written = on_a_terminal(tmp_path, FLOW, "watch", "wf_b")
    assert code == 0 and "✔ again" in plain(written)

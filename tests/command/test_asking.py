"""What a waiting `run` asks on a terminal, and what is to be seen there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.sources import ROOTS
from tests.command.conftest import Command
from tests.screen import screen_of

pytestmark = pytest.mark.slow


class Terminal:
    def __init__(self, file: int, process: subprocess.Popen[bytes]) -> None:
        self.file = file
        self.process = process
        self.seen = ""
        self._at = 0

    def expect(self, text: str, seconds: float = 20.0) -> str:
        """Read on until the text has come, after what was expected before; returns what came between."""
        limit = time.monotonic() + seconds
        while (found := self.seen.find(text, self._at)) < 0:
            assert time.monotonic() < limit, f"no {text!r} in {self.seen[self._at :]!r}"
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.file, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    limit = 0.0
        between = self.seen[self._at : found]
        self._at = found + len(text)
        return between

    def type(self, text: str) -> None:
        os.write(self.file, f"{text}\n".encode())


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(*arguments: object, **environment: str) -> Iterator[Terminal]:
    """The command on a terminal of its own."""
    paths = os.pathsep.join(map(str, ROOTS))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "durable_studio", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, "TERM": "xterm", "NO_COLOR": "1", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=_own_terminal,  # Ctrl-C and Ctrl-D mean something only there
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_run_on_a_terminal_asks_right_there(asking: Path) -> None:
    """Form fields with faults by field; only what was wrong is asked again; then the run goes on."""
    with terminal("run", f"{asking}:signs_up") as screen:
        screen.expect("Who are you?")
        screen.expect("Email")
        screen.type("nobody")
        screen.expect("Plan")
        screen.type("2")
        screen.expect("Seats")
        screen.type("0")
        screen.expect("News")
        screen.type("y")
        screen.expect("must be at least 1")
        screen.expect("Email")
        screen.type("ana@example.org")
        screen.expect("Seats")
        screen.type("4")
        screen.expect("completed")
        assert screen.process.wait(15) == 0


def test_choices_and_approvals_on_a_terminal(command: Command, asking: Path) -> None:
    with terminal("run", f"{asking}:chooses", "--id", "mine") as screen:
        screen.expect("2) blue")
        screen.type("2")
        screen.expect("many of chooses")
        screen.expect("2) y")
        screen.type("1,2")
        screen.expect("completed")
    context = command("status", "mine", "--json").json["context"]
    assert (context["colour"], context["many"]) == ("blue", ["x", "y"])


@pytest.mark.parametrize("options", [(), ("--watch",), ("--plain",)], ids=" ".join)
def test_what_was_typed_stays_on_the_screen(command: Command, asking: Path, options: Sequence[str]) -> None:
    """As a terminal shows it: what is drawn after an answer begins below it, with or without a picture."""
    with screen_of("run", f"{asking}:chooses", "--id", "mine", *options, name=f"durable-{os.getpid()}") as screen:
        screen.wait_for("Answer: ")
        screen.type("green")
        screen.wait_for("Answer: must be one of 'red', 'blue', 3, got 'green'")
        screen.type("2")
        screen.wait_for("2) y", "Answers [several with commas between]: ")
        screen.type("x,y")
        shown = screen.wait_for("completed  chooses mine")
    assert "  Answer: green\n  Answer: must be one of" in shown
    assert "  3) 3\n  Answer: 2\n" in shown
    assert "  Answers [several with commas between]: x,y\n" in shown
    context = command("status", "mine", "--json").json["context"]
    assert (context["colour"], context["many"]) == ("blue", ["x", "y"])


@pytest.mark.parametrize("options", [(), ("--watch",)], ids=" ".join)
def test_ctrl_c_at_a_question_leaves_the_run_waiting(command: Command, asking: Path, options: Sequence[str]) -> None:
    """Exit code 130, and how it goes on, on a line of its own."""
    with terminal("run", f"{asking}:approves", "--id", "mine", *options) as screen:
        screen.expect("(r)ejected: ")
        os.write(screen.file, b"\x03")
        screen.expect("\n")
        screen.expect("error: stopped watching mine. It goes on with: durable-studio run")
        assert screen.process.wait(15) == 130
    assert command("status", "mine", "--json").json["status"] == "waiting"


def test_times_are_typed_as_the_clock_on_the_wall_shows_them(command: Command, tmp_path: Path) -> None:
    """A time without a zone is one of this machine's zone, at that date."""
    flow = tmp_path / "flow.py"
    flow.write_text(
        """
from durable_studio import FormField, wait_for_input, workflow

@workflow
def books():
    return [wait_for_input("table", fields=[FormField("at", type="datetime"), FormField("day", type="date")])]
"""
    )
    with terminal("run", str(flow), "--id", "mine", TZ="Europe/Madrid") as screen:
        screen.expect("At [like 2026-01-31 09:30; optional]: ")
        screen.type("2026-07-01 20:30")
        screen.expect("Day [like 2026-01-31; optional]: ")
        screen.type("2026-07-01")
        screen.expect("completed")
    answer = command("status", "mine", "--json").json["context"]["table"]
    assert answer == {"at": "2026-07-01T20:30:00+02:00", "day": "2026-07-01"}


def test_whoever_would_rather_not_say_is_told_how_to_answer_later(asking: Path) -> None:
    with terminal("run", f"{asking}:approves", "--id", "mine") as screen:
        screen.expect("(r)ejected")
        os.write(screen.file, b"\x04")
        screen.expect("durable-studio inputs answer mine approval approved")
        assert screen.process.wait(15) == 0


@pytest.mark.parametrize("options", [(), ("--watch",)], ids=" ".join)
def test_a_question_that_is_over_is_asked_no_longer(asking: Path, options: Sequence[str]) -> None:
    """Answered by somebody else or timed out while nobody typed: the run goes on by itself."""
    with terminal("run", f"{asking}:a_moment", *options) as screen:
        screen.expect("Answer: ")
        screen.expect("answered elsewhere, or timed out")
        screen.expect("completed")
        assert screen.process.wait(15) == 0


@pytest.mark.parametrize("options", [(), ("--watch",)], ids=" ".join)
def test_a_question_of_a_child_is_asked_at_its_parents_terminal(asking: Path, options: Sequence[str]) -> None:
    with terminal("run", f"{asking}:asks_below", *options) as screen:
        screen.expect("? Deep?  (deep of naps_and_asks)")
        screen.type("well")
        screen.expect('{"naps_and_asks": "well"}')
        assert screen.process.wait(15) == 0

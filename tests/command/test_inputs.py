"""`inputs`, `event`, `fork`, `explain`, and what a waiting `run` does."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.sources import ROOTS
from tests.command.conftest import Command

FLOWS = """
from durable_studio import FormField, parallel, step, wait_for_event, wait_for_input, workflow


@step
def tell(ctx):
    return {key: value for key, value in ctx.items() if key != "shown"}


@step
def count(ctx):
    ctx.increment("n")
    return ctx["n"]


@workflow
def approves():
    return [count, wait_for_input("approval", type="approval", prompt="Really?"), tell]


@workflow
def signs_up():
    return [
        wait_for_input(
            "details",
            prompt="Who are you?",
            fields=[
                FormField("email", type="email", required=True),
                FormField("plan", type="select", options=["basic", "pro"], default="basic"),
                FormField("seats", type="integer", min=1, max=500),
                FormField("news", type="boolean"),
            ],
        ),
        tell,
    ]


@workflow
def chooses():
    return [
        wait_for_input("colour", choices=["red", "blue", 3]),
        wait_for_input("many", type="multi_choice", choices=["x", "y"]),
        tell,
    ]


@workflow
def listens():
    return [wait_for_event("paid"), tell]


@workflow
def soon():
    return [wait_for_input("name", timeout=0.3, timeout_value="nobody"), tell]


@workflow
def counts():
    return [count, count.with_options(name="again")]
"""


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    path = tmp_path / "asking.py"
    path.write_text(FLOWS)
    return path


def test_a_run_without_a_terminal_leaves_at_a_question(command: Command, asking: Path) -> None:
    """Exit code 0 at an open wait: it says what it waits for, how to answer, and how to go on."""
    done = command("run", f"{asking}:approves", "--id", "mine")
    assert done.code == 0, done.err
    assert "approval waits for an answer (approval): Really?" in done.out
    assert "durable-studio inputs answer mine approval VALUE" in done.out
    assert f"durable-studio run {asking}:approves --id mine" in done.out
    listed = command("inputs", "list", "--json").json
    assert [(each["execution_id"], each["name"], each["type"]) for each in listed] == [("mine", "approval", "approval")]
    assert "Really?" in command("inputs").out
    assert "answered approval" in command("inputs", "answer", "mine", "approval", "approved", "--comment", "fine").out
    assert command("inputs").out.strip() == "No open questions."
    again = command("run", f"{asking}:approves", "--id", "mine")
    assert again.code == 0
    assert "completed" in again.out
    assert command("status", "mine", "--json").json["context"]["approval"] == "approved"


def test_json_of_a_waiting_run_is_its_status(command: Command, asking: Path) -> None:
    done = command("run", f"{asking}:approves", "--json")
    assert (done.code, done.json["status"], done.json["current_steps"]) == (0, "waiting", ["approval"])


def test_a_question_that_times_out_soon_is_waited_for(command: Command, asking: Path) -> None:
    done = command("run", f"{asking}:soon", "--json")
    assert (done.code, done.json["status"], done.json["context"]["name"]) == (0, "completed", "nobody")


@pytest.mark.parametrize(
    ("name", "given", "code", "told"),
    [
        ("approval", "perhaps", 2, "approved"),
        ("nope", "approved", 3, "approval"),
        ("approval", "rejected", 0, "answered"),
    ],
)
def test_an_answer_that_is_not_valid_leaves_the_question_open(
    command: Command, asking: Path, name: str, given: str, code: int, told: str
) -> None:
    """W-7 on the command line."""
    command("run", f"{asking}:approves", "--id", "mine")
    done = command("inputs", "answer", "mine", name, given)
    assert done.code == code
    assert told in (done.out if code == 0 else done.err)
    assert len(command("inputs", "--json").json) == (0 if code == 0 else 1)


def test_forms_and_choices_are_answered(command: Command, asking: Path) -> None:
    command("run", f"{asking}:signs_up", "--id", "form")
    bad = command("inputs", "answer", "form", "details", '{"seats": 0}')
    assert bad.code == 2
    assert "email" in bad.err and "seats" in bad.err
    good = command("inputs", "answer", "form", "details", '{"email": "ana@example.org", "seats": 2}', "--json")
    assert good.json["value"] == {"email": "ana@example.org", "plan": "basic", "seats": 2}
    command("run", f"{asking}:chooses", "--id", "choice")
    assert command("inputs", "answer", "choice", "colour", "3", "--json").json["value"] == 3
    command("run", f"{asking}:chooses", "--id", "choice")
    assert command("inputs", "answer", "choice", "many", "x, y", "--json").json["value"] == ["x", "y"]


def test_events_are_sent(command: Command, asking: Path) -> None:
    """To all that wait, or to one; what nobody waits for is told."""
    waits = command("run", f"{asking}:listens", "--id", "mine")
    assert waits.code == 0
    assert "durable-studio event paid --to mine" in waits.out
    assert "no execution waits for it" in command("event", "other").out
    assert "1 wait satisfied" in command("event", "paid", '{"amount": 3}', "--to", "mine").out
    assert command("event", "paid", "--to", "mine", "--json").json["satisfied"] == 0
    done = command("run", f"{asking}:listens", "--id", "mine", "--json")
    assert done.json["context"]["paid"] == {"amount": 3}
    assert command("event", "paid", "no json").code == 2
    assert command("event", "paid", "--to", "nobody").code == 3


def test_an_event_may_be_kept_before_anything_has_run(command: Command, asking: Path) -> None:
    """What is told to be kept is kept, in a store that is made for it."""
    assert "it is kept for later ones" in command("event", "paid", "7", "--keep-for", "1h").out
    done = command("run", f"{asking}:listens", "--json")
    assert (done.json["status"], done.json["context"]["paid"]) == ("completed", 7)


def test_fork_and_explain(command: Command, asking: Path) -> None:
    command("run", f"{asking}:counts", "--id", "mine")
    explained = command("explain", "mine")
    assert "counts mine ended completed" in explained.out
    made = command("fork", "mine", "--step", "again", "--context", '{"n": 10}', "--json").json
    assert made["forked_from"] == "mine"
    waiting = command("explain", made["id"], "--json").json
    assert "no worker runs on this store" in " ".join(waiting["sentences"])
    done = command("run", f"{asking}:counts", "--id", made["id"], "--json")
    assert done.json["context"]["n"] == 11
    assert [step["name"] for step in done.json["steps"]] == ["again"]
    assert command("fork", "mine", "--step", "nope").code == 2
    assert command("fork", "mine", "--step", "again", "--iteration", "x").code == 2
    assert command("explain", "nobody").code == 3


class Terminal:
    def __init__(self, file: int, process: subprocess.Popen[bytes]) -> None:
        self.file = file
        self.process = process
        self.seen = ""
        self._at = 0

    def expect(self, text: str, seconds: float = 20.0) -> None:
        """Read on until the text has come, after what was expected before."""
        limit = time.monotonic() + seconds
        while (found := self.seen.find(text, self._at)) < 0:
            assert time.monotonic() < limit, f"no {text!r} in {self.seen[self._at :]!r}"
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.file, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    limit = 0.0
        self._at = found + len(text)

    def type(self, text: str) -> None:
        os.write(self.file, f"{text}\n".encode())


@contextmanager
def terminal(*arguments: object) -> Iterator[Terminal]:
    """The command on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "durable_studio", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS)), "TERM": "xterm", "NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_whoever_would_rather_not_say_is_told_how_to_answer_later(asking: Path) -> None:
    with terminal("run", f"{asking}:approves", "--id", "mine") as screen:
        screen.expect("(r)ejected")
        os.write(screen.file, b"\x04")
        screen.expect("durable-studio inputs answer mine approval VALUE")
        assert screen.process.wait(15) == 0

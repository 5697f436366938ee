"""`inputs`, `event`, `fork`, `explain`, and what a waiting `run` does where nobody sits."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from durable_core.dsl.registry import registry
from tests.command.conftest import Command


def test_a_run_without_a_terminal_leaves_at_a_question(command: Command, asking: Path) -> None:
    """Exit code 0 at an open wait: it says what it waits for, how to answer, and how to go on."""
    done = command("run", f"{asking}:approves", "--id", "mine")
    assert done.code == 0, done.err
    assert "approval waits for an answer (approval): Really?" in done.out
    assert "durable-studio inputs answer mine approval approved" in done.out
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


def test_a_question_of_a_child_is_told_when_it_comes_up(command: Command, asking: Path) -> None:
    """Nothing of the parent changes at that moment."""
    done = command("run", f"{asking}:asks_below")
    assert done.code == 0, done.err
    assert "deep waits for an answer (free_text): Deep?" in done.out


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


def test_an_answer_that_comes_too_late_is_a_conflict(command: Command, asking: Path) -> None:
    """Exit code 4, whoever was first: another answer, the timeout, or a cancel; W-6."""
    command("run", f"{asking}:approves", "--id", "answered")
    command("inputs", "answer", "answered", "approval", "approved", "--by", "ana")
    command("run", f"{asking}:soon", "--id", "late", "--json")
    command("run", f"{asking}:approves", "--id", "gone")
    command("cancel", "gone")
    for id, name, told in (
        ("answered", "approval", "answered by ana already"),
        ("late", "name", "has timed out"),
        ("gone", "approval", "was cancelled"),
    ):
        done = command("inputs", "answer", id, name, "approved")
        assert (done.code, told in done.err) == (4, True), done.err


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


@pytest.mark.slow
def test_a_form_of_a_model_is_judged_by_the_model_of_the_settings(
    command: Command,
    begin: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """W-7: in a process that has not run the workflow; without settings the fields alone are judged."""
    (tmp_path / "tables.py").write_text(
        """
from pydantic import BaseModel, Field
from durable_studio import wait_for_input, workflow

class Table(BaseModel):
    guests: int = Field(lt=20)

@workflow
def books():
    return [wait_for_input("table", schema=Table)]
"""
    )
    command("run", f"{tmp_path}/tables.py", "--id", "mine")
    monkeypatch.setenv("DURABLE_WORKFLOWS", f"{tmp_path}/tables.py")
    refused = begin("inputs", "answer", "mine", "table", '{"guests": 99}')
    assert "guests: Input should be less than 20" in refused.communicate(timeout=40)[1]
    assert refused.returncode == 2
    assert len(command("inputs", "--json").json) == 1


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


def test_what_is_told_can_be_typed(command: Command, asking: Path) -> None:
    """The event and not the node's name, with a payload that fits the filter, the missing ones, and quoted."""
    given = ("run", f"{asking}:weighs", "--id", "mine", "--input", '{"order": 5}')
    for sentence, told in [
        (
            "payment waits for the event paid by card where order = 5",
            """event 'paid by card' '{"order": 5}' --to mine""",
        ),
        ("papers waits for the events signed and weighed", "event signed --to mine"),
        ("papers waits for the event weighed", "event weighed --to mine"),
        ("the colour waits for an answer (single_choice)", "inputs answer mine 'the colour' 'dark blue'"),
    ]:
        done = command(*given)
        assert sentence in done.out
        typed = next(line for line in done.out.splitlines() if f"durable-studio {told}" in line)
        assert "durable-studio event" not in done.out.replace(typed, "")
        assert shlex.join(shlex.split(told)[:3]) in command("explain", "mine").out
        assert command(*shlex.split(typed.partition("durable-studio ")[2])).code == 0
    assert command(*given, "--json").json["context"]["the colour"] == "dark blue"


def test_a_fork_in_a_process_of_its_own_loads_the_code(
    command: Command, asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", f"{asking}:counts", "--id", "mine")

    def elsewhere() -> None:
        registry.clear()
        sys.modules.pop("asking")

    elsewhere()
    unknown = command("fork", "mine", "--step", "again")
    assert unknown.code == 3
    assert "durable-studio fork mine flows.py --step again" in unknown.err
    assert command("list", "--json").json[0]["id"] == "mine"
    named = command("fork", "mine", asking, "--step", "again", "--json")
    assert named.json["forked_from"] == "mine"
    elsewhere()
    monkeypatch.setenv("DURABLE_WORKFLOWS", str(asking))
    assert command("fork", "mine", "--step", "again").code == 0


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

"""`run`: targets, input, ids, output and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command.conftest import Command


def test_a_workflow_runs_to_its_end(command: Command, flows: Path) -> None:
    """One line a step, then the end and the output; exit code 0."""
    done = command("run", f"{flows}:hello", "--input", '{"name": "Ana"}')
    assert done.code == 0, done.err
    assert "✔ completed   greet" in done.out
    assert done.out.splitlines()[-1] == "hello Ana"


def test_json_is_one_document_even_when_steps_print(command: Command, flows: Path) -> None:
    """`run --json` prints the execution as `status --json` does, and nothing else on stdout."""
    done = command("run", f"{flows}:hello", "--json")
    whole = done.json
    assert list(whole)[:11] == [
        "id",
        "workflow",
        "status",
        "input",
        "context",
        "output",
        "error",
        "current_steps",
        "created_at",
        "started_at",
        "completed_at",
    ]
    assert (whole["status"], whole["output"], whole["error"]) == ("completed", "hello world", None)
    [step] = whole["steps"]
    assert (step["name"], step["status"], step["attempt"], step["iteration"]) == ("greet", "completed", 1, 0)
    assert step["started_at"].endswith("Z") and step["duration_ms"] >= 0
    assert command("status", whole["id"], "--json").json == whole


def test_watching_in_json_is_a_stream_of_lines(command: Command, flows: Path) -> None:
    """Steps as they end, then the whole execution as the last line."""
    lines = command("run", f"{flows}:hello", "--watch", "--json").lines
    assert [line["name"] for line in lines if line.get("event") == "step"] == ["greet"]
    assert lines[-1]["status"] == "completed" and lines[-1]["steps"]


def test_a_failed_workflow_is_exit_code_1_and_one_line(command: Command, flows: Path) -> None:
    """The error names type, message and step, and no control sequence reaches the terminal."""
    done = command("run", f"{flows}:broken")
    assert done.code == 1
    [line] = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert "NonRetryableError: no way out in step fail" in line
    assert "\x1b" not in done.out + done.err
    assert command("run", f"{flows}:broken", "--json").json["error"]["step"] == "fail"


def test_an_id_is_picked_up_where_it_was(command: Command, flows: Path) -> None:
    """The same id again is the same execution: completed steps do not run again."""
    assert command("run", f"{flows}:hello", "--id", "mine").code == 0
    again = command("run", f"{flows}:hello", "--id", "mine", "--json")
    assert again.code == 0
    assert "mine is completed already" in again.err
    assert len(again.json["steps"]) == 1
    assert len(command("list", "--json").json) == 1


def test_an_ended_failure_is_told_and_can_be_retried(command: Command, flows: Path) -> None:
    """A failed id says so and how to go on."""
    command("run", f"{flows}:broken", "--id", "mine")
    again = command("run", f"{flows}:broken", "--id", "mine")
    assert again.code == 1
    assert "durable-studio retry mine" in again.err
    assert command("retry", "mine").code == 0
    assert command("run", f"{flows}:broken", "--id", "mine").code == 1
    assert [step["name"] for step in command("status", "mine", "--json").json["steps"]] == ["greet", "fail", "fail"]


def test_an_id_of_another_workflow_is_a_conflict(command: Command, flows: Path) -> None:
    """ExecutionExistsError, exit code 4."""
    command("run", f"{flows}:hello", "--id", "mine")
    done = command("run", f"{flows}:broken", "--id", "mine")
    assert done.code == 4
    assert "one of workflow 'hello'" in done.err


def test_detach_only_starts(command: Command, flows: Path) -> None:
    """The id on stdout; a worker does the work."""
    done = command("run", f"{flows}:hello", "--detach")
    [id] = done.out.split()
    assert command("status", id, "--json").json["status"] == "pending"
    assert command("worker", flows, "--until-idle").code == 0
    assert command("status", id, "--json").json["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["FILE:hello", "-i", "{oops"], 2, "is no JSON", id="broken JSON"),
        pytest.param(["FILE:hello", "-i", "[1]"], 2, "must be a JSON object, not an array", id="array"),
        pytest.param(["FILE:hello", "-i", "3"], 2, "must be a JSON object, not a number", id="number"),
        pytest.param(["FILE:hello", "-i", "@none.json"], 2, "cannot be read", id="missing input file"),
        pytest.param(["FILE:hello", "--id", " "], 2, "id is empty", id="empty id"),
        pytest.param(["none.py"], 3, "there is no such file", id="missing file"),
        pytest.param(["nowhere.module:flow"], 3, "no module 'nowhere'", id="missing module"),
        pytest.param(["no such"], 3, "neither a file nor a module", id="no module name"),
        pytest.param(["json:dumps"], 3, "no workflow 'dumps'", id="module without workflows"),
        pytest.param(["FILE:helo"], 3, "Did you mean 'hello'?", id="misspelled"),
        pytest.param(["FILE"], 3, "several workflows: hello, broken, taken_back, asks, slow", id="several"),
        pytest.param(["bad.py"], 2, "bad.py:2", id="syntax error"),
        pytest.param(["raises.py"], 2, "ZeroDivisionError", id="error at import"),
        pytest.param([], 2, "TARGET", id="no target"),
        pytest.param(["FILE:hello", "--nope"], 2, "--nope", id="unknown option"),
    ],
)
def test_what_cannot_run_is_one_clear_line_and_nothing_is_written(
    command: Command, flows: Path, arguments: list[str], code: int, told: str
) -> None:
    """Typed errors, their exit codes, no store made."""
    Path("bad.py").write_text("x = 1\ndef broken(:\n")
    Path("raises.py").write_text("1 / 0\n")
    done = command("run", *[argument.replace("FILE", str(flows)) for argument in arguments])
    assert done.code == code, done.err
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("durable.db").exists()


def test_the_only_workflow_needs_no_name(command: Command, tmp_path: Path) -> None:
    """`file.py` and `package.module` are enough; a file of a package imports its neighbours."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text("from durable_studio import step\n@step\ndef pay(ctx): return 'paid'\n")
    flow = "from durable_studio import workflow\nfrom .steps import pay\n@workflow\ndef order(): return [pay]\n"
    (package / "flow.py").write_text(flow)
    for target in ("shop/flow.py", "shop.flow", "shop.flow:order"):
        done = command("run", target)
        assert (done.code, done.out.splitlines()[-1]) == (0, "paid"), done.err


def test_input_comes_from_a_file_or_from_stdin(
    command: Command, flows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """@file and -."""
    import io

    (tmp_path / "in.json").write_text('{"name": "Ben"}')
    assert "hello Ben" in command("run", f"{flows}:hello", "-i", "@in.json").out
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "Eva"}'))
    assert "hello Eva" in command("run", f"{flows}:hello", "-i", "-").out

"""`list`, `status`, `logs`, `workflows`, `graph`, `queues`, `nodes`, `db`, `doctor`, `verify`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from durable_studio import __version__
from durable_studio.command.output import table
from durable_studio.discovery import find_workflow
from tests.command.conftest import Command

EVERY = (
    ["run"],
    ["watch"],
    ["list"],
    ["status"],
    ["logs"],
    ["cancel"],
    ["retry"],
    ["pause"],
    ["resume"],
    ["fork"],
    ["explain"],
    ["event"],
    ["inputs"],
    ["inputs", "list"],
    ["inputs", "answer"],
    ["schedules"],
    *(["schedules", each] for each in ("list", "create", "update", "enable", "disable", "delete", "trigger", "next")),
    ["cleanup"],
    ["workflows"],
    ["graph"],
    ["export"],
    ["worker"],
    ["queues"],
    ["queues", "list"],
    ["queues", "pause"],
    ["queues", "resume"],
    ["nodes"],
    ["db", "init"],
    ["db", "upgrade"],
    ["db", "check"],
    ["db", "current"],
    ["doctor"],
    ["verify"],
)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_help_with_an_example_and_the_global_options(command: Command, words: list[str]) -> None:
    """--help shows an example, --db and --json."""
    done = command(*words, "--help")
    assert done.code == 0
    for part in ("Example: durable-studio", "--db", "--json"):
        assert part in done.out


def test_an_empty_store_says_what_to_do(command: Command) -> None:
    """Nothing is created by looking."""
    assert "No executions yet" in command("list").out
    assert command("list", "--json").json == []
    assert "No workers" in command("nodes").out
    assert "No queues" in command("queues").out
    assert not Path("durable.db").exists()


def test_a_list_is_filtered_and_paged(command: Command, flows: Path) -> None:
    """By workflow, status, tag, time and part of a name; newest first, keyset pages."""
    for number in range(3):
        command("run", f"{flows}:hello", "--id", f"hello-{number}")
    command("run", f"{flows}:broken", "--id", "broken-0")
    rows = command("list", "--json").json
    assert [row["id"] for row in rows] == ["broken-0", "hello-2", "hello-1", "hello-0"]
    assert not {"context", "steps"} & set(rows[0])
    for arguments, expected in (
        (["--status", "failed"], ["broken-0"]),
        (["--status", "failed,completed", "--limit", "1"], ["broken-0"]),
        (["--workflow", "hello"], ["hello-2", "hello-1", "hello-0"]),
        (["--tag", "polite", "--limit", "2"], ["hello-2", "hello-1"]),
        (["--limit", "2", "--after", "hello-2"], ["hello-1", "hello-0"]),
        (["--search", "hello-1"], ["hello-1"]),
        (["--since", "1h", "--workflow", "broken"], ["broken-0"]),
        (["--until", "1h"], []),
        (["--since", "2030-01-01T00:00:00Z"], []),
    ):
        assert [row["id"] for row in command("list", "--json", *arguments).json] == expected, arguments
    text = command("list", "--limit", "2").out
    assert "✘ failed" in text and "2 of 4" in text
    assert "No executions match." in command("list", "--workflow", "nope").out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["list", "--status", "done"], 2, "no status 'done'", id="unknown status"),
        pytest.param(["list", "--since", "soon"], 2, "--since", id="no time"),
        pytest.param(["list", "--limit", "0"], 2, "--limit", id="limit 0"),
        pytest.param(["status", "nope"], 3, "no execution 'nope'", id="unknown id"),
        pytest.param(["logs", "nope"], 3, "no execution 'nope'", id="logs of an unknown id"),
        pytest.param(["watch", "nope"], 3, "no execution 'nope'", id="watch an unknown id"),
        pytest.param(["cancel", "nope"], 3, "no execution 'nope'", id="cancel an unknown id"),
        pytest.param(["graph", "nope"], 3, "no execution 'nope'", id="graph of nothing"),
        pytest.param(["nope"], 2, "nope", id="unknown command"),
        pytest.param(["cleanup"], 2, "--older-than", id="cleanup of everything"),
        pytest.param(["cleanup", "--older-than", "old"], 2, "--older-than", id="no duration"),
        pytest.param(["cleanup", "--older-than", "1d", "--status", "running"], 4, "running", id="cleanup of running"),
        pytest.param(["worker"], 3, "knows no workflow", id="a worker without workflows"),
        pytest.param(["list", "--db", "sqlite:////none/here/x.db"], 5, "does not exist", id="no directory"),
        pytest.param(["list", "--db", "mysql://x"], 5, "unknown scheme", id="unknown database"),
        pytest.param(["db", "check"], 5, "there is no store", id="no store"),
    ],
)
def test_faults_are_one_line_with_an_exit_code(command: Command, arguments: list[str], code: int, told: str) -> None:
    """2 usage, 3 not found, 4 conflict, 5 the store."""
    done = command(*arguments)
    assert (done.code, len(done.err.strip().splitlines())) == (code, 1), done.err
    assert told in done.err


def test_an_execution_is_shown_with_every_step(command: Command, flows: Path) -> None:
    """As text, by the beginning of its id too."""
    command("run", f"{flows}:broken", "--id", "some-order", "-i", '{"name": "Ana"}')
    text = command("status", "some-o").out
    for part in ("✘ failed  broken some-order", "NonRetryableError: no way out", '{"name": "Ana"}', "greet", "fail"):
        assert part in text
    assert "\x1b" not in text


def test_a_handler_that_ran_is_told_from_its_step(command: Command, flows: Path) -> None:
    """In the status of an execution and in the lines of a run."""
    ran = command("run", f"{flows}:taken_back", "--id", "mine")
    status = command("status", "mine")
    assert [line.split()[:2] for line in ran.out.splitlines() if "by lambda" in line] == [["↶", "compensated"]]
    promised = [line.split()[1:3] for line in status.out.splitlines() if line.startswith("promise")]
    assert promised == [["✔", "completed"], ["↶", "compensated"]]


def test_logs_are_lines(command: Command, flows: Path) -> None:
    """One JSON object a line, with the keys of the contract."""
    command("run", f"{flows}:hello", "--id", "mine")
    [line] = command("logs", "mine", "--json").lines
    expected = "timestamp level source logger message metadata step path attempt pass_number".split()
    assert sorted(line) == sorted(expected)
    assert (line["source"], line["message"], line["step"]) == ("stdout", "hello world", "greet")
    assert "hello world" in command("logs", "mine", "--follow").out
    assert command("logs", "mine", "--step", "greet").out
    assert command("logs", "mine", "--step", "nope").code == 2


def test_what_people_do_is_checked_against_the_state(command: Command, flows: Path) -> None:
    """Pause, resume, cancel; a second time is exit code 4."""
    id = command("run", f"{flows}:asks", "--detach").out.strip()
    assert command("pause", id, "--reason", "lunch", "--json").json["flags"] == ["paused"]
    assert [row["id"] for row in command("list", "--status", "paused", "--json").json] == [id]
    assert command("pause", id).code == 4
    assert command("resume", id).code == 0
    gently = command("cancel", id, "--mode", "gently")
    assert gently.code == 2 and "graceful" in gently.err
    assert command("cancel", id, "--reason", "over").code == 0
    assert command("status", id, "--json").json["status"] == "cancelled"
    done = command("cancel", id)
    assert done.code == 4 and "cancelled already" in done.err
    assert command("retry", id).code == 4


def test_cleanup_removes_what_ended_long_ago(command: Command, flows: Path) -> None:
    """A dry run only counts; waiting ones stay."""
    command("run", f"{flows}:hello")
    command("run", f"{flows}:broken")
    waiting = command("run", f"{flows}:asks", "--detach").out.strip()
    assert command("cleanup", "--older-than", "1h").out == "Removed 0 executions.\n"
    assert (
        command("cleanup", "--older-than", "0s", "--status", "failed", "--dry-run").out == "Would remove 1 execution.\n"
    )
    assert command("cleanup", "--older-than", "0s", "--json").json == {"executions": 2, "dry_run": False}
    assert [row["id"] for row in command("list", "--json").json] == [waiting]


def test_workflows_are_found_in_arguments_settings_and_environment(
    command: Command, flows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments, then DURABLE_WORKFLOWS, then [tool.durable-studio]."""
    assert "No workflows" in command("workflows").out
    assert [one["name"] for one in command("workflows", flows, "--json").json] == [
        "hello",
        "broken",
        "taken_back",
        "asks",
        "slow",
    ]
    Path("pyproject.toml").write_text('[tool.durable-studio]\nworkflows = ["flows.py:hello"]\n')
    [one] = command("workflows", "--json").json
    assert (one["name"], one["description"], one["steps"]) == ("hello", "Say hello.", ["greet"])
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    assert "hello" in command("workflows").out
    monkeypatch.setenv("DURABLE_WORKFLOWS", str(flows))
    assert len(command("workflows", "--json").json) == 5


def test_a_faulty_setting_names_the_file(command: Command) -> None:
    """Unknown keys and broken TOML are exit code 2."""
    Path("pyproject.toml").write_text("[tool.durable-studio]\nworkflow = 1\n")
    assert "unknown key 'workflow'" in command("workflows").err
    Path("pyproject.toml").write_text("[tool\n")
    assert command("workflows").code == 2


def test_graphs_are_drawn_of_workflows_and_executions(command: Command, flows: Path) -> None:
    """Printed in a format, or saved by suffix."""
    assert "greet" in command("graph", f"{flows}:hello").out
    assert command("export", f"{flows}:hello", "--format", "mermaid").out.startswith("flowchart")
    command("run", f"{flows}:hello", "--id", "mine")
    drawn = json.loads(command("graph", "mine", "--format", "json").out)
    assert "completed" in json.dumps(drawn)
    assert command("graph", "mine", "-o", "mine.svg").code == 0
    assert Path("mine.svg").read_text().startswith("<svg")
    assert command("graph", "mine", "--format", "gif").code == 2


def test_text_is_drawn_in_ascii_and_in_the_direction_that_was_asked_for(command: Command, flows: Path) -> None:
    """What the library calls `ascii` and `direction`; files of text and SVG take them too."""
    hello = find_workflow(f"{flows}:hello").graph()
    assert command("graph", f"{flows}:hello", "--ascii").out == hello.to_text(ascii=True)
    assert command("graph", f"{flows}:hello", "--direction", "right").out == hello.to_text(direction="right")
    drawn = command("graph", f"{flows}:hello", "--direction", "down", "--format", "svg").out
    assert drawn == hello.to_svg(direction="down") != hello.to_svg()
    command("run", f"{flows}:hello", "--id", "mine")
    assert command("graph", "mine", "--ascii", "--direction", "auto", "-o", "mine.txt").code == 0
    text = Path("mine.txt").read_text()
    assert text.isascii() and "+ greet" in text
    assert command("graph", "mine", "--direction", "right", "-o", "mine.svg").code == 0
    assert "greet" in Path("mine.svg").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--direction", "LR"), "error: there is no direction 'LR'; there are auto, down, right\n"),
        (("--direction", "up", "--format", "svg"), "error: there is no direction 'up'; there are auto, down, right\n"),
        (("--ascii", "--format", "svg"), "error: --ascii is for text, and this is svg\n"),
        (("--ascii", "-o", "x.dot"), "error: --ascii is for text, and this is dot\n"),
        (("--direction", "down", "--json"), "error: --direction is for text and svg, and this is json\n"),
        (("-o", "x.gif"), "error: no graph format has the suffix '.gif'. Use one of "),
    ],
)
def test_what_a_format_cannot_do_is_said_in_one_line(
    command: Command, flows: Path, options: tuple[str, ...], said: str
) -> None:
    done = command("graph", f"{flows}:hello", *options)
    assert done.code == 2
    assert done.err.startswith(said) and done.err.count("\n") == 1
    assert not done.out and not list(Path().glob("x.*"))


def test_tables_are_straight_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    table(("NAME", "N"), [("注文", 1), ("e\u0301", 2), ("ascii", 3)])
    assert [line[: -len("N")] for line in capsys.readouterr().out.splitlines()] == [
        "NAME   ",
        "注文   ",
        "e\u0301      ",
        "ascii  ",
    ]


def test_the_version_is_printed(command: Command) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert command("--version").out == f"durable-studio {__version__}\n"
    assert __version__ == project["version"]
    assert "--version" in command("--help").out


def test_queues_are_paused_and_resumed(command: Command, flows: Path) -> None:
    """A paused queue is shown as such, and its work waits."""
    id = command("run", f"{flows}:hello", "--detach").out.strip()
    assert command("queues", "pause", "default").out == "Queue default is paused.\n"
    [queue] = command("queues", "--json").json
    assert (queue["name"], queue["paused"], queue["ready"]) == ("default", True, 1)
    assert "paused queues: default" in command("doctor").out
    assert command("queues", "resume", "default", "--json").json == {"name": "default", "paused": False}
    assert command("queues", "list", "--json").json[0]["paused"] is False
    assert command("status", id, "--json").json["status"] == "pending"


def test_the_store_is_made_checked_and_shown(command: Command) -> None:
    """db init, check, current, upgrade; --db may stand before the command."""
    assert command("db", "init").code == 0
    assert command("db", "check").code == 0
    assert command("db", "current", "--json").json["current"] == command("db", "current", "--json").json["head"]
    assert "up to date already" in command("db", "upgrade").out
    assert command("--db", "sqlite:///other.db", "--json", "db", "init").json["url"] == "sqlite:///other.db"
    assert Path("other.db").exists()


def test_doctor_and_verify_look_at_everything(command: Command, flows: Path) -> None:
    """A healthy store: nothing broken, and work that nobody serves is named."""
    command("run", f"{flows}:hello")
    assert command("verify", "--json").json == []
    assert {"store", "schema", "file mode", "workers"} <= {check["name"] for check in command("doctor", "--json").json}
    command("run", f"{flows}:hello", "--detach")
    done = command("doctor")
    assert done.code == 1
    assert "no worker serves it" in done.out

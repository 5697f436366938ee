"""`schedules`: listed, made, changed, triggered and removed, with one-line errors."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.command.conftest import Command

FLOWS = """
from pydantic import BaseModel
from durable_studio import cron, step, workflow


class Report(BaseModel):
    kind: str = "daily"


@step
def write(kind):
    return f"{kind} report"


@cron("0 9 * * 1-5", timezone="Europe/Madrid", name="weekdays")
@workflow(input=Report)
def report():
    return [write]


@workflow(input=Report)
def other():
    return [write]
"""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    path = tmp_path / "reports.py"
    path.write_text(FLOWS)
    return path


def test_a_schedule_is_made_listed_and_removed(command: Command, reports: Path) -> None:
    """Its store is made with it; the schedules that the file declares come along."""
    assert "No schedules" in command("schedules").out
    assert not Path("durable.db").exists()
    made = command(
        *("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *", "--input", '{"kind": "hourly"}'),
        *("--overlap", "buffer_one", "--catch-up", "6h", "--json"),
    )
    assert made.code == 0, made.err
    assert (made.json["workflow"], made.json["timezone"], made.json["input"]) == ("other", "UTC", {"kind": "hourly"})
    assert (made.json["overlap"], made.json["catch_up"], made.json["catch_up_window"]) == ("buffer_one", "all", 21600.0)
    listed = command("schedules", "list", "--json").json
    assert [(each["name"], each["origin"]) for each in listed] == [("hourly", "api"), ("weekdays", "decorator")]
    shown = command("schedules", "list", "--workflow", "other").out
    assert "hourly" in shown and "0 * * * *" in shown and "weekdays" not in shown
    assert command("schedules", "delete", "hourly").out.strip() == "deleted hourly"
    assert command("schedules", "delete", "hourly").code == 3


def test_a_disabled_schedule_shows_that_nothing_will_start(command: Command, reports: Path) -> None:
    command("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *", "--disabled")
    assert command("schedules", "list", "--disabled", "--json").json[0]["next_at"] is None
    assert "It is disabled" in command("schedules", "next", "hourly").out
    assert "hourly is enabled: other at 0 * * * * in UTC, next in" in command("schedules", "enable", "hourly").out
    assert command("schedules", "disable", "hourly", "--json").json["enabled"] is False


def test_next_runs_are_told_by_the_schedules_own_clock(command: Command, reports: Path) -> None:
    command("schedules", "create", "spring", f"{reports}:other", "--cron", "30 12 * * *", "--timezone", "Europe/Madrid")
    runs = command("schedules", "next", "spring", "--count", "3", "--json").json
    assert len(runs) == 3
    for run in runs:
        local = datetime.fromisoformat(run["local"])
        assert (local.hour, local.minute) == (12, 30)
        assert datetime.fromisoformat(run["at"]) == local
    assert command("schedules", "next", "spring").out.count(" 12:30:00 CE") == 5


def test_what_is_changed_is_judged_with_what_stays(command: Command, reports: Path) -> None:
    """And a wrong option changes nothing."""
    command("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *")
    changed = command("schedules", "update", "hourly", "--cron", "0 */2 * * *", "--timezone", "Asia/Tokyo", "--json")
    assert (changed.json["cron"], changed.json["timezone"]) == ("0 */2 * * *", "Asia/Tokyo")
    for arguments, code, told in (
        ([], 2, "nothing to change"),
        (["--cron", "0 0 31 2 *"], 2, "never fires"),
        (["--timezone", "Mars/Olympus"], 2, "time zone"),
        (["--overlap", "perhaps"], 2, "overlap"),
        (["--catch-up", "6x"], 2, "--catch-up"),
        (["--input", "[1]"], 2, "object"),
        ([reports, "--input", '{"kind": 3}'], 2, "kind"),
    ):
        refused = command("schedules", "update", "hourly", *arguments)
        assert refused.code == code, arguments
        assert told in refused.err and refused.err.count("\n") == 1
    (kept,) = [each for each in command("schedules", "--json").json if each["name"] == "hourly"]
    assert (kept["cron"], kept["timezone"], kept["input"]) == ("0 */2 * * *", "Asia/Tokyo", None)


@pytest.mark.parametrize("verb", ["enable", "disable", "delete", "trigger", "next"])
def test_an_unknown_schedule_is_named_with_its_neighbours(command: Command, reports: Path, verb: str) -> None:
    command("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *")
    done = command("schedules", verb, "hourlie")
    assert done.code == 3
    assert "hourly" in done.err and done.err.count("\n") == 1


def test_a_name_that_is_taken_is_a_conflict(command: Command, reports: Path) -> None:
    create = ("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *")
    assert [command(*create).code, command(*create).code] == [0, 4]


def test_a_schedule_is_triggered_by_whoever_knows_its_workflow(
    command: Command, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next tick stays where it is; the code is named, or comes from the settings."""
    command("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *", "--input", '{"kind": "hourly"}')
    before = command("schedules", "list", "--json").json[0]["next_at"]
    begun = command("schedules", "trigger", "hourly", reports, "--json").json
    assert (begun["workflow"], begun["status"]) == ("other", "pending")
    monkeypatch.setenv("DURABLE_WORKFLOWS", str(reports))
    again = command("schedules", "trigger", "hourly", "--input", '{"kind": "special"}', "--json").json
    assert command("worker", reports, "--until-idle").code == 0
    outputs = [command("status", each["id"], "--json").json["output"] for each in (begun, again)]
    assert outputs == ["hourly report", "special report"]
    assert command("schedules", "list", "--json").json[0]["next_at"] == before


def test_a_trigger_without_the_code_says_how_to_name_it(command: Command, reports: Path, tmp_path: Path) -> None:
    from durable_core.dsl.registry import registry

    command("schedules", "create", "hourly", f"{reports}:other", "--cron", "0 * * * *")
    registry.clear()
    done = command("schedules", "trigger", "hourly")
    assert done.code == 3
    assert "durable-studio schedules trigger hourly flows.py" in done.err

"""`engine.schedules`: created, read, changed and removed; wrong input changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from durable_core.clock import VirtualClock
from durable_core.dsl import cron, registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import (
    DefinitionError,
    DurableError,
    InputValidationError,
    InvalidStateError,
    ScheduleNotFoundError,
    WorkflowNotFoundError,
)


class Report(BaseModel):
    kind: str
    pages: int = 1


def report(*crons: Any, model: type[BaseModel] | None = None) -> Any:
    @step
    def write(ctx: Any) -> Any:
        return dict(ctx)

    @workflow(name="report", input=model)
    def flow() -> Any:
        return [write]

    for each in crons:
        flow = each(flow)
    return flow


def test_a_schedule_keeps_what_it_was_made_with(engine: Engine) -> None:
    report()
    made = engine.schedules.create(
        "nightly",
        "report",
        cron="30  2 * * *",
        timezone="Europe/Madrid",
        queue="reports",
        input={"kind": "daily", "of": {"day": 1}},
        overlap="buffer_one",
        catch_up=timedelta(hours=6),
    )
    assert engine.schedules.get("nightly") == made
    assert (made.cron, made.timezone, made.queue) == ("30 2 * * *", "Europe/Madrid", "reports")
    assert made.input == {"kind": "daily", "of": {"day": 1}}
    assert (made.overlap, made.catch_up, made.catch_up_window) == ("buffer_one", "all", 21600.0)
    assert (made.enabled, made.origin) == (True, "api")
    assert made.next_at == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)


def test_schedules_are_listed_by_name_and_chosen(engine: Engine) -> None:
    flow = report()
    engine.schedules.create("b", flow, cron="@daily", queue="reports")
    engine.schedules.create("a", flow, cron="@hourly", enabled=False)
    assert [each.name for each in engine.schedules.list()] == ["a", "b"]
    assert [each.name for each in engine.schedules.list(enabled=True)] == ["b"]
    assert [each.name for each in engine.schedules.list(queue="reports")] == ["b"]
    assert [each.name for each in engine.schedules.list(workflow=flow, limit=1)] == ["a"]
    assert engine.schedules.get("a").next_at is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cron": "0 0 31 2 *"}, DefinitionError),
        ({"cron": "every day"}, DefinitionError),
        ({"timezone": "Mars"}, DefinitionError),
        ({"overlap": "sometimes"}, DefinitionError),
        ({"catch_up": "some"}, DefinitionError),
        ({"catch_up": 0}, DefinitionError),
        ({"queue": ""}, DefinitionError),
        ({"input": [1]}, InputValidationError),
        ({"input": {"pages": "many"}}, InputValidationError),
        ({"input": {}}, InputValidationError),
        ({"enabled": 1}, DefinitionError),
    ],
)
def test_a_wrong_option_creates_and_changes_nothing(
    engine: Engine, options: dict[str, Any], error: type[DurableError]
) -> None:
    report(model=Report)
    good: dict[str, Any] = {"cron": "0 9 * * *", "input": {"kind": "daily"}}
    with pytest.raises(error):
        engine.schedules.create("bad", "report", **{**good, **options})
    assert engine.schedules.list() == []
    before = engine.schedules.create("good", "report", **good)
    with pytest.raises(error):
        engine.schedules.update("good", **{"cron": "0 10 * * *", **options})
    assert engine.schedules.get("good") == before


def test_names_and_workflows_are_checked(engine: Engine) -> None:
    report()
    engine.schedules.create("daily", "report", cron="@daily")
    with pytest.raises(InvalidStateError, match="already"):
        engine.schedules.create("daily", "report", cron="@hourly")
    with pytest.raises(WorkflowNotFoundError, match="Did you mean 'report'"):
        engine.schedules.create("other", "reports", cron="@daily")
    with pytest.raises(DefinitionError):
        engine.schedules.create("", "report", cron="@daily")
    with pytest.raises(InputValidationError, match="Did you mean 'cron'"):
        engine.schedules.update("daily", corn="@hourly")
    assert engine.schedules.get("daily").cron == "@daily"


def test_a_name_that_is_not_there_is_told_with_a_close_one(engine: Engine) -> None:
    report()
    engine.schedules.create("daily", "report", cron="@daily")
    schedules = engine.schedules
    for action in (
        schedules.get,
        schedules.enable,
        schedules.disable,
        schedules.update,
        schedules.delete,
        schedules.trigger_now,
        schedules.next_runs,
        schedules.ticks,
    ):
        with pytest.raises(ScheduleNotFoundError, match="Did you mean 'daily'"):
            action("daly")


def test_a_changed_cron_or_zone_moves_the_next_tick_and_other_options_do_not(engine: Engine) -> None:
    report()
    engine.schedules.create("daily", "report", cron="0 9 * * *")
    assert engine.schedules.update("daily", cron="0 */2 * * *").next_at == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert engine.schedules.update("daily", timezone="Asia/Kolkata").next_at == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    changed = engine.schedules.update("daily", input={"a": 1}, queue="q", overlap="allow", catch_up=60)
    assert changed.next_at == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    assert (changed.input, changed.queue, changed.overlap, changed.catch_up_window) == ({"a": 1}, "q", "allow", 60.0)
    cleared = engine.schedules.update("daily", input=None, queue=None, catch_up="none")
    assert (cleared.input, cleared.queue, cleared.catch_up_window) == (None, None, None)
    assert engine.schedules.update("daily", enabled=False).next_at is None


def test_next_runs_are_times_of_the_zone_even_while_it_is_disabled(engine: Engine) -> None:
    report()
    engine.schedules.create("daily", "report", cron="0 9 * * *", timezone="Asia/Kolkata", enabled=False)
    runs = engine.schedules.next_runs("daily", 2)
    assert [run.isoformat() for run in runs] == ["2026-01-01T09:00:00+05:30", "2026-01-02T09:00:00+05:30"]
    with pytest.raises(InputValidationError):
        engine.schedules.next_runs("daily", -1)


def test_disabled_it_does_not_tick_and_enabled_it_goes_on_from_then(engine: Engine, clock: VirtualClock) -> None:
    report()
    engine.schedules.create("hourly", "report", cron="@hourly")
    assert engine.schedules.disable("hourly").next_at is None
    clock.advance(timedelta(hours=5, minutes=30))
    assert engine.scheduler.run_due() == []
    assert engine.schedules.enable("hourly").next_at == datetime(2026, 1, 1, 6, tzinfo=UTC)
    assert engine.scheduler.run_due() == []


def test_trigger_now_starts_at_once_and_leaves_the_next_tick_where_it_is(engine: Engine) -> None:
    report(model=Report)
    before = engine.schedules.create("daily", "report", cron="@daily", input={"kind": "daily"}, enabled=False)
    run = engine.schedules.trigger_now("daily")
    other = engine.schedules.trigger_now("daily", {"kind": "special", "pages": 3})
    with engine.worker():
        assert run.wait(10).output == {"kind": "daily", "pages": 1}
        assert other.wait(10).output == {"kind": "special", "pages": 3}
    with pytest.raises(InputValidationError):
        engine.schedules.trigger_now("daily", {"pages": 3})
    after = engine.schedules.get("daily")
    assert (after.next_at, after.enabled, after.last_execution_id) == (before.next_at, False, other.id)
    assert engine.list_executions(tag="schedule:daily") == [other, run]


def test_a_deleted_schedule_is_gone_with_its_ticks_and_what_it_started_goes_on(
    engine: Engine, clock: VirtualClock
) -> None:
    report()
    engine.schedules.create("hourly", "report", cron="@hourly")
    clock.advance(3600)
    (started,) = engine.scheduler.run_due()
    engine.schedules.delete("hourly")
    assert engine.schedules.list() == []
    assert engine.get_execution(started).status == "pending"
    engine.schedules.create("hourly", "report", cron="@hourly")
    assert engine.schedules.ticks("hourly") == []


def test_decorators_are_there_as_soon_as_one_looks(engine: Engine) -> None:
    report(
        cron("0 9 * * *", timezone="America/New_York", queue="reports", input={"kind": "daily"}),
        cron("0 10 * * 1", name="weekly", overlap="allow", catch_up="none"),
    )
    daily, weekly = engine.schedules.list()
    assert (daily.name, daily.origin, daily.queue, daily.input) == ("report", "decorator", "reports", {"kind": "daily"})
    assert (weekly.name, weekly.overlap, weekly.catch_up) == ("weekly", "allow", "none")
    assert daily.next_at == datetime(2026, 1, 1, 14, tzinfo=UTC)


def test_the_code_owns_the_options_and_the_person_owns_enabled(store_url: str, clock: VirtualClock) -> None:
    report(cron("0 9 * * *"))
    with Engine(store_url, worker=False, clock=clock) as engine:
        engine.schedules.disable("report")
    registry.clear()
    report(cron("0 10 * * *", queue="reports"))
    with Engine(store_url, worker=False, clock=clock) as engine:
        found = engine.schedules.get("report")
        assert (found.cron, found.queue, found.enabled, found.next_at) == ("0 10 * * *", "reports", False, None)
        assert engine.schedules.enable("report").next_at == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_workflows_without_schedules_have_none_and_handmade_ones_keep_theirs(engine: Engine) -> None:
    report()
    engine.schedules.create("daily", "report", cron="@daily")
    assert [each.name for each in engine.schedules.list()] == ["daily"]
    report(cron("@hourly", name="daily"))
    engine.scheduler.sync()
    assert (engine.schedules.get("daily").cron, engine.schedules.get("daily").origin) == ("@daily", "api")


def test_processes_that_start_at_once_bring_the_same_schedules(store_url: str, clock: VirtualClock) -> None:
    report(cron("@daily"), cron("@hourly", name="often"))
    engines = [Engine(store_url, worker=False, clock=clock) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        listed = list(pool.map(lambda engine: [each.name for each in engine.schedules.list()], engines))
    for engine in engines:
        engine.close()
    assert listed == [["often", "report"]] * 4

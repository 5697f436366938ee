"""``schedules``: what starts by itself, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from durable_core.clock import iso, to_us
from durable_core.codec import to_plain
from durable_core.durations import parse_duration
from durable_core.engine.engine import Engine
from durable_core.errors import InputValidationError
from durable_core.query.document import plain
from durable_core.query.entry import Entry
from durable_studio.command.output import ago, emit, emit_json, paint, safe, status_text, table
from durable_studio.command.running import read_object
from durable_studio.discovery import find_workflow, need

_LOCAL = "%a %Y-%m-%d %H:%M:%S %Z"


def list_schedules(engine: Engine, as_json: bool, **chosen: Any) -> int:
    """Every schedule, by name."""
    found = engine.schedules.list(**chosen)
    if as_json:
        emit_json([_document(each) for each in found])
        return 0
    if not found:
        emit("No schedules. Put @cron above a @workflow and run a worker, or: durable-studio schedules create --help")
        return 0
    table(
        ("NAME", "STATE", "CRON", "TIMEZONE", "WORKFLOW", "NEXT", "LAST"),
        [
            (
                each["name"],
                _state(each),
                each["cron"],
                each["timezone"],
                each["workflow"],
                ago(each["next_at"]),
                ago(each["last_tick_at"]),
            )
            for each in found
        ],
        ["completed" if each["enabled"] else "cancelled" for each in found],
    )
    for each in found:
        if why := each["disabled_reason"] or each["last_error"]:
            emit(f"{safe(each['name'])}: {safe(why)}")
    return 0


def set_enabled(engine: Engine, name: str, as_json: bool, *, enabled: bool) -> int:
    """Let a schedule tick from now on, or no longer."""
    return _tell((engine.schedules.enable if enabled else engine.schedules.disable)(name), as_json)


def create(
    engine: Callable[[], Any], name: str, target: str, as_json: bool, *, disabled: bool, **options: str | None
) -> int:
    """A new schedule of a workflow."""
    workflow = find_workflow(target)  # before the store is opened, and made where it is not there yet
    given = _options(options)
    with engine() as opened:
        return _tell(opened.schedules.create(name, workflow, enabled=not disabled, **given), as_json)


def update(engine: Engine, name: str, targets: Sequence[str] | None, as_json: bool, **options: str | None) -> int:
    """Change what is given, and nothing else."""
    given = _options(options)
    if not given:
        raise InputValidationError(
            f"There is nothing to change of schedule {name!r}.",
            errors={"options": ["are missing"]},
            hint="Give --cron, --timezone, --queue, --input, --overlap or --catch-up.",
        )
    if "input" in given:
        _know(engine, name, targets, "update")
    return _tell(engine.schedules.update(name, **given), as_json)


def delete(engine: Engine, name: str, as_json: bool) -> int:
    """Remove a schedule; what it started goes on."""
    engine.schedules.delete(name)
    emit_json({"name": name, "deleted": True}) if as_json else emit(f"deleted {safe(name)}")
    return 0


def trigger(engine: Engine, name: str, targets: Sequence[str] | None, given: str | None, as_json: bool) -> int:
    """Start its workflow at once; a worker takes it up."""
    values = read_object(given, "--input")
    workflow = _know(engine, name, targets, "trigger")
    run = engine.schedules.trigger_now(name, values)
    record = run.record()
    if as_json:
        emit_json({"schedule": name, "id": run.id, "workflow": workflow, "status": record.status})
    else:
        emit(paint(status_text(record.status), record.status) + f"  {safe(workflow)} {safe(run.id)}")
        emit(f"A worker takes it up. See: durable-studio watch {safe(run.id)}")
    return 0


def next_runs(engine: Engine, name: str, count: int, as_json: bool) -> int:
    """The next ticks, by the schedule's own clock."""
    found = engine.schedules.next_runs(name, count)
    if as_json:
        emit_json([{"at": iso(to_us(each)), "local": each.isoformat()} for each in found])
        return 0
    for each in found:
        emit(f"{each.strftime(_LOCAL)}  {ago(each)}")
    schedule = engine.schedules.get(name)
    if not schedule["enabled"]:
        emit(f"It is disabled: none of them will start. See: durable-studio schedules enable {safe(name)}")
    return 0


def _know(engine: Engine, name: str, targets: Sequence[str] | None, verb: str) -> str:
    """Load the code that validates the input; the name of the schedule's workflow."""
    workflow: str = engine.schedules.get(name)["workflow"]
    retry = f"durable-studio schedules {verb} {name} flows.py"
    need(workflow, targets or (), f"Schedule {name!r} starts", retry)
    return workflow


def _options(given: dict[str, str | None]) -> dict[str, Any]:
    """What was given, as the engine takes it: an object, and a duration where a word means none."""
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "input" in options:
        options["input"] = read_object(options["input"], "--input")
    if (window := options.get("catch_up")) is not None and window[:1].isdigit():
        options["catch_up"] = parse_duration(window, "--catch-up")
    return options


def _tell(schedule: Entry, as_json: bool) -> int:
    if as_json:
        emit_json(_document(schedule))
        return 0
    comes = f", next {ago(schedule['next_at'])}" if schedule["enabled"] else ""
    times = f"{safe(schedule['cron'])} in {safe(schedule['timezone'])}"
    emit(f"{safe(schedule['name'])} is {_state(schedule)}: {safe(schedule['workflow'])} at {times}{comes}")
    return 0


def _state(schedule: Entry) -> str:
    return "enabled" if schedule["enabled"] else "disabled"


def _document(schedule: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = plain(dict(schedule))
    return {**facts, "input": to_plain(facts["input"])}

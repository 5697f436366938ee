"""``list``, ``status``, ``logs``, ``workflows``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from durable_core.clock import from_us, parse_iso
from durable_core.codec import to_plain
from durable_core.durations import parse_duration
from durable_core.engine import reading
from durable_core.engine.engine import Engine
from durable_core.errors import DefinitionError
from durable_core.query.document import plain
from durable_core.query.entry import Entry
from durable_studio.command.output import (
    GLYPHS,
    ago,
    emit,
    emit_json,
    error_line,
    paint,
    safe,
    shown_value,
    status_text,
    table,
    took,
)
from durable_studio.command.watching import word_of
from durable_studio.discovery import load_all
from durable_studio.settings import read_settings


def list_executions(engine: Engine, as_json: bool, limit: int, after: str | None, **chosen: Any) -> int:
    """One page of executions, newest first."""
    for name in ("since", "until"):
        chosen[name] = moment(chosen[name], f"--{name}")
    chosen["status"] = [part.strip() for each in chosen["status"] or [] for part in each.split(",") if part.strip()]
    place = None if after is None else reading.full_id(engine, after)
    rows = reading.summaries(engine, limit, place, **chosen)
    if as_json:
        emit_json(rows)
        return 0
    if not rows:
        filtered = after or any(chosen.values())
        emit("No executions match." if filtered else "No executions yet. Start one: durable-studio run FILE.py")
        return 0
    table(
        ("ID", "STATUS", "WORKFLOW", "CREATED", "TOOK", "ERROR"),
        [
            (
                row["id"],
                status_text(row["status"], row["flags"]),
                row["workflow"],
                ago(row["created_at"]),
                took(row["started_at"], row["completed_at"]),
                error_line(row["error"]) if row["error"] else "",
            )
            for row in rows
        ],
        [row["status"] for row in rows],
    )
    total = reading.count(engine, **chosen)
    if total > len(rows):
        emit(f"{len(rows)} of {total}. More: --after {safe(rows[-1]['id'])}")
    return 0


def show_status(engine: Engine, id: str, as_json: bool) -> int:
    """Where one execution is, and every step of it."""
    whole = reading.describe(engine, reading.full_id(engine, id))
    if as_json:
        emit_json(whole)
        return 0
    emit(
        paint(status_text(whole["status"], whole["flags"]), whole["status"])
        + f"  {safe(whole['workflow'])} {safe(whole['id'])}"
    )
    if whole["reason"]:
        emit(f"reason    {safe(whole['reason'])}")
    if whole["error"]:
        emit(f"error     {error_line(whole['error'])}")
    if whole["current_steps"]:
        emit(f"now at    {', '.join(safe(name) for name in whole['current_steps'])}")
    changed = whole["definition"]
    if changed is not None and changed["kind"] != "identical":
        emit(
            f"version   {safe(whole['version'])}; the code here differs ({changed['kind']}): {safe(changed['change'])}"
        )
    emit(f"created   {whole['created_at']} ({ago(whole['created_at'])})")
    if whole["scheduled_for"]:
        emit(f"for       {whole['scheduled_for']} (the tick of its schedule)")
    if whole["completed_at"]:
        emit(f"ended     {whole['completed_at']} (took {took(whole['started_at'], whole['completed_at'])})")
    for name in ("input", "context", "output"):
        if whole[name] not in (None, {}):
            emit(f"{name:<9} {shown_value(whole[name], 400)}")
    if whole["steps"]:
        emit()
        table(("STEP", "STATUS", "ATTEMPT", "TOOK", ""), [_step_row(step) for step in whole["steps"]], _statuses(whole))
    return 0


def _step_row(step: dict[str, Any]) -> tuple[object, ...]:
    word = word_of(step)
    iteration = "".join(f"[{number}]" for number in step["iterations"])
    spent = took(step["started_at"], step["completed_at"])
    told = error_line({**step["error"], "step": None}) if step["error"] else ""
    if not told and step["choice"] is not None:
        told = f"-> {step['choice']}" if step["type"] != "compensation" else f"by {step['choice']}"
    return (
        f"{step['path']}{iteration}",
        f"{GLYPHS.get(word, '·')} {word}",
        step["attempt"],
        spent,
        told,
    )


def _statuses(whole: dict[str, Any]) -> list[str]:
    return [word_of(step) for step in whole["steps"]]


def show_logs(engine: Engine, id: str, as_json: bool, *, step: str | None, level: str | None, follow: bool) -> int:
    """The lines its steps wrote."""
    execution_id = reading.full_id(engine, id)
    lines = (
        reading.follow_logs(engine, execution_id, step, level)
        if follow
        else reading.logs(engine, execution_id, step, level)
    )
    for line in lines:
        if as_json:
            emit_json(_line_document(line), line=True)
        else:
            when = line["timestamp"].astimezone()
            place = safe(line["step"]) + "".join(f"[{number}]" for number in line["iterations"])
            emit(
                f"{when:%H:%M:%S}.{when.microsecond // 1000:03d} {line['level']:<8} {place:<20} {safe(line['message'])}"
            )
        sys.stdout.flush()
    return 0


def _line_document(line: Entry) -> dict[str, Any]:
    hidden = ("id", "iterations")
    return {key: plain(value) for key, value in line.items() if key not in hidden} | {
        "metadata": _json(line["metadata"])
    }


def _json(value: Any) -> Any:
    from durable_core.codec import encode

    return None if value is None else to_plain(encode(value))


def list_workflows(targets: list[str] | None, as_json: bool) -> int:
    """The workflows that files and modules define."""
    found = load_all(targets or (), read_settings())
    rows = [
        {
            "name": one.name,
            "description": one.doc,
            "queue": one.definition.queue,
            "steps": [node.name for node in one.definition.walk()],
            "tags": list(one.definition.tags),
            "version": one.definition.hash[:8],
            "file": one.origin.file,
            "input_schema": one.definition.input_schema,
            "schedules": [str(schedule.cron) for schedule in one.schedules],
        }
        for one in found
    ]
    if as_json:
        emit_json(rows)
    elif not rows:
        emit(
            'No workflows. Name a file, or list workflows = ["flows.py"] under [tool.durable-studio] in pyproject.toml.'
        )
    else:
        table(
            ("NAME", "STEPS", "QUEUE", "VERSION", "DESCRIPTION"),
            [
                (
                    row["name"],
                    len(row["steps"]),
                    row["queue"],
                    row["version"],
                    str(row["description"]).partition("\n")[0],
                )
                for row in rows
            ],
        )
    return 0


def moment(text: str | None, option: str) -> datetime | None:
    """A time, or how long ago: 2026-01-31T09:00:00Z, 2h, 30d."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text, option))
    except DefinitionError:
        return from_us(parse_iso(text, option))

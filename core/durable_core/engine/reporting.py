"""The page about one execution that can be kept and sent: picture, times, steps, answers, values, logs."""

from __future__ import annotations

import json
from typing import Any, Final

from durable_core.clock import from_us
from durable_core.codec import load_tree, to_plain
from durable_core.engine.surface import Surface
from durable_core.graph import build_graph, overlay_facts
from durable_core.graph.report import LOG_ROWS, STEP_ROWS, AnswerRow, LogRow, ReportData, StepRow, execution_report
from durable_core.masking import DEFAULT_MASKER
from durable_core.query import executions as queries
from durable_core.query.contexts import context_of
from durable_core.query.document import error_of, plain
from durable_core.query.entry import Entry
from durable_core.query.facts import facts_of
from durable_core.query.logs import lines_of
from durable_core.query.steps import steps_of
from durable_core.store.transaction import Transaction

_ANSWERED: Final = """
SELECT name, spec, payload, comment, answered_by, resolved_at FROM waits
WHERE execution_id = :id AND kind = 'input' AND answered_by IS NOT NULL ORDER BY resolved_at, id"""
_COUNT: Final = "SELECT count(*) FROM logs WHERE execution_id = :id"


def report_of(engine: Surface, execution_id: str) -> str:
    """The page, from one snapshot of the store; secrets are masked in it (L-4)."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        definition = engine.definitions.stored(tx, record.definition_hash)
        graph = overlay_facts(build_graph(definition), facts_of(tx, record))
        steps = steps_of(tx, execution_id, definition, record.status, read=to_plain)
        (lines,) = tx.fetch(_COUNT, {"id": execution_id})[0]
        data = ReportData(
            graph=graph,
            made_at=from_us(tx.now()),
            steps=[_step(step) for step in steps[:STEP_ROWS]],
            step_count=len(steps),
            logs=[_line(line) for line in lines_of(tx, execution_id, limit=LOG_ROWS)],
            log_count=lines,
            answers=_answers(tx, execution_id),
            input=_text(plain(record.input)),
            context=_text(to_plain(context_of(tx, record))),
            output=_text(plain(record.output)),
            error=_error(error_of(record)),
            traceback=_traceback(error_of(record)),
        )
    return execution_report(data)


def _text(value: Any) -> str:
    """A value as JSON text without secrets; nothing for nothing."""
    if value is None or value == {}:
        return ""
    return json.dumps(DEFAULT_MASKER.mask_value(value), ensure_ascii=False, indent=1)


def _error(error: dict[str, Any] | None) -> str:
    if error is None:
        return ""
    said = f"{error.get('type')}: {error.get('message')}"
    where = f" in step {error['step']}" if error.get("step") else ""
    return DEFAULT_MASKER.mask(f"{said}{where}")


def _traceback(error: dict[str, Any] | None) -> str:
    return DEFAULT_MASKER.mask(str(error.get("traceback") or "")) if error else ""


def _step(step: Entry) -> StepRow:
    error = step["error"]
    return StepRow(
        path=step["path"],
        name=f"{step['name']} by {step['handler']}" if step["handler"] else step["name"],
        type=step["type"],
        status="compensated" if step["type"] == "compensation" and step["status"] == "completed" else step["status"],
        iteration=tuple(step["iterations"]),
        attempt=step["attempt"],
        started_at=step["started_at"],
        completed_at=step["completed_at"],
        output=_text(plain(step["output"])),
        error=f"{_error(error)}\n{_traceback(error)}".rstrip() if error else "",
    )


def _line(line: Entry) -> LogRow:
    return LogRow(
        timestamp=line["timestamp"],
        level=line["level"],
        step=line["step"],
        message=line["message"],
        source=line["source"],
    )


def _answers(tx: Transaction, execution_id: str) -> list[AnswerRow]:
    found = []
    for name, spec, payload, comment, by, at in tx.fetch(_ANSWERED, {"id": execution_id}):
        asked = load_tree(spec) if spec else {}
        said = _text(to_plain(load_tree(payload))) if payload else ""
        found.append(
            AnswerRow(
                name=name,
                prompt=asked.get("prompt") or "",
                answer=f"{said}\n{DEFAULT_MASKER.mask(comment)}" if comment else said,
                by=by,
                at=None if at is None else from_us(at),
            )
        )
    return found

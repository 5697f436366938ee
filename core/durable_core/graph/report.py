"""One page about an execution that needs nothing else: picture, times, steps, answers, logs. No script at all."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from durable_core.graph.bundle import node_table
from durable_core.graph.escape import one_line, xml
from durable_core.graph.gantt import Bar, gantt
from durable_core.graph.look import status_line
from durable_core.graph.model import GraphData
from durable_core.graph.svg import to_svg
from durable_core.graph.words import lasting

STEP_ROWS: Final = 1000
LOG_ROWS: Final = 5000
CELL: Final = 2000
_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One attempt of one step."""

    path: str
    name: str
    type: str
    status: str
    iteration: tuple[int, ...] = ()
    attempt: int = 1
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: str = ""
    """As JSON text."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One log line."""

    timestamp: datetime
    level: str
    step: str
    message: str
    source: str = "logger"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One question and what was answered."""

    name: str
    prompt: str
    answer: str
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything a report shows. `graph` carries the execution's state."""

    graph: GraphData
    made_at: datetime
    steps: Sequence[StepRow] = ()
    step_count: int | None = None
    """How many there are, where `steps` does not hold them all; so, too, of logs."""
    logs: Sequence[LogRow] = ()
    log_count: int | None = None
    answers: Sequence[AnswerRow] = ()
    input: str = ""
    """As JSON text, like the next two."""
    context: str = ""
    output: str = ""
    error: str = ""
    traceback: str = ""


def execution_report(data: ReportData) -> str:
    """The page of an execution."""
    graph = data.graph
    name = f"{graph.name} · {graph.metadata.get('execution_id', '')}"
    parts = [
        f"<p class=muted>Made {_time(data.made_at)}. {xml(status_line(graph))}.</p>",
        _note(data.error, data.traceback),
        f"<figure>{to_svg(graph)}</figure>",
        _section("Times", gantt([_bar(step) for step in data.steps[:STEP_ROWS]], data.made_at)),
        _section("Steps", _steps(data)),
        _section("Answers", _answers(data.answers)),
        _section("Values", _values(data)),
        _section("Logs", _logs(data)),
    ]
    return page(name, "".join(parts))


def graph_page(graph: GraphData) -> str:
    """The page of a graph alone."""
    return page(graph.name, f"<figure>{to_svg(graph)}</figure>{_section('Nodes', node_table(graph, 1000))}")


def page(title: str, body: str) -> str:
    """A page whose policy allows its own style sheets, by hash, and nothing else."""
    styles = [_CSS, *(found[1] for found in _STYLE.finditer(body))]
    hashes = " ".join(dict.fromkeys(f"'sha256-{_hash(style)}'" for style in styles))
    policy = f"default-src 'none'; style-src {hashes}; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{xml(title)}</title><style>{_CSS}</style></head>\n"
        f"<body><main><h1>{xml(title)}</h1>{body}</main></body></html>\n"
    )


def _hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{title}</h2>{inside}</section>" if inside else ""


def _note(error: str, traceback: str) -> str:
    more = f"<details><summary>Traceback</summary><pre>{_block(traceback)}</pre></details>" if traceback else ""
    return f"<pre class=bad>{_block(error)}</pre>{more}" if error else ""


def _block(text: str) -> str:
    """Text of several lines, each made harmless."""
    cut = text[: 20 * CELL]
    lines = "\n".join(xml(line, CELL) for line in cut.splitlines())
    return lines + ("\n…" if len(text) > len(cut) else "")


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(sep=" ", timespec="milliseconds")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>" if body else ""


def _more(shown: int, count: int, what: str) -> str:
    return f"<p class=muted>{count - shown} more {what} are not shown.</p>" if count > shown else ""


def _spent(step: StepRow) -> str:
    if step.started_at is None or step.completed_at is None:
        return ""
    return lasting((step.completed_at - step.started_at).total_seconds())


def _bar(step: StepRow) -> Bar:
    label = step.name + "".join(f"[{number}]" for number in step.iteration)
    return Bar(label, step.status, step.started_at, step.completed_at)


def _steps(data: ReportData) -> str:
    steps = data.steps[:STEP_ROWS]
    rows = (
        (
            xml(step.name),
            xml(step.path),
            ", ".join(str(number) for number in step.iteration),
            str(step.attempt),
            xml(step.status),
            _time(step.started_at),
            _spent(step),
            f"<details><summary>{xml(one_line(step.error or step.output, 60))}</summary>"
            f"<pre>{_block(step.error or step.output)}</pre></details>"
            if step.error or step.output
            else "",
        )
        for step in steps
    )
    heads = ("Step", "Path", "Iteration", "Attempt", "Status", "Started", "Took", "Output or error")
    return _table(heads, rows) + _more(len(steps), data.step_count or len(data.steps), "attempts")


def _answers(answers: Sequence[AnswerRow]) -> str:
    rows = (
        (xml(one.name), xml(one.prompt, CELL), f"<pre>{_block(one.answer)}</pre>", xml(one.by), _time(one.at))
        for one in answers
    )
    return _table(("Question", "Prompt", "Answer", "By", "At"), rows)


def _values(data: ReportData) -> str:
    values = (("Input", data.input), ("Context", data.context), ("Output", data.output))
    return "".join(
        f"<details><summary>{name}</summary><pre>{_block(text)}</pre></details>" for name, text in values if text
    )


def _logs(data: ReportData) -> str:
    logs = data.logs[:LOG_ROWS]
    rows = (
        (_time(line.timestamp), xml(line.level), xml(line.step), f"<code>{xml(line.message, CELL)}</code>")
        for line in logs
    )
    return _table(("Time", "Level", "Step", "Message"), rows) + _more(
        len(logs), data.log_count or len(data.logs), "lines"
    )


_CSS: Final = (
    ":root{color-scheme:light dark;--bg:#fbfcfd;--ink:#17202b;--ink2:#525e6d;--line:#d9dfe6;--bad:#ad1730}"
    "@media (prefers-color-scheme:dark){:root{--bg:#0e131a;--ink:#e8edf4;--ink2:#a5b1c0;--line:#27313d;--bad:#ff939d}}"
    "body{margin:0;background:var(--bg);color:var(--ink);"
    "font:14px/1.5 ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    "main{max-width:1160px;margin:0 auto;padding:24px 28px}h1{font-size:20px;margin:0}"
    "h2{font-size:15px;margin:28px 0 8px}"
    ".muted{color:var(--ink2)}.bad{color:var(--bad)}figure{margin:16px 0;overflow-x:auto}figure svg{max-width:100%;"
    "height:auto}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid var(--line)}"
    "th{color:var(--ink2);font-weight:600}"
    "pre,code{font:12px/1.45 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;"
    "overflow-wrap:anywhere;margin:0}summary{cursor:pointer}"
)

"""Following one execution: what is new since the last look, handed to whatever shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from durable_core.engine import reading
from durable_core.errors import InvalidStateError
from durable_core.query.document import step_document
from durable_core.query.entry import Entry
from durable_core.query.executions import ExecutionRecord
from durable_core.status import TERMINAL, ExecutionStatus
from durable_studio.command.output import GLYPHS, emit, emit_json, error_line, paint, quoted, safe, shown_value, span

if TYPE_CHECKING:
    from durable_core.bus.messages import Message
    from durable_core.engine.engine import Engine

LOOK_SECONDS: Final = 0.1
"""How often another process's progress is looked for; this process's own is told at once."""

_QUIET: Final = frozenset({"loop"})
"""Types of rows that tell people nothing: each test of a loop's condition is one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The execution now, what was recorded since the last look, and where it stands."""

    record: ExecutionRecord
    recorded: list[Entry]
    standing: list[Entry]
    changed: bool = True
    """Whether anything of it is new; what it calls may have moved all the same."""

    @property
    def ended(self) -> bool:
        return ExecutionStatus(self.record.status) in TERMINAL


class Show(Protocol):
    """Shows progress; a live picture of the graph is another one of these."""

    def update(self, progress: Progress) -> None: ...

    def rest(self) -> None:
        """Leave the terminal to somebody else until the next update."""

    def close(self) -> None: ...


class Standing(Protocol):
    """An execution as far as leaving it goes: a record, or a view."""

    @property
    def id(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def flags(self) -> tuple[str, ...]: ...


Leave = Callable[[Standing, Callable[[], None]], bool]
"""Told where an execution stands and how to have the terminal for itself; whether to stay with it no longer."""


def follow(engine: Engine, execution_id: str) -> Iterator[Progress]:
    """The execution at every change, and now and then without one, until it has ended.

    InvalidStateError when it is blocked.
    """
    changed = threading.Event()

    def hear(message: Message) -> None:
        changed.set()

    stop = engine.bus.subscribe(hear, execution_id)
    seq, seen = 0, None
    try:
        while True:
            changed.clear()
            record, recorded, standing = reading.steps_since(engine, execution_id, seq)
            if (record.revision, record.status) == seen:
                yield Progress(record, [], standing, changed=False)
            else:
                seen = (record.revision, record.status)
                seq = max([seq, *(step["seq"] for step in recorded)])
                progress = Progress(record, recorded, standing)
                yield progress
                if progress.ended:
                    return
                if record.blocked:
                    raise InvalidStateError(
                        f"Execution {execution_id} is blocked: {record.reason}",
                        state="blocked",
                        hint=f"See: durable-studio status {execution_id}",
                    )
            changed.wait(LOOK_SECONDS)
    finally:
        stop()


def watch(engine: Engine, execution_id: str, show: Show, leave: Leave | None = None) -> ExecutionRecord:
    """Show the execution until it has ended, or `leave` says that there is nothing more to see."""
    record = None
    try:
        for progress in follow(engine, execution_id):
            record = progress.record
            if progress.changed:
                show.update(progress)
            if leave is not None and not progress.ended and leave(record, show.rest):
                break
    finally:
        show.close()
    assert record is not None
    return record


class Lines:
    """One line for each finished attempt and for each wait that begins."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._waiting: set[tuple[Any, ...]] = set()

    def update(self, progress: Progress) -> None:
        if self.quiet:
            return
        for step in progress.recorded:
            if step["type"] not in _QUIET:
                emit(step_line(step))
        for step in progress.standing:
            place = (step["path"], *step["iterations"], step["pass_number"])
            if step["status"] == "waiting" and place not in self._waiting:
                self._waiting.add(place)
                emit(step_line(step) + hint_for(progress.record.id, step))

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


class JsonLines:
    """One JSON line for each finished attempt, and for each change of status."""

    def __init__(self) -> None:
        self._status = ""

    def update(self, progress: Progress) -> None:
        for step in progress.recorded:
            emit_json({"event": "step", "id": progress.record.id, **step_document(step)}, line=True)
        if progress.record.status != self._status:
            self._status = progress.record.status
            current = [step["name"] for step in progress.standing if not step["joining"]]
            facts = {"id": progress.record.id, "status": self._status, "current_steps": current}
            emit_json({"event": "status", **facts}, line=True)

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


def step_line(step: Entry, *, name_width: int = 28) -> str:
    """One attempt in one line: glyph, status, name, time, and what there is to say."""
    word = word_of(step)
    return paint(f"{GLYPHS.get(word, '·')} {word:<11}", word) + " " + _rest(step, name_width)


def word_of(step: Mapping[str, Any]) -> str:
    """The attempt's status; a handler that has run is told from its step."""
    return "compensated" if step["type"] == "compensation" and step["status"] == "completed" else str(step["status"])


def _rest(step: Entry, name_width: int) -> str:
    name = step_name(step)
    spent = "" if step["duration_ms"] is None else span(step["duration_ms"] / 1000)
    return f"{name:<{name_width}} {spent:>6}  {told_of(step)}".rstrip()


def step_name(step: Entry) -> str:
    """The step's name with its iteration and, from the second on, its attempt."""
    iteration = "".join(f"[{number}]" for number in step["iterations"])
    attempt = f" attempt {step['attempt']}" if step["attempt"] > 1 else ""
    handler = f" by {step['handler']}" if step["handler"] else ""
    return safe(f"{step['name']}{iteration}{handler}{attempt}", 120)


def told_of(step: Entry) -> str:
    """Its failure, the branch it chose, or when it goes on."""
    if step["error"]:
        return error_line({**step["error"], "step": None})
    if step["choice"] is not None and step["type"] in ("decision", "switch"):
        return f"-> {safe(step['choice'], 80)}"
    if step["due_at"] is not None:
        return f"until {step['due_at'].astimezone():%Y-%m-%d %H:%M:%S}"
    if step["type"] == "step" and isinstance(step["output"], str | int | float):
        return shown_value(step["output"], 60)
    return ""


def hint_for(execution_id: str, step: Entry) -> str:
    """How a wait for somebody is answered."""
    match step["type"]:
        case "input":
            return f"  answer: durable-studio inputs answer {execution_id} {quoted(step['name'])} VALUE"
        case "event":
            return f"  see what it waits for: durable-studio explain {execution_id}"  # a node's name is no event's
        case _:
            return ""

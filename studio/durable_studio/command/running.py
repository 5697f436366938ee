"""``run`` and ``watch``: begin an execution (or pick one up), and stay with it until it has ended."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer

from durable_core.codec import encode
from durable_core.definition.nodes import WorkNode
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.engine import reading
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionExistsError, InputValidationError, InvalidStateError
from durable_core.ids import check_id
from durable_core.query.document import error_of
from durable_core.query.executions import ExecutionRecord
from durable_core.status import TERMINAL, ExecutionStatus
from durable_studio.command.asking import can_ask
from durable_studio.command.attending import Attended
from durable_studio.command.given import parse_json, read_given
from durable_studio.command.output import (
    INTERRUPTED,
    complain,
    emit,
    emit_json,
    error_line,
    json_alone,
    paint,
    safe,
    shown_value,
    span,
    status_text,
)
from durable_studio.command.watching import JsonLines, Lines, Show, watch
from durable_studio.discovery import find_workflow

if TYPE_CHECKING:
    from types import FrameType

CONCURRENCY: Final = 100
GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Looks:
    """How an execution is shown: one line for each step instead of a picture, and without box characters."""

    plain: bool = False
    ascii: bool = False


DEFAULT_LOOKS: Final = Looks()


def run(
    url: str | None,
    target: str,
    given: str | None,
    *,
    id: str | None,
    as_json: bool,
    watching: bool,
    detach: bool,
    looks: Looks = DEFAULT_LOOKS,
) -> int:
    """Run a workflow to its end in this process; 1 when it did not complete."""
    with json_alone() if as_json else contextlib.nullcontext():
        # Everything that can be wrong with what was typed is found before the store is opened.
        workflow = find_workflow(target)
        values = read_input(given)
        encode(workflow.validate_input({} if values is None else values))
        if id is not None:
            check_id(id)
        live = not as_json and not looks.plain and sys.stdout.isatty()
        engine = Engine(url, worker=False, passthrough=not live)
        with _closing(engine), _terminated_like_interrupted():
            begun = _existing(engine, workflow, id)
            if begun is None and detach:
                begun = _start(engine, workflow, values, id)
            if detach:
                assert begun is not None
                emit_json({"id": begun, "status": "pending"}) if as_json else emit(begun)
                return 0
            if begun is not None:
                record = engine.get_execution(begun).record()
                _say_picked_up(record, given)
                if ExecutionStatus(record.status) in TERMINAL:
                    return _tell_end(engine, record, as_json, streamed=False)
                if record.paused:
                    raise InvalidStateError(
                        f"Execution {begun} is paused.",
                        state="paused",
                        hint=f"Let it go on: durable-studio resume {begun}",
                    )
            engine.start_worker(queues_of_all())
            if begun is None:
                begun = _start(engine, workflow, values, id)
            again = f"durable-studio run {target} --id {begun}"
            attended = Attended(engine, asking=can_ask() and not as_json)
            return stay_with(
                engine, begun, as_json=as_json, watching=watching, again=again, looks=looks, attended=attended
            )


def stay_with(
    engine: Engine,
    execution_id: str,
    *,
    as_json: bool,
    watching: bool,
    again: str = "",
    looks: Looks = DEFAULT_LOOKS,
    attended: Attended | None = None,
) -> int:
    """Show an execution until it has ended, or `attended` says that nobody is there for what it waits for.

    1 when it did not complete; 0 when it waits.
    """
    try:
        if watching and not as_json and not looks.plain and sys.stdout.isatty():
            from durable_studio.command.picture import show_picture

            record = show_picture(engine, execution_id, attended, ascii=looks.ascii)
        else:
            record = watch(engine, execution_id, _show(as_json, watching, looks), attended)
    except KeyboardInterrupt:
        more = f" It goes on with: {again}" if again else ""
        complain(f"stopped watching {execution_id}.{more}")
        return INTERRUPTED
    if attended is not None and attended.waits:
        return _tell_waits(engine, record, attended, as_json, again, streamed=as_json and watching)
    return _tell_end(engine, record, as_json, streamed=as_json and watching)


def _tell_waits(
    engine: Engine, record: ExecutionRecord, attended: Attended, as_json: bool, again: str, *, streamed: bool
) -> int:
    """It rests at an open wait, which is a good end of this process's part (exit code 0): what helps it on."""
    if as_json:
        emit_json(reading.describe(engine, record.id), line=streamed)
        return 0
    emit(paint(status_text(record.status), record.status) + f"  {safe(record.workflow)} {safe(record.id)}")
    for line in attended.told():
        emit(f"  {line}")
    emit(f"  then go on: {safe(again)}")
    return 0


def read_input(given: str | None) -> dict[str, Any] | None:
    """The input that `--input` means."""
    return read_object(given, "--input")


def read_object(given: str | None, option: str) -> dict[str, Any] | None:
    """The JSON object that an option means: written out, @file or - for stdin; None when it was left out."""
    what = option.lstrip("-")
    if given is None:
        return None
    where = option
    if given == "-":
        where = f"the {what} on stdin"
    elif given.startswith("@"):
        where = f"the {what} file {given[1:]}"
    text = read_given(given, where, what, hint="Check the path.")
    value = parse_json(text, where, what, hint='Write e.g. \'{"name": "value"}\'.')
    if not isinstance(value, dict):
        kind = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}.get(
            type(value), "a number"
        )
        raise InputValidationError(
            f"{where} must be a JSON object, not {kind}.",
            errors={what: ["must be an object"]},
            hint='Write e.g. \'{"name": "value"}\'.',
        )
    return value


def queues_of_all() -> dict[str, int]:
    """Every queue that a registered workflow uses: this process is the only worker it may count on."""
    names = {"default"}
    for one in registry.workflows():
        names.add(one.definition.queue)
        names.update(node.queue for node in one.definition.walk() if isinstance(node, WorkNode) and node.queue)
    return dict.fromkeys(sorted(names), CONCURRENCY)


def _start(engine: Engine, workflow: Workflow, values: dict[str, Any] | None, id: str | None) -> str:
    try:
        return engine.start(workflow, values, id=id).id
    except ExecutionExistsError:
        if id is not None and _existing(engine, workflow, id) is not None:
            return id  # another process was faster: it is the same execution
        raise


def _existing(engine: Engine, workflow: Workflow, id: str | None) -> str | None:
    if id is None:
        return None
    with engine.database.read() as tx:
        row = tx.fetch_one("SELECT workflow FROM executions WHERE id = :id", {"id": id})
    if row is None:
        return None
    if row[0] != workflow.name:
        raise ExecutionExistsError(
            f"Execution {id!r} is one of workflow {row[0]!r}, not of {workflow.name!r}.",
            execution_id=id,
            hint="Choose another --id.",
        )
    return id


def _say_picked_up(record: ExecutionRecord, given: str | None) -> None:
    """On stderr, so that what the run prints stays the same."""
    ended = ExecutionStatus(record.status) in TERMINAL
    where = f"is {record.status} already" if ended else f"is {record.status}; going on where it was"
    ignored = " (--input is ignored: it keeps the one it was started with)" if given is not None else ""
    print(f"{safe(record.id)} {where}{ignored}", file=sys.stderr)


def _show(as_json: bool, watching: bool, looks: Looks) -> Show:
    if as_json:
        return JsonLines() if watching else Lines(quiet=True)
    if sys.stdout.isatty() and not looks.plain and not looks.ascii:
        from durable_studio.command.live import LiveList  # rich costs more than everything else together

        return LiveList()
    return Lines()


def _tell_end(engine: Engine, record: ExecutionRecord, as_json: bool, *, streamed: bool) -> int:
    completed = record.status == ExecutionStatus.COMPLETED
    error = error_of(record)
    if as_json:
        emit_json(reading.describe(engine, record.id), line=streamed)
    else:
        spent = ""
        if record.started_at is not None and record.completed_at is not None:
            spent = f" in {span((record.completed_at - record.started_at) / 1_000_000)}"
        emit(paint(status_text(record.status), record.status) + f"  {safe(record.workflow)} {safe(record.id)}{spent}")
        if completed and record.output is not None:
            emit(shown_value(reading.describe(engine, record.id)["output"]))
    if completed:
        return 0
    told = f": {error_line(error)}" if error else f": {record.reason}" if record.reason else ""
    retry = f" Go on from there: durable-studio retry {record.id}" if record.status.endswith("failed") else ""
    complain(f"{record.workflow} {record.id} ended {record.status}{told}{'.' if retry else ''}{retry}")
    return 1


@contextlib.contextmanager
def _closing(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.close(grace=GRACE_SECONDS)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: leases are handed back, and no crash is counted (E-4)."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def watch_command(
    ctx: typer.Context,
    db: str | None,
    id: str,
    as_json: bool,
    looks: Looks = DEFAULT_LOOKS,
) -> int:
    """Follow an execution that another process runs."""
    from durable_studio.command.options import client

    with client(ctx, db) as engine:
        return stay_with(engine, reading.full_id(engine, id), as_json=as_json, watching=True, looks=looks)

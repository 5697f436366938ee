"""``inputs list``, ``inputs answer`` and ``event``: what executions wait for from outside, and giving it to them."""

from __future__ import annotations

import getpass
import json
import shlex
from datetime import timedelta
from typing import Any

from durable_core.codec import to_plain
from durable_core.durations import parse_duration
from durable_core.engine import reading
from durable_core.engine.engine import Engine
from durable_core.errors import InputValidationError
from durable_core.query.document import plain
from durable_core.query.entry import Entry
from durable_core.wait.answers import ANSWER
from durable_core.wait.form_model import FieldModel, FormModel
from durable_studio.command.given import parse_json, read_given
from durable_studio.command.output import ago, emit, emit_json, quoted, safe, table
from durable_studio.discovery import load_all
from durable_studio.settings import read_settings

THROUGH = "command"
"""What the record says about how an answer came."""


def list_inputs(
    engine: Engine,
    as_json: bool,
    *,
    workflow: str | None,
    type: str | None,
    older_than: str | None,
    limit: int,
    after: str | None,
) -> int:
    """Every open question, longest waiting first."""
    age = None if older_than is None else timedelta(seconds=parse_duration(older_than, "--older-than"))
    found = engine.list_pending_inputs(workflow, type, age, limit, after)
    if as_json:
        emit_json([_document(each) for each in found])
        return 0
    if not found:
        emit("No open questions.")
        return 0
    table(
        ("ID", "NAME", "TYPE", "WORKFLOW", "ASKED", "PROMPT"),
        [
            (
                each["execution_id"],
                each["name"],
                each["type"],
                each["workflow"],
                ago(plain(each["created_at"])),
                each["prompt"],
            )
            for each in found
        ],
    )
    emit(f"Answer one: durable-studio inputs answer {safe(found[0]['execution_id'])} {quoted(found[0]['name'])} VALUE")
    return 0


def answer(
    engine: Engine, id: str, name: str, given: str, as_json: bool, *, by: str | None, comment: str | None
) -> int:
    """Answer one open question."""
    execution_id = reading.full_id(engine, id)
    question = question_of(engine, execution_id, name)
    if question is not None and question["schema"]:
        load_all((), read_settings())  # its model judges more than its fields can
    value = _value(question, given)
    if comment is not None:
        decision = value["decision"] if isinstance(value, dict) and "decision" in value else value
        value = {"decision": decision, "comment": comment}
    accepted = give(engine, execution_id, name, value, by=by)
    record = engine.get_execution(execution_id).record()
    if as_json:
        facts = {"id": execution_id, "workflow": record.workflow, "name": name, "status": record.status}
        emit_json({**facts, "value": to_plain(accepted)})
    else:
        emit(f"answered {safe(name)} of {safe(record.workflow)} {safe(execution_id)}")
    return 0


def give(engine: Engine, execution_id: str, name: str, value: Any, *, by: str | None = None) -> Any:
    """Send an answer, in the name of whoever is logged in unless told otherwise."""
    return engine.provide_input(execution_id, name, value, by=by or _user(), through=THROUGH)


def question_of(engine: Engine, execution_id: str, name: str) -> Entry | None:
    """The open question of that name, if there is one."""
    for each in reading.pending_inputs(engine, execution_id):
        if each["name"] == name:
            return each
    return None


def form_of(question: Entry) -> FormModel:
    """The question as screens draw it."""
    spec = {key: question[key] for key in ("type", "prompt", "fields", "choices")}
    return FormModel.from_spec(question["name"], spec, execution_id=question["execution_id"])


def sample_of(question: Entry) -> str:
    """What to type for VALUE: an answer as it could be, quoted for a shell."""
    form = form_of(question)
    options = [option.text for option in form.fields[0].options] if form.fields else []
    match form.type:
        case "form":
            whole = {field.name: field.default or _placeholder(field) for field in form.fields}
            return shlex.quote(safe(json.dumps(whole)))
        case "multi_choice" if options:
            return shlex.quote(safe(",".join(options[:2])))
        case "approval" | "single_choice" if options:
            return shlex.quote(safe(options[0]))
        case _:
            return "VALUE"


def send_event(engine: Engine, name: str, given: str | None, as_json: bool, *, to: str | None, **options: Any) -> int:
    """Send an event, and say how many waits it met."""
    payload = None if given is None else _json(read_text(given, "the payload"), "the payload")
    keep_for = options.pop("keep_for")
    kept = None if keep_for is None else parse_duration(keep_for, "--keep-for")
    execution_id = None if to is None else reading.full_id(engine, to)
    satisfied = engine.send_event(name, payload, execution_id=execution_id, keep_for=kept, **options)
    if as_json:
        emit_json({"name": name, "to": execution_id, "satisfied": satisfied})
    elif satisfied:
        emit(f"sent {safe(name)}: {satisfied} wait{'' if satisfied == 1 else 's'} satisfied")
    elif execution_id is not None:
        emit(f"sent {safe(name)}: it is in the inbox of {safe(execution_id)} until it waits for it")
    else:
        kept_text = "it is kept for later ones" if kept else "nothing is kept (see --keep-for)"
        emit(f"sent {safe(name)}: no execution waits for it now; {kept_text}")
    return 0


def read_text(given: str, what: str) -> str:
    """The text itself, of @file, or of stdin for -."""
    return read_given(given, f"{what} {given[1:]}", "value")


def _value(question: Entry | None, given: str) -> Any:
    """What a text means as the answer to a question: JSON where the question needs it, else the text itself."""
    text = read_text(given, "the answer")
    kind = "free_text" if question is None else question["type"]
    if kind == "form":
        value = _json(text, "the answer to a form")
        if not isinstance(value, dict):
            raise InputValidationError(
                "the answer to a form must be a JSON object.",
                errors={ANSWER: ["must be an object"]},
                hint=f"Its fields are: {', '.join(_names(question))}.",
            )
        return value
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = text
    match kind:
        case "approval":
            return parsed if isinstance(parsed, dict) else text.strip()
        case "multi_choice":
            found = parsed if isinstance(parsed, list) else [part.strip() for part in text.split(",") if part.strip()]
            return found
        case "single_choice":
            offered = [] if question is None else [to_plain(each) for each in question["choices"]]
            return parsed if any(parsed == each and type(parsed) is type(each) for each in offered) else text
        case _:
            # a screen's text stays text; quotes, lists and objects are meant as JSON
            return parsed if isinstance(parsed, str | dict | list) else text


def _placeholder(field: FieldModel) -> Any:
    texts = [option.text for option in field.options]
    if field.type == "multiselect":
        return texts[:2]
    return texts[0] if texts else field.type.upper()


def _names(question: Entry | None) -> list[str]:
    return [] if question is None else [field.name for field in form_of(question).fields]


def _json(text: str, what: str) -> Any:
    return parse_json(text, what, "value", hint='Write e.g. \'{"key": "value"}\'.')


def _document(question: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = plain(dict(question))
    facts["choices"] = to_plain(facts["choices"])
    facts["fields"] = to_plain(facts["fields"])
    return facts


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return None

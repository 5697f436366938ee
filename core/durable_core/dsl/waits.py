"""Waits as nodes of a flow. Inside a step's body the same waits are methods of ctx."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from durable_core.codec.registry import is_model, register_type, type_name
from durable_core.definition.checks import check_choice, check_name, check_seconds, check_timeout_options, fault
from durable_core.definition.nodes import (
    EventNode,
    InputNode,
    InputType,
    Json,
    OnTimeout,
    SleepNode,
    Source,
    TimeoutRule,
)
from durable_core.dsl.constants import encode_constant
from durable_core.dsl.element import Element, FlowPart
from durable_core.dsl.forms import FormField, fields_of_model
from durable_core.dsl.functions import check_function, function_name
from durable_core.dsl.guard import builder
from durable_core.durations import from_parts

__all__ = [
    "FILTER_OPS",
    "check_where",
    "input_options",
    "sleep_for",
    "sleep_until",
    "timeout_rule",
    "wait_for_all",
    "wait_for_any",
    "wait_for_event",
    "wait_for_input",
]

FILTER_OPS = ("eq", "ne", "gt", "ge", "lt", "le", "in", "exists")


def timeout_rule(timeout: float | timedelta | None, value: Any, on_timeout: object, where: str) -> TimeoutRule:
    """When a wait gives up, and what happens then."""
    check_timeout_options(timeout, value, on_timeout, where)
    return TimeoutRule(
        seconds=check_seconds(timeout, "timeout", where, zero=True),
        value=encode_constant(value, "timeout_value", where),
        on_timeout=on_timeout,  # type: ignore[arg-type]  # checked above
    )


def _names(kind: str, name: object, label: object, default: str) -> tuple[str, str, str | None]:
    """Name, what messages call the node, and label, checked."""
    found = check_name(default if name is None else name, kind)
    where = kind if name is None else f"{kind} {name!r}"
    return found, where, None if label is None else check_name(label, where, "label")


@builder("Call ctx.sleep_for(...) there instead.")
def sleep_for(
    seconds: float | timedelta | None = None,
    /,
    *,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
    name: str | None = None,
    label: str | None = None,
) -> Element:
    """Sleep for a duration, never shorter; nothing is held meanwhile."""
    name, where, label = _names("sleep_for", name, label, "sleep")
    if seconds is None and not any((minutes, hours, days, weeks)):
        raise fault(
            where, "it has no duration", "Write sleep_for(30), sleep_for(hours=24) or sleep_for(timedelta(...))."
        )
    total = from_parts(where, 0 if seconds is None else seconds, minutes=minutes, hours=hours, days=days, weeks=weeks)
    return Element(node=SleepNode(id="", path="", name=name, label=label, seconds=total))


@builder("Call ctx.sleep_until(...) there instead.")
def sleep_until(
    time: datetime | Callable[..., Any], /, *, name: str | None = None, label: str | None = None
) -> Element:
    """Sleep until a time: a datetime with a time zone, or a function of ctx that gives one."""
    name, where, label = _names("sleep_until", name, label, "sleep")
    if isinstance(time, datetime):
        if time.tzinfo is None or time.utcoffset() is None:
            raise fault(where, f"{time!r} has no time zone", "Write e.g. datetime(..., tzinfo=timezone.utc).")
        until = Source(kind="constant", value=encode_constant(time, "the time", where))
        return Element(node=SleepNode(id="", path="", name=name, label=label, until=until))
    if isinstance(time, FlowPart) or not callable(time):
        raise fault(
            where,
            f"the time must be a datetime or a function of ctx, got {time!r}",
            'Write sleep_until(lambda ctx: ctx["due"]).',
        )
    check_function(time, "the time", where)
    until = Source(kind="function", name=function_name(time))
    return Element(node=SleepNode(id="", path="", name=name, label=label, until=until), functions={"until": time})


@builder("Call ctx.wait_for_event(...) there instead.")
def wait_for_event(
    event: str,
    /,
    *,
    timeout: float | timedelta | None = None,
    timeout_value: Any = None,
    on_timeout: OnTimeout = "resume",
    where: Mapping[str, Any] | None = None,
    name: str | None = None,
    label: str | None = None,
) -> Element:
    """Wait for an event; its payload is stored under the name, which is the event's own unless given."""
    check_name(event, "wait_for_event", "event")
    return _events("one", (event,), timeout, timeout_value, on_timeout, where, name or event, label)


@builder("Call ctx.wait_for_any([...]) there instead.")
def wait_for_any(
    events: Sequence[str],
    /,
    *,
    timeout: float | timedelta | None = None,
    timeout_value: Any = None,
    on_timeout: OnTimeout = "resume",
    where: Mapping[str, Any] | None = None,
    name: str | None = None,
    label: str | None = None,
) -> Element:
    """Wait for the first of several events: ``{"event": name, "payload": ...}``."""
    return _events("any", events, timeout, timeout_value, on_timeout, where, name, label)


@builder("Call ctx.wait_for_all([...]) there instead.")
def wait_for_all(
    events: Sequence[str],
    /,
    *,
    timeout: float | timedelta | None = None,
    timeout_value: Any = None,
    on_timeout: OnTimeout = "resume",
    where: Mapping[str, Any] | None = None,
    name: str | None = None,
    label: str | None = None,
) -> Element:
    """Wait for all of several events: ``{name: payload}``."""
    return _events("all", events, timeout, timeout_value, on_timeout, where, name, label)


def _events(
    mode: Literal["one", "any", "all"],
    events: Sequence[str],
    timeout: float | timedelta | None,
    timeout_value: Any,
    on_timeout: OnTimeout,
    where: Mapping[str, Any] | None,
    name: str | None,
    label: str | None,
) -> Element:
    kind = {"one": "wait_for_event", "any": "wait_for_any", "all": "wait_for_all"}[mode]
    name, place, label = _names(kind, name, label, kind)
    if isinstance(events, str) or not isinstance(events, Iterable):
        raise fault(place, f"the events must be a list of names, got {events!r}", 'Write e.g. ["paid", "cancelled"].')
    names = tuple(check_name(event, place, "event") for event in events)
    if not names:
        raise fault(place, "it waits for nothing", 'Name the events, e.g. ["paid", "cancelled"].')
    for event in names:
        if names.count(event) > 1:
            raise fault(place, f"it names the event {event!r} twice", "Name each event once.")
    return Element(
        node=EventNode(
            id="",
            path="",
            name=name,
            label=label,
            events=names,
            mode=mode,
            timeout=timeout_rule(timeout, timeout_value, on_timeout, place),
            where=check_where(where, place),
        )
    )


def check_where(where: object, place: str) -> Json:
    """The filter of an event wait as data: ``{path: value}`` or ``{path: {"op": ..., "value": ...}}``, encoded."""
    if where is None:
        return None
    if not isinstance(where, Mapping):
        raise fault(place, f"where must be a mapping, got {where!r}", 'It is data: {"order_id": "$order_id"}.')
    for path, wanted in where.items():
        if not isinstance(path, str) or not path:
            raise fault(place, f"where has the path {path!r}", "A path is a string like order.id.")
        if isinstance(wanted, Mapping) and "op" in wanted:
            _check_filter(path, wanted, place)
        elif callable(wanted):
            raise fault(place, f"where[{path!r}] is a function", 'It is data; "$key" refers to the context.')
    return encode_constant(dict(where), "where", place)


def _check_filter(path: str, wanted: Mapping[str, Any], place: str) -> None:
    option = f"where[{path!r}]"
    check_choice(wanted["op"], FILTER_OPS, f"{option} op", place)
    extra = sorted(str(key) for key in wanted if key not in ("op", "value"))
    if extra:
        raise fault(place, f"{option} has {', '.join(extra)}", 'Write {"op": "gt", "value": 3}.')
    value = wanted.get("value")
    if wanted["op"] == "exists":
        if not isinstance(wanted.get("value", True), bool):
            raise fault(place, f"{option}: exists takes True or False, got {value!r}")
    elif "value" not in wanted:
        raise fault(place, f"{option} has no value to compare with", 'Write {"op": "gt", "value": 3}.')
    elif wanted["op"] == "in" and not (
        isinstance(value, list | tuple | set | frozenset) or (isinstance(value, str) and value.startswith("$"))
    ):
        raise fault(place, f"{option}: in takes a list, got {value!r}", 'Or "$key" of a list in the context.')


@builder("Call ctx.wait_for_input(name, ...) there instead.")
def wait_for_input(
    name: str,
    /,
    *,
    type: InputType | None = None,
    prompt: str = "",
    fields: Sequence[FormField] | None = None,
    choices: Sequence[Any] | None = None,
    schema: type[Any] | None = None,
    timeout: float | timedelta | None = None,
    timeout_value: Any = None,
    on_timeout: OnTimeout = "resume",
    label: str | None = None,
) -> Element:
    """Wait for a person's answer; it is stored under the name."""
    check_name(name, "wait_for_input")
    place = f"wait_for_input {name!r}"
    kind, shown, offered, model = input_options(place, type, fields, choices, schema)
    if not isinstance(prompt, str):
        raise fault(place, f"prompt must be a string, got {prompt!r}")
    return Element(
        node=InputNode(
            id="",
            path="",
            name=name,
            label=None if label is None else check_name(label, place, "label"),
            input_type=kind,
            prompt=prompt,
            fields=shown,
            choices=offered,
            schema=model,
            timeout=timeout_rule(timeout, timeout_value, on_timeout, place),
        ),
        functions={} if schema is None else {"schema": schema},
    )


def input_options(
    place: str,
    type: InputType | None,
    fields: Sequence[FormField] | None,
    choices: Sequence[Any] | None,
    schema: type[Any] | None,
) -> tuple[InputType, tuple[Json, ...], tuple[Json, ...], str | None]:
    """Checked: the type (found when left out), the form's fields as data, the encoded choices, the schema's name."""
    if type is None:
        found: InputType = "form" if fields is not None or schema is not None else "free_text"
        found = "single_choice" if choices is not None and found != "form" else found
    else:
        check_choice(type, get_args(InputType), "type", place)
        found = type
    if found != "form" and (fields is not None or schema is not None):
        raise fault(place, f"type={found!r} takes no fields and no schema", 'Use type="form".')
    if found not in ("single_choice", "multi_choice") and choices is not None:
        raise fault(place, f"type={found!r} takes no choices", 'Use type="single_choice" or "multi_choice".')
    if found == "form":
        shown = _form(place, fields, schema)
        # Known by its name from here on: an answer that comes to this process is judged by the model itself (W-7).
        return "form", shown, (), None if schema is None else type_name(register_type(schema))
    if found in ("single_choice", "multi_choice"):
        if isinstance(choices, str) or not isinstance(choices, Iterable) or not (listed := list(choices)):
            raise fault(place, f"type={found!r} needs choices", 'Write choices=["yes", "no"].')
        encoded = tuple(encode_constant(choice, "a choice", place) for choice in listed)
        for n, choice in enumerate(encoded):
            if any(other == choice and other.__class__ is choice.__class__ for other in encoded[:n]):
                raise fault(place, f"the choice {choice!r} is there twice", "Give each choice once.")
        return found, (), encoded, None
    return found, (), (), None


def _form(place: str, fields: Sequence[FormField] | None, schema: type[Any] | None) -> tuple[Json, ...]:
    if schema is not None:
        if fields is not None:
            raise fault(place, "a schema brings its own fields", "Give either schema or fields.")
        if not (isinstance(schema, type) and is_model(schema)):
            raise fault(place, f"schema must be a pydantic model, got {schema!r}", "Or list the fields as FormField.")
        fields = fields_of_model(schema)
    if isinstance(fields, str) or not isinstance(fields, Iterable) or not (listed := list(fields)):
        raise fault(place, "a form needs fields", 'Write fields=[FormField("email", type="email")].')
    names: set[str] = set()
    for field in listed:
        if not isinstance(field, FormField):
            raise fault(place, f"{field!r} is no form field", 'Write FormField("name", type="text").')
        if field.name in names:
            raise fault(place, f"it has two fields {field.name!r}", "Give each field a name of its own.")
        names.add(field.name)
    return tuple(field.to_json() for field in listed)

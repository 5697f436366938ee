"""The one form that terminal, notebook, command line and HTML draw: fields to fill in, and the judged answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

from durable_core.codec import decode, to_plain
from durable_core.dsl.forms import FieldType, FormField
from durable_core.errors import InputValidationError
from durable_core.wait.answers import ANSWER, APPROVAL, check_answer

__all__ = ["FieldModel", "FormModel", "Option", "Parsed"]

_COMMENT: Final = "comment"
_DECISION: Final = "decision"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: the text that a screen shows and sends back."""

    text: str
    value: Any
    """Encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldModel:
    """One field as a screen draws it."""

    name: str
    type: FieldType
    label: str
    required: bool = False
    help: str = ""
    default: str | tuple[str, ...] = ""
    """As text; of a multiselect the texts of its options."""
    options: tuple[Option, ...] = ()
    limits: str = ""
    """What is accepted, in words: ``1 to 500``, ``at most 200 characters``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What became of a filled-in form: the value for `Engine.provide_input`, or every fault by field."""

    value: Any = None
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the value can be sent."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class FormModel:
    """A question to a person: what is asked, by which fields, until when."""

    name: str
    type: str
    prompt: str
    fields: tuple[FieldModel, ...]
    due_at: int | None = None
    """Microseconds since 1970 UTC at which the wait times out."""
    execution_id: str | None = None
    workflow: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_spec(
        cls,
        name: str,
        spec: Mapping[str, Any],
        *,
        due_at: int | None = None,
        execution_id: str | None = None,
        workflow: str | None = None,
    ) -> FormModel:
        """The form of a wait's stored spec."""
        return cls(
            name=name,
            type=spec.get("type", "free_text"),
            prompt=spec.get("prompt") or "",
            fields=tuple(_fields(spec)),
            due_at=due_at,
            execution_id=execution_id,
            workflow=workflow,
            spec=dict(spec),
        )

    def parse(self, raw: Mapping[str, Any], *, zone: tzinfo | None = None, schema: Any = None) -> Parsed:
        """Judge what a screen read, by field name: texts, lists of texts for a multiselect, booleans for a switch.

        A date and time written without a time zone is one of ``zone``. The value that comes back passes the same
        check again when it is sent, so a screen may show faults before anything travels.
        """
        given = {name: self._with_zone(name, value, zone) for name, value in raw.items()}
        value: Any
        match self.type:
            case "form":
                # Blank means not given, and an unticked list is an empty one.
                value = {name: each for name, each in given.items() if each is not None and each != ""}
            case "approval":
                value = {name: each for name, each in given.items() if each not in (None, "")}
            case _:
                value = given.get(ANSWER, "")
        if self.type == "single_choice" and value in (None, ""):
            return Parsed(faults={ANSWER: ("is required",)})
        try:
            tree, comment = check_answer(self.spec, value, schema)
        except InputValidationError as error:
            return Parsed(faults={name: tuple(found) for name, found in error.errors.items()})
        if self.type == "approval":
            return Parsed(value={_DECISION: tree, _COMMENT: comment} if comment else tree)
        return Parsed(value=decode(tree, strict=False))

    def _with_zone(self, name: str, value: Any, zone: tzinfo | None) -> Any:
        if zone is None or not isinstance(value, str):
            return value
        if not any(each.name == name and each.type == "datetime" for each in self.fields):
            return value
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            return value  # told as a fault of the field
        return (found if found.utcoffset() is not None else found.replace(tzinfo=zone)).isoformat()


def _fields(spec: Mapping[str, Any]) -> Iterable[FieldModel]:
    match spec.get("type", "free_text"):
        case "form":
            yield from (_field(FormField.from_json(each)) for each in spec.get("fields") or ())
        case "approval":
            offered = tuple(Option(word, word) for word in APPROVAL)
            yield FieldModel(name=_DECISION, type="select", label="Decision", required=True, options=offered)
            yield FieldModel(name=_COMMENT, type="textarea", label="Comment")
        case "single_choice":
            options = _options(spec.get("choices") or ())
            yield FieldModel(name=ANSWER, type="select", label="Answer", required=True, options=options)
        case "multi_choice":
            options = _options(spec.get("choices") or ())
            yield FieldModel(name=ANSWER, type="multiselect", label="Answers", options=options)
        case _:
            yield FieldModel(name=ANSWER, type="textarea", label="Answer")


def _field(one: FormField) -> FieldModel:
    default: str | tuple[str, ...]
    if one.type == "multiselect":
        default = tuple(_text(each) for each in one.default or ())
    else:
        default = "" if one.default is None else _text(one.default)
    return FieldModel(
        name=one.name,
        type=one.type,
        label=one.label or one.name.replace("_", " ").capitalize(),
        required=one.required,
        help=one.help or "",
        default=default,
        options=_options(one.options or ()),
        limits=_limits(one),
    )


def _options(choices: Iterable[Any]) -> tuple[Option, ...]:
    return tuple(Option(_text(choice), choice) for choice in choices)


def _text(value: Any) -> str:
    plain = to_plain(value)
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _limits(one: FormField) -> str:
    low, high, unit = one.min, one.max, ""
    if one.min_length is not None or one.max_length is not None:
        low, high = one.min_length, one.max_length
        unit = " choices" if one.type == "multiselect" else " characters"
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if low is not None:
        return f"at least {low}{unit}"
    return f"at most {high}{unit}" if high is not None else ""

"""A question of a waiting `run`, asked and answered right on its terminal."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from durable_core.clock import LOCAL_ZONE
from durable_core.errors import AlreadyAnsweredError, InputValidationError, InvalidStateError, WaitNotFoundError
from durable_core.query.entry import Entry
from durable_core.wait.answers import ANSWER
from durable_core.wait.form_model import FieldModel, FormModel
from durable_studio.command.output import emit, paint, safe

Give = Callable[[Any], Any]

_APPROVAL: Final = {
    "a": "approved",
    "y": "approved",
    "yes": "approved",
    "r": "rejected",
    "n": "rejected",
    "no": "rejected",
}
_BOOLEAN: Final = {"y": "true", "yes": "true", "n": "false", "no": "false"}

_WRITTEN: Final = {
    "date": "like 2026-01-31",
    "datetime": "like 2026-01-31 09:30",
    "multiselect": "several with commas between",
}


LOOK_SECONDS: Final = 0.3
"""How often a question is looked at while its answer is typed."""


class _Withdrawn(Exception):  # noqa: N818 - an outcome, not a fault
    """The question is no longer open."""


def can_ask() -> bool:
    """Whether somebody sits at this terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: Entry, form: FormModel, give: Give, still_open: Callable[[], bool]) -> bool:
    """Ask until the answer is accepted; False when whoever was asked would rather not say (Ctrl-D).

    A question that somebody else answers meanwhile, or that times out, is asked no longer.
    """
    asking = _Asking(still_open)
    emit()
    asked = paint(f"? {safe(form.prompt) or safe(form.name)}", "waiting")
    emit(f"{asked}  ({safe(form.name)} of {safe(question['workflow'])})")
    given: dict[str, Any] = {}
    faults: Mapping[str, Any] = {field.name: () for field in form.fields}
    while True:
        try:
            for field in form.fields:
                if field.name in faults or not given:
                    given[field.name] = asking.read(field, form.type)
        except EOFError:
            emit()
            return False
        except _Withdrawn:
            emit()
            emit("  answered elsewhere, or timed out")
            return True
        except KeyboardInterrupt:
            emit()  # what is said next begins a line of its own
            raise
        parsed = form.parse(given, zone=LOCAL_ZONE)
        faults = parsed.faults
        if parsed.ok:
            try:
                give(parsed.value)
                return True
            except InputValidationError as error:
                faults = {name: tuple(found) for name, found in error.errors.items()}
            except (AlreadyAnsweredError, InvalidStateError, WaitNotFoundError) as error:
                emit(safe(error))
                return True
        for name, found in faults.items():
            label = next((field.label for field in form.fields if field.name == name), name)
            emit(paint(f"  {safe(label)}: {safe(', '.join(found))}", "failed"))
        if not any(field.name in faults for field in form.fields):
            faults = {field.name: () for field in form.fields}


class _Asking:
    """Reads a form field by field, as long as the question is open."""

    def __init__(self, still_open: Callable[[], bool]) -> None:
        self._still_open = still_open

    def read(self, field: FieldModel, form_type: str) -> Any:
        """One field's text, or texts; an empty line takes the default."""
        if field.help:
            emit(f"  {safe(field.help)}")
        if form_type == "approval" and field.options:
            text = self._line(f"  {field.label} (a)pproved or (r)ejected")
            return _APPROVAL.get(text.lower(), text)
        for number, option in enumerate(field.options, 1):
            emit(f"  {number}) {safe(option.text)}")
        optional = "" if field.required or field.name == ANSWER else "optional"
        notes = "; ".join(each for each in (_default(field), field.limits, _WRITTEN.get(field.type), optional) if each)
        label = f"  {field.label}" + (f" [{notes}]" if notes else "")
        if field.type == "boolean":
            text = self._line(f"{label} (y/n)")
            return _BOOLEAN.get(text.lower(), text) or field.default
        text = self._line(label)
        if field.type == "multiselect":
            chosen = [_chosen(field, part.strip()) for part in text.split(",") if part.strip()]
            return chosen or list(field.default)
        return _chosen(field, text) if text else field.default

    def _line(self, label: str) -> str:
        sys.stdout.write(f"{safe(label)}: ")
        sys.stdout.flush()
        # Waited for in short turns: a read that has begun would hear of Ctrl-C, and of another's answer, too late.
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            if not self._still_open():
                raise _Withdrawn
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip()


def _default(field: FieldModel) -> str:
    if not field.default:
        return ""
    shown = field.default if isinstance(field.default, str) else ", ".join(field.default)
    return f"default {safe(shown)}"


def _chosen(field: FieldModel, text: str) -> str:
    """An option by its number, unless an option reads like that itself."""
    texts = [option.text for option in field.options]
    if text not in texts and text.isdecimal() and 1 <= int(text) <= len(texts):
        return texts[int(text) - 1]
    return text


__all__ = ["ask", "can_ask"]

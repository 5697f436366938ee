"""One wait as a body or a node asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

WaitKind = Literal["sleep", "event", "any", "all", "input", "call", "once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSpec:
    """What is waited for; `occurrence` counts its kind and name in the pass so far, `position` all waits."""

    kind: WaitKind
    name: str
    occurrence: int
    position: int
    seconds: float | None = None
    """Of a sleep, or until the timeout; counted from the registration (W-3)."""
    until: int | None = None
    """A sleep's end as a time, in microseconds."""
    events: tuple[str, ...] = ()
    where: Any = None
    """Filter as data, `$key` references resolved, encoded."""
    timeout_value: Any = None
    """Encoded."""
    on_timeout: str = "resume"
    form: Mapping[str, Any] = field(default_factory=dict)
    """Of an input: type, prompt, fields, choices, schema."""
    child: Any = None
    """Of a call: what the child begins with (`executor.start.Beginning`)."""

    def to_json(self) -> dict[str, Any]:
        """What the row keeps of it."""
        data: dict[str, Any] = {"on_timeout": self.on_timeout}
        if self.timeout_value is not None:
            data["timeout_value"] = self.timeout_value
        if self.events:
            data["events"] = list(self.events)
        if self.where is not None:
            data["where"] = self.where
        data.update(self.form)
        return data


class Suspension(BaseException):
    """Leaves the body because it has to wait; a BaseException, so that `except Exception` lets it pass (W-3)."""

    def __init__(self, spec: WaitSpec) -> None:
        super().__init__(spec.name)
        self.spec = spec


def suspension_in(error: BaseException) -> Suspension | None:
    """The suspension that an error is, or that a task group wrapped."""
    if isinstance(error, Suspension):
        return error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            found = suspension_in(each)
            if found is not None:
                return found
    return None

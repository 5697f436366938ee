"""Whether a `run` has to stay: it asks where somebody sits, and leaves where nobody would ever answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from durable_core.query.entry import Entry
from durable_core.query.outside import outside_waits
from durable_studio.command.answering import form_of, give
from durable_studio.command.asking import ask
from durable_studio.command.output import safe
from durable_studio.command.watching import Progress, Show

if TYPE_CHECKING:
    from durable_core.engine.engine import Engine

PATIENCE_SECONDS: Final = 60
"""A wait that times out within this time is waited for."""


class Attended:
    """Looks after what an execution waits for from outside."""

    def __init__(self, engine: Engine, *, asking: bool) -> None:
        self._engine = engine
        self._asking = asking
        self.waits: list[Entry] = []
        """What it waits for, once that is the reason to leave."""

    def __call__(self, progress: Progress, show: Show) -> bool:
        if progress.record.status != "waiting" or progress.record.flags:
            return False
        with self._engine.database.read() as tx:
            waits = outside_waits(tx, progress.record.id, PATIENCE_SECONDS * 1_000_000)
        if not waits:
            return False
        if not self._asking:
            self.waits = waits
            return True
        questions = [each for each in waits if each["kind"] == "input"]
        if not questions:
            return False  # an event may come from another terminal
        show.rest()
        if self._ask(questions[0]):
            return False
        self.waits = waits
        return True

    def _ask(self, question: Entry) -> bool:
        execution_id, name = question["execution_id"], question["name"]
        return ask(question, form_of(question), lambda value: give(self._engine, execution_id, name, value))

    def told(self) -> Iterator[str]:
        """What it waits for, and how that is given to it."""
        for wait in self.waits:
            id, name = safe(wait["execution_id"]), safe(wait["name"])
            if wait["kind"] == "input":
                prompt = f": {safe(wait['prompt'])}" if wait["prompt"] else ""
                yield f"{name} waits for an answer ({safe(wait['type'])}){prompt}"
                yield f"  answer: durable-studio inputs answer {id} {name} VALUE"
            else:
                events = " and ".join(safe(each) for each in wait["events"])
                if wait["kind"] == "any":
                    events = " or ".join(safe(each) for each in wait["events"])
                yield f"{name} waits for the event {events}"
                yield f"  send: durable-studio event {safe(wait['events'][0])} --to {id}"

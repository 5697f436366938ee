"""Whether a `run` has to stay: it asks where somebody sits, and leaves where nobody would ever answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from durable_core.query.entry import Entry
from durable_core.query.events import conditions_in_words, sample_payload
from durable_core.query.outside import open_questions, outside_waits
from durable_studio.command.answering import form_of, give, sample_of
from durable_studio.command.asking import ask
from durable_studio.command.output import quoted, safe
from durable_studio.command.watching import Standing

if TYPE_CHECKING:
    from durable_core.engine.engine import Engine

PATIENCE_SECONDS: Final = 60
"""A wait that times out within this time is waited for where nobody sits."""


class Attended:
    """Looks after what an execution waits for from outside."""

    def __init__(self, engine: Engine, *, asking: bool) -> None:
        self._engine = engine
        self._asking = asking
        self.waits: list[Entry] = []
        """What it waits for, once that is the reason to leave."""

    def __call__(self, standing: Standing, rest: Callable[[], None]) -> bool:
        if standing.status != "waiting" or standing.flags:
            return False
        with self._engine.database.read() as tx:
            if self._asking:
                questions = open_questions(tx, standing.id)
            else:
                self.waits = outside_waits(tx, standing.id, PATIENCE_SECONDS * 1_000_000)
        if not self._asking:
            return bool(self.waits)
        if not questions:
            return False  # an event may come from another terminal
        rest()
        if self._ask(questions[0]):
            return False
        self.waits = [Entry({**each, "kind": "input"}) for each in questions]
        return True

    def _ask(self, question: Entry) -> bool:
        engine, execution_id, name = self._engine, question["execution_id"], question["name"]

        def still_open() -> bool:
            with engine.database.read() as tx:
                return question["id"] in {each["id"] for each in open_questions(tx, execution_id)}

        return ask(question, form_of(question), lambda value: give(engine, execution_id, name, value), still_open)

    def told(self) -> Iterator[str]:
        """What it waits for, and how that is given to it."""
        for wait in self.waits:
            id, name = safe(wait["execution_id"]), safe(wait["name"])
            if wait["kind"] == "input":
                prompt = f": {safe(wait['prompt'])}" if wait["prompt"] else ""
                yield f"{name} waits for an answer ({safe(wait['type'])}){prompt}"
                yield f"  answer: durable-studio inputs answer {id} {quoted(wait['name'])} {sample_of(wait)}"
            else:
                events = " and ".join(safe(each) for each in wait["events"])
                if wait["kind"] == "any":
                    events = " or ".join(safe(each) for each in wait["events"])
                where = conditions_in_words(wait["where"])
                several = len(wait["events"]) > 1
                yield f"{name} waits for the event{'s' if several else ''} {events}" + (
                    f" where {safe(where)}" if where else ""
                )
                payload = safe(sample_payload(wait["where"]))
                yield f"  send: durable-studio event {quoted(wait['events'][0])}{payload} --to {id}"

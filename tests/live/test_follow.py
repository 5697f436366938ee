"""run.logs(follow=True): lines as they are written, each once, until the end."""

from __future__ import annotations

import logging
import time

import pytest

from durable_core.dsl import parallel, step, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.watching import PAGE
from durable_core.errors import DefinitionError, InputValidationError
from tests.engine.runs import Held


@pytest.mark.slow
def test_lines_are_followed_while_the_step_still_runs(engine: Engine, viewer: Engine) -> None:
    """L-2: a line is seen within 200 ms, by readers of other processes too, though its step goes on."""
    held = Held()

    @step
    def talk(ctx):
        print("hello")
        held()
        print("good bye")

    @workflow
    def talking():
        return [talk]

    run = engine.start(talking, {})
    held.wait_begun()
    begun = time.monotonic()
    elsewhere = viewer.get_execution(run.id).logs(follow=True)
    here = run.logs(follow=True)
    assert next(elsewhere)["message"] == next(here)["message"] == "hello"
    assert time.monotonic() - begun < 2.0
    held.let_go()
    assert [line["message"] for line in elsewhere] == [line["message"] for line in here] == ["good bye"]


def test_followed_lines_are_those_that_were_asked_for(engine: Engine) -> None:
    """The step and the lowest level choose, as without `follow`."""

    @step
    def talk(ctx):
        logging.getLogger("shop").warning("careful")
        logging.getLogger("shop").info("fine")

    @workflow
    def talking():
        return [parallel(talk, talk.with_options(name="other"))]

    run = engine.run(talking, {})
    followed = list(run.logs("talk", "warning", follow=True))
    assert followed == run.logs("talk", "warning")
    assert [(line["step"], line["message"]) for line in followed] == [("talk", "careful")]


def test_more_lines_than_a_page_come_once_each_in_order(engine: Engine) -> None:
    """Pages follow one another by the number of the line."""

    @step
    def chatter(ctx):
        for number in range(2 * PAGE + 10):
            print(number)

    @workflow
    def chattering():
        return [chatter]

    run = engine.start(chattering, {})
    lines = [line["message"] for line in run.logs(follow=True)]
    assert lines == [str(number) for number in range(2 * PAGE + 10)]


def test_a_wrong_step_or_level_is_told_at_once(engine: Engine) -> None:
    """Not when the first line is asked for."""

    @step
    def quiet(ctx):
        return None

    @workflow
    def silent():
        return [quiet]

    run = engine.run(silent, {})
    with pytest.raises(DefinitionError, match="nobody"):
        run.logs("nobody", follow=True)
    with pytest.raises(InputValidationError, match="loud"):
        run.logs(level="loud", follow=True)

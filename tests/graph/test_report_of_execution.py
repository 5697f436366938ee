"""The page about a real execution: everything that is known of it, nothing secret, nothing active."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from durable_core.dsl import registry, step, wait_for_input, workflow
from durable_core.engine.engine import Engine
from durable_core.secret import Secret

VALUE = "s3cr3t/v@lue+42"


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    with registry.isolated(), Engine(sqlite_url, passthrough=False) as opened:
        yield opened


def test_the_page_shows_graph_steps_answers_values_and_logs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-4: also in the values that the execution carries."""
    monkeypatch.setenv("PAYMENT_KEY", VALUE)

    def undo(ctx):
        print("gave it back")

    @step(compensate=undo)
    def pay(ctx):
        ctx["note"] = f"paid with {Secret.env('PAYMENT_KEY').reveal()}"
        print("</td><script>alert(1)</script>")

    @step
    def ship(ctx):
        raise ValueError(f"no carrier takes {VALUE}")

    @workflow
    def order():
        return [pay, wait_for_input("approval", type="approval", prompt="Really?"), ship]

    run = engine.start(order, {"total": 3, "password": "hunter2"})
    for view in engine.watch(run, rate=50):
        if view.questions:
            engine.provide_input(run, "approval", {"decision": "approved", "comment": "gladly"}, by="ana")
    page = run.report()
    assert page.startswith("<!doctype html>") and page.count("<svg") == 2, "the graph and the times"
    for heading in ("Times", "Steps", "Answers", "Values", "Logs"):
        assert f"<h2>{heading}</h2>" in page
    for shown in ("Really?", "approved", "gladly", "ana", "gave it back", "no carrier takes ***", "total"):
        assert shown in page
    assert VALUE not in page and "hunter2" not in page
    assert "<script" not in page and not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", page))


def test_what_a_compensation_writes_is_in_the_log_of_its_step(engine: Engine) -> None:
    """L-1: a handler is run as a part of its step, in the iteration that it undoes."""

    def undo(ctx):
        print("undoing", ctx.output)

    @step(compensate=undo)
    def book():
        return 7

    @step
    def fail():
        raise ValueError("no")

    @workflow
    def trip():
        return [book, fail]

    run = engine.start(trip, {}).wait(15)
    assert run.status == "compensated"
    assert [(line["step"], line["message"]) for line in run.logs()] == [("book", "undoing 7")]

"""Human input: checked before anything changes, one winner, and recorded with who gave it (W-6, W-7)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from durable_core.context import Context
from durable_core.dsl import FormField, Retry, parallel, sleep_for, step, wait_for_input, workflow
from durable_core.errors import (
    AlreadyAnsweredError,
    ExecutionNotFoundError,
    InputValidationError,
    InvalidStateError,
    LimitError,
    WaitNotFoundError,
)
from durable_core.testing.kit import Kit


class Signup(BaseModel):
    email: str
    seats: int = 1


FIELDS = [
    FormField("email", type="email", required=True, max_length=40),
    FormField("plan", type="select", options=["basic", "pro"], default="basic"),
    FormField("seats", type="integer", min=1, max=5),
]


def test_an_invalid_answer_tells_all_faults_and_leaves_the_wait_open(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_input("details", type="form", fields=FIELDS)

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "details")
    with pytest.raises(InputValidationError) as caught:
        kit.engine.provide_input(run, "details", {"email": "no", "plan": "gold", "seats": 9})
    assert set(caught.value.errors) == {"email", "plan", "seats"}
    kit.assert_waiting_for(run, "details")
    assert run.status == "waiting"
    kit.provide_test_input(run, "details", {"email": "a@b.example", "seats": 2})
    answer = kit.assert_workflow_completed(run).context["details"]
    assert answer == {"email": "a@b.example", "plan": "basic", "seats": 2}


@pytest.mark.parametrize(
    ("options", "wrong", "right", "stored"),
    [
        ({"type": "approval"}, "maybe", "rejected", "rejected"),
        ({"type": "approval"}, {"decision": "x"}, {"decision": "approved", "comment": "ok"}, "approved"),
        ({"choices": ["a", "b"]}, "c", "b", "b"),
        ({"type": "multi_choice", "choices": ["a", "b"]}, ["a", "z"], ["b"], ["b"]),
    ],
)
def test_each_type_has_its_vocabulary(kit: Kit, options: Any, wrong: Any, right: Any, stored: Any) -> None:
    @step
    def ask(ctx: Context) -> Any:
        return {"in_body": ctx.wait_for_input("q", **options)}

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    with pytest.raises(InputValidationError):
        kit.engine.provide_input(run, "q", wrong)
    kit.provide_test_input(run, "q", right)
    assert kit.assert_workflow_completed(run).context["in_body"] == stored


def test_a_model_comes_back_as_the_model_in_bodies_and_after_nodes(kit: Kit) -> None:
    @step
    def ask(ctx: Context) -> str:
        found = ctx.wait_for_input("again", schema=Signup)
        return f"{type(found).__name__} {type(ctx['details']).__name__} {found.seats} {ctx['details'].seats}"

    @workflow
    def flow() -> Any:
        return [wait_for_input("details", schema=Signup), ask]

    run = kit.start_workflow(flow)
    kit.provide_test_input(run, "details", {"email": "x@y.example", "seats": "3"})
    kit.assert_waiting_for(run, "again")
    with pytest.raises(InputValidationError):
        kit.engine.provide_input(run, "again", {"email": "x@y.example", "seats": "many"})
    kit.provide_test_input(run, "again", {"email": "x@y.example"})
    assert kit.assert_workflow_completed(run).output == "Signup Signup 1 3"


class Table(BaseModel):
    guests: int = Field(ge=1, lt=20)
    name: str

    @field_validator("name")
    @classmethod
    def _no_digits(cls, value: str) -> str:
        if any(letter.isdigit() for letter in value):
            raise ValueError("must not hold digits")
        return value


@pytest.mark.parametrize("where", ["node", "body"])
def test_what_only_the_model_knows_keeps_the_question_open_too(kit: Kit, where: str) -> None:
    """W-7: validators and bounds that no field of a form has, all at once, before anything changes."""

    @step
    def ask(ctx: Context) -> None:
        ctx.wait_for_input("table", schema=Table)

    @workflow
    def flow() -> Any:
        return ask if where == "body" else wait_for_input("table", schema=Table)

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "table")
    with pytest.raises(InputValidationError) as caught:
        kit.engine.provide_input(run, "table", {"guests": 20, "name": "Ana 2", "pets": 1})
    assert set(caught.value.errors) == {"guests", "name", "pets"}
    kit.assert_waiting_for(run, "table")
    kit.provide_test_input(run, "table", {"guests": "4", "name": "Ana"})
    assert kit.assert_workflow_completed(run).context["table"] == Table(guests=4, name="Ana")


def test_an_answer_that_was_taken_without_its_model_fails_the_step_that_has_it(kit: Kit) -> None:
    """Fields are all that can be judged where the model is not known; its step says what is wrong, once."""

    @step(retry=Retry(max_attempts=3))
    def ask(ctx: Context) -> None:
        ctx.wait_for_input("table", schema=Table)

    @workflow
    def flow() -> Any:
        return ask

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "table")
    with kit.engine.database.write() as tx:
        tx.execute(
            "UPDATE waits SET status = 'satisfied', payload = :answer, resolved_at = :now",
            {"answer": '{"guests":99,"name":"Ana"}', "now": tx.now()},
        )
        tx.execute("UPDATE tokens SET status = 'ready', available_at = :now", {"now": tx.now()})
    kit.engine.wake_workers()
    kit.assert_workflow_failed(run, "InputValidationError")
    assert [each.attempt for each in run.steps()] == [1]


def test_the_second_answer_is_told_who_was_first(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_input("q"), sleep_for(60)]

    run = kit.start_workflow(flow)
    kit.provide_test_input(run, "q", "first", by="ana")
    with pytest.raises(AlreadyAnsweredError) as caught:
        kit.engine.provide_input(run, "q", "second", by="bob")
    assert (caught.value.by, caught.value.at) == ("ana", "2026-01-01T00:00:00.000000Z")
    kit.advance(seconds=60)
    assert kit.assert_workflow_completed(run).context["q"] == "first"


def test_answers_at_the_same_moment_have_one_winner(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_input("q")

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    told: list[Any] = []

    def give(number: int) -> None:
        try:
            told.append(kit.engine.provide_input(run, "q", number, by=str(number)))
        except Exception as error:
            told.append(error)

    threads = [threading.Thread(target=give, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [each for each in told if not isinstance(each, Exception)]
    assert len(winners) == 1
    assert all(isinstance(each, AlreadyAnsweredError) for each in told if isinstance(each, Exception))
    assert kit.assert_workflow_completed(run).output == winners[0]


def test_a_closed_or_unknown_question_takes_no_answer(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_input("q", timeout=60, timeout_value="none"), sleep_for(60)]

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    with pytest.raises(WaitNotFoundError, match="It asks: q"):
        kit.engine.provide_input(run, "other", 1)
    kit.advance(seconds=60)
    with pytest.raises(InvalidStateError, match="has timed out") as caught:
        kit.engine.provide_input(run, "q", 1)
    assert (caught.value.state, caught.value.allowed) == ("timed_out", ("open",))
    with pytest.raises(ExecutionNotFoundError):
        kit.engine.provide_input("wf_nothing", "q", 1)
    kit.engine.cancel(run)
    with pytest.raises(WaitNotFoundError):
        kit.engine.provide_input(run, "other", 1)


@pytest.mark.parametrize("who", [5, "", ["ana"], "a\0b", "\ud800", "x" * 300])
def test_who_answers_is_a_name_that_every_store_keeps(kit: Kit, who: Any) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_input("q", type="approval")]

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    for given in ({"by": who}, {"through": who}):
        with pytest.raises((InputValidationError, LimitError), match="by|through"):
            kit.engine.provide_input(run, "q", "approved", **given)
    kit.assert_waiting_for(run, "q")
    kit.provide_test_input(run, "q", {"decision": "rejected", "comment": "no\0 \ud800"}, by="Ana Sá <ana@example.org>")
    over = next(each for each in run.history() if each.kind == "wait_over")
    assert (over.answered_by, over.comment) == ("Ana Sá <ana@example.org>", r"no\x00 \ud800")


def test_who_answered_when_and_through_what_is_recorded(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_input("q", type="approval")

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    kit.advance(minutes=5)
    kit.engine.provide_input(run, "q", {"decision": "approved", "comment": "looks good"}, by="ana", through="terminal")
    kit.assert_workflow_completed(run)
    (over,) = [each for each in run.history() if each["kind"] == "wait_over"]
    assert (over.answered_by, over.answered_through, over.at) == ("ana", "terminal", kit.now)
    assert over.comment == "looks good"
    assert run.context["q"] == "approved"


def test_equal_questions_of_branches_are_answered_oldest_first(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return parallel("both", {"a": [sleep_for(5), wait_for_input("q")], "b": wait_for_input("q")}, merge="collect")

    run = kit.start_workflow(flow)
    kit.advance(seconds=5)
    kit.provide_test_input(run, "q", "to b")
    kit.provide_test_input(run, "q", "to a")
    assert kit.assert_workflow_completed(run).context["q"] == ["to a", "to b"]


def test_pending_questions_are_listed_while_they_are_open(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_input("q", prompt="Well?", type="approval"), wait_for_input("r")]

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "q")
    (asked,) = kit.engine.list_pending_inputs()
    assert (asked["name"], asked["prompt"], asked["type"]) == ("q", "Well?", "approval")
    kit.provide_test_input(run, "q", "approved")
    kit.assert_waiting_for(run, "r")
    assert [each["name"] for each in run.pending_inputs()] == ["r"]


def test_open_questions_are_filtered_and_paged_and_wrong_filters_are_refused(kit: Kit) -> None:
    """By type, workflow and age; keyset pages go on after a question that was answered meanwhile."""

    @workflow
    def asks() -> Any:
        return wait_for_input("q", type="approval")

    @workflow
    def other() -> Any:
        return wait_for_input("r")

    for _ in range(3):
        kit.start_workflow(asks)
    kit.settle()
    kit.advance(hours=2)
    kit.start_workflow(other)
    kit.settle()
    ask = kit.engine.list_pending_inputs
    assert [each.name for each in ask()] == ["q", "q", "q", "r"]
    assert [each.name for each in ask(workflow="other")] == ["r"] == [each.name for each in ask(type="free_text")]
    assert len(ask(older_than=timedelta(hours=1))) == len(ask(older_than=3600.0)) == 3
    first = ask(limit=2)
    kit.provide_test_input(first[-1].execution_id, "q", "approved")
    rest = ask(after=first[-1].id)
    assert [each.name for each in rest] == ["q", "r"]
    assert {each.id for each in first} & {each.id for each in rest} == set()
    for wrong in ({"type": "wizard"}, {"limit": 0}):
        with pytest.raises(InputValidationError):
            ask(**wrong)
    with pytest.raises(WaitNotFoundError):
        ask(after="wt_none")

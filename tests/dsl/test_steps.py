"""A step is the plain function when called, and a node where it stands in a flow."""

from __future__ import annotations

import asyncio
import functools
from datetime import timedelta
from typing import Any

import pytest

from durable_core.definition.nodes import CompensationSpec, RetryPolicy
from durable_core.dsl import Decision, Retry, Step, decision, sleep_for, step, workflow
from durable_core.errors import DefinitionError, DurableError, LimitError


@step
def charge(order_id: str, total: float = 1.5) -> dict[str, Any]:
    """Charge a card."""
    return {"paid": total, "order": order_id}


@step
async def ship(ctx: Any) -> str:
    return f"shipped {ctx}"


def undo(ctx: Any) -> None: ...


def test_called_directly_a_step_is_the_plain_function() -> None:
    assert charge("o", total=2) == {"paid": 2, "order": "o"}
    assert asyncio.run(ship("x")) == "shipped x"
    assert (charge.__name__, charge.__doc__, charge.name) == ("charge", "Charge a card.", "charge")
    assert charge.fn("o") == charge("o")


def test_every_option_becomes_part_of_the_node() -> None:
    @step(
        name="pay",
        retry=Retry(max_attempts=3, backoff="linear", base=timedelta(seconds=2), cap=9, jitter=0.5, retry_on=OSError),
        timeout=timedelta(minutes=1),
        compensate=undo,
        queue="gpu",
        output="receipt",
        isolation="thread",
        log_level="info",
        label="Take the money",
    )
    def body(ctx: Any) -> None: ...

    node = body.work.node
    assert node.retry == RetryPolicy(
        max_attempts=3, backoff="linear", base=2.0, cap=9.0, jitter=0.5, retry_on=("builtins:OSError",)
    )
    assert (node.name, node.timeout, node.queue, node.output) == ("pay", 60.0, "gpu", "receipt")
    assert (node.log_level, node.label) == ("INFO", "Take the money")
    assert node.compensate == CompensationSpec(name="undo")
    assert body.work.retry_on["body"] == (OSError,)
    assert body.work.functions["compensate"] is undo


def test_a_compensation_may_be_a_step_with_its_own_retry() -> None:
    @step(retry=Retry(max_attempts=5), timeout=7)
    def refund(ctx: Any) -> None: ...

    @step(compensate=refund)
    def pay(ctx: Any) -> None: ...

    spec = pay.work.node.compensate
    assert spec is not None and (spec.name, spec.retry.max_attempts, spec.timeout) == ("refund", 5, 7.0)
    assert pay.work.functions["compensate"] is refund.fn


def test_one_use_of_a_step_may_have_options_of_its_own() -> None:
    other = charge.with_options(name="charge_again", timeout=3).with_options(label="Again")
    assert (other.name, other.work.node.timeout, other.work.node.label) == ("charge_again", 3.0, "Again")
    assert (charge.name, charge.work.node.timeout) == ("charge", None)
    assert other.fn is charge.fn
    assert isinstance(decision(lambda_free).with_options(name="d"), Decision)


def lambda_free(ctx: Any) -> str:
    return "x"


class Shop:
    def open(self) -> None: ...

    @classmethod
    def close(cls) -> None: ...


def endless() -> Any:
    yield 1


async def drip() -> Any:
    yield 1


def many(*args: Any) -> None: ...


def named(**kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (endless, "generator"),
        (drip, "generator"),
        (Shop().open, "method"),
        (Shop.open, "method"),
        (Shop.__dict__["close"], "classmethod"),
        (Shop, "class"),
        (many, r"\*args"),
        (named, r"\*\*kwargs"),
        (functools.partial(undo), "no function"),
        (3, "no function"),
        (charge, "decorated twice"),
    ],
)
def test_what_cannot_be_a_step_is_refused_with_advice(fn: Any, says: str) -> None:
    for decorate in (step, decision, step(name="given")):
        with pytest.raises(DefinitionError, match=says) as caught:
            decorate(fn)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retrys": 3}, "'retrys'.*Did you mean 'retry'"),
        ({"retry": 3}, "must be a Retry"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "30"}, "timeout"),
        ({"isolation": "proces"}, "Did you mean 'process'"),
        ({"isolation": "process"}, "made inside a function"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"queue": ""}, "queue"),
        ({"name": " "}, "name"),
        ({"name": 3}, "name"),
        ({"output": 3}, "output"),
        ({"compensate": "undo"}, "compensate"),
        ({"compensate": sleep_for(1)}, "compensate"),
        ({"compensate": many}, "args"),
        ({"compensate": decision(lambda_free)}, "compensate"),
    ],
)
def test_a_wrong_option_is_refused_naming_the_step(options: dict[str, Any], says: str) -> None:
    def body(ctx: Any) -> None: ...

    with pytest.raises(DefinitionError, match=says) as caught:
        step(**options)(body)
    assert "retrys" in options or "body" in str(caught.value) or "name" in options
    with pytest.raises(DefinitionError, match=says):
        step(body).with_options(**options)


def test_a_name_longer_than_255_characters_is_a_definition_and_a_limit_error() -> None:
    with pytest.raises(DefinitionError) as caught:
        charge.with_options(name="x" * 256)
    assert isinstance(caught.value, LimitError) and caught.value.limit == 255


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 2.5}, "max_attempts"),
        ({"max_attempts": True}, "max_attempts"),
        ({"max_attempt": 3}, "Did you mean 'max_attempts'"),
        ({"backoff": "expo"}, "exponential"),
        ({"base": -1}, "base"),
        ({"cap": None}, "cap"),
        ({"jitter": 1.5}, "jitter"),
        ({"jitter": "1"}, "jitter"),
        ({"retry_on": ("OSError",)}, "exception class"),
        ({"retry_on": (int,)}, "exception class"),
        ({"retry_on": (KeyboardInterrupt,)}, "exception class"),
        ({"retry_on": 5}, "exception classes"),
    ],
)
def test_a_wrong_retry_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        Retry(**options)


def test_the_workflows_default_retry_serves_steps_without_their_own() -> None:
    class Busy(Exception): ...

    @workflow(retry=Retry(max_attempts=4, retry_on=(Busy,)))
    def flow() -> Any:
        return [charge, charge.with_options(retry=Retry()), ship]

    first, second, third = flow.definition.nodes
    assert [node.retry.max_attempts for node in (first, second, third)] == [4, 1, 4]  # type: ignore[attr-defined]
    assert flow.retry_on["charge:body"] == (Busy,)
    assert flow.retry_on["charge_2:body"] == (Exception,)


def test_a_step_keeps_its_functions_signature_for_people_and_tools() -> None:
    import inspect

    assert list(inspect.signature(charge).parameters) == ["order_id", "total"]
    assert isinstance(charge, Step) and repr(charge) == "<step 'charge'>"


def test_wrapped_functions_stay_steps() -> None:
    def twice(fn: Any) -> Any:
        @functools.wraps(fn)
        def both(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs), fn(*args, **kwargs)

        return both

    @step
    @twice
    def roll(sides: int) -> int:
        return sides

    assert roll(3) == (3, 3) and roll.name == "roll"


def test_definition_errors_belong_to_the_one_tree() -> None:
    assert issubclass(DefinitionError, DurableError)

"""A workflow is compiled and registered when it is defined, and knows its input, its schedules and its version."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from durable_core.dsl import Retry, Workflow, call, cron, registry, set_graph_factory, step, workflow
from durable_core.dsl.schedules import check_cron
from durable_core.errors import DefinitionError, InputValidationError, InvalidStateError


@step
def a(ctx: Any) -> None: ...


class Line(BaseModel):
    price: Decimal
    quantity: int = 1


class Order(BaseModel):
    customer: str
    lines: list[Line] = []


def test_every_option_stands_in_the_definition() -> None:
    @workflow(
        name="orders",
        queue="fast",
        priority=-3,
        timeout=timedelta(hours=1),
        input=Order,
        output="total",
        retry=Retry(max_attempts=2),
        version_policy="auto",
        tags=["x", "y", "x"],
    )
    def flow() -> Any:
        """Price an order.

        Twice.
        """
        return a

    found = flow.definition
    assert (found.name, found.queue, found.priority, found.timeout) == ("orders", "fast", -3, 3600.0)
    assert (found.version_policy, found.tags, found.description) == ("auto", ("x", "y"), "Price an order.\n\nTwice.")
    assert found.output is not None and (found.output.kind, found.output.name) == ("key", "total")
    assert found.input_schema["properties"]["customer"]["type"] == "string"
    assert json.dumps(found.input_schema)
    assert registry.get("orders") is flow and flow.doc == found.description


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timout": 3}, "Did you mean 'timeout'"),
        ({"timeout": 0}, "above 0"),
        ({"priority": "high"}, "priority"),
        ({"priority": True}, "priority"),
        ({"input": dict}, "pydantic model"),
        ({"output": 3}, "output"),
        ({"output": a}, "output"),
        ({"retry": 3}, "Retry"),
        ({"version_policy": "always"}, "version_policy"),
        ({"tags": "billing"}, "tags"),
        ({"tags": [3]}, "tag"),
        ({"queue": ""}, "queue"),
        ({"name": "x" * 256}, "255"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):

        @workflow(**options)
        def flow() -> Any:
            return [a]

    assert registry.names() == []


def with_parameter(order: Any) -> Any:
    return [a]


def yielding() -> Any:
    yield a


async def awaiting() -> Any:
    return [a]


def returns_nothing() -> Any: ...


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (with_parameter, "parameter 'order'"),
        (yielding, "generator"),
        (awaiting, "async"),
        (returns_nothing, "None is no node"),
        (a, "no plain function"),
        (Order, "no function"),
        (3, "no function"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused(fn: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        workflow(fn)


def simple(**options: Any) -> Workflow:
    @workflow(**{"name": "simple", **options})
    def flow() -> Any:
        return [a]

    return flow


def test_a_workflow_is_not_called_like_a_function() -> None:
    with pytest.raises(DefinitionError, match=r"engine\.run\(flow, .*call\(flow\)"):
        simple()()


def test_the_fingerprint_covers_bodies_and_the_hash_does_not() -> None:
    def version(text: str, comment: bool = False) -> Workflow:
        source = f"def body(ctx):\n    {'# a word' if comment else ''}\n    return {text}\n"
        space: dict[str, Any] = {}
        exec(source, space)  # noqa: S102 - two versions of one function

        @workflow(name="versioned")
        def flow() -> Any:
            return [step(name="body")(space["body"])]

        return flow

    one, same, other = version("1"), version("1", comment=True), version("2")
    assert one.definition.hash == other.definition.hash
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16


def test_input_is_checked_by_the_model_with_all_faults_by_field() -> None:
    flow = simple(input=Order)
    assert flow.validate_input({"customer": "ana", "lines": [{"price": "1.20"}]}) == {
        "customer": "ana",
        "lines": [{"price": Decimal("1.20"), "quantity": 1}],
    }
    assert flow.validate_input(Order(customer="bo")) == {"customer": "bo", "lines": []}
    with pytest.raises(InputValidationError) as caught:
        flow.validate_input({"lines": [{"price": "x"}]})
    assert set(caught.value.errors) == {"customer", "lines.0.price"}
    assert "customer" in str(caught.value)


def test_input_without_a_model_is_a_mapping_with_string_keys() -> None:
    flow = simple()
    assert flow.validate_input(None) == {} and flow.validate_input({"a": 1}) == {"a": 1}
    for wrong in ([1], "x", 3, Order(customer="x")):
        with pytest.raises(InputValidationError, match="must be a mapping"):
            flow.validate_input(wrong)
    with pytest.raises(InputValidationError) as caught:
        flow.validate_input({1: "x"})
    assert caught.value.errors == {"1": ["names are strings"]}


def test_the_graph_comes_from_the_floor_that_has_announced_itself() -> None:
    flow = simple()
    set_graph_factory(None)
    with pytest.raises(InvalidStateError, match="durable_studio"):
        flow.graph()
    assert flow._repr_mimebundle_() == {"text/plain": repr(flow)}
    try:
        set_graph_factory(lambda found: ("graph of", found.name))
        assert flow.graph() == ("graph of", "simple")
    finally:
        set_graph_factory(None)


def test_schedules_stand_on_the_workflow_in_written_order() -> None:
    flow = cron("0 9 * * *", timezone="Europe/Madrid", queue="reports", input={"type": "daily"}, overlap="allow")(
        cron("@hourly", name="often", catch_up=timedelta(hours=2))(cron(" 5  * * * * ")(simple()))
    )
    daily, often, plain = flow.schedules
    assert (daily.name, daily.timezone, daily.queue) == ("simple_2", "Europe/Madrid", "reports")
    assert (daily.input, daily.overlap, daily.catch_up) == ({"type": "daily"}, "allow", "latest")
    assert (often.name, often.catch_up, often.catch_up_window) == ("often", "all", 7200.0)
    assert (plain.name, plain.cron, plain.workflow, plain.timezone) == ("simple", "5 * * * *", "simple", "UTC")


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("61 * * * *",), {}, "no cron"),
        (("soon",), {}, "fields"),
        (("",), {}, "no cron"),
        ((3,), {}, "no cron"),
        (("0 0 31 2 *",), {}, "never fires"),
        (("0 9 * * *",), {"timezone": "Mars/Olympus"}, "time zone"),
        (("0 9 * * *",), {"overlap": "skp"}, "Did you mean 'skip'"),
        (("0 9 * * *",), {"catch_up": "some"}, "catch_up"),
        (("0 9 * * *",), {"catch_up": -3}, "catch_up"),
        (("0 9 * * *",), {"input": 3}, "mapping"),
        (("0 9 * * *",), {"tz": "UTC"}, "no option 'tz'"),
        ((), {}, "expression"),
    ],
)
def test_a_wrong_schedule_is_refused(arguments: Any, options: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        cron(*arguments, **options)


def test_a_schedule_stands_above_workflow_and_fits_its_input() -> None:
    with pytest.raises(DefinitionError, match="outermost"):
        cron("0 9 * * *")(a)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="customer"):
        cron("0 9 * * *")(simple(input=Order))
    twice = cron("0 9 * * *", name="x")
    with pytest.raises(DefinitionError, match="already"):
        twice(twice(simple()))


def test_check_cron_serves_schedules_made_at_run_time() -> None:
    assert check_cron("*/5  * * * 1-5") == "*/5 * * * 1-5"


def test_calling_by_name_needs_no_definition_yet() -> None:
    @workflow
    def recursive() -> Any:
        return [a, call("recursive")]

    assert recursive.definition.nodes[1].id == "recursive"


def test_bound_functions_are_prepared_once() -> None:
    flow = simple()
    assert flow.bound("a", "body") is flow.bound("a", "body")
    with pytest.raises(DefinitionError, match="no function 'compensate'"):
        flow.bound("a", "compensate")


def test_an_input_model_whose_default_is_no_json_is_refused() -> None:
    class Odd(BaseModel):
        share: float = float("nan")

    with pytest.raises(DefinitionError, match="'simple'.*NaN"):
        simple(input=Odd)

"""A function gets what its parameters ask for, by name, checked by their annotations."""

from __future__ import annotations

import asyncio
import timeit
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from durable_core.dsl import BoundFunction, step
from durable_core.errors import DefinitionError, InputValidationError, MissingContextError

if TYPE_CHECKING:
    from pathlib import PurePath as Unseen


class Ctx(dict[str, Any]):
    """Stands for a context: a mapping with the untouched input beside it."""

    input = {"from": "start"}


class Line(BaseModel):
    price: Decimal


@dataclass
class Point:
    x: int


class Opaque:
    pass


def invoke(fn: Any, values: dict[str, Any] | None = None, role: str = "body", **options: Any) -> Any:
    return BoundFunction(fn, role).invoke(Ctx(values or {}), **options)  # type: ignore[arg-type]


def test_ctx_gets_the_context_and_other_parameters_their_values_by_name() -> None:
    values = Ctx(order_id="o", total=3)
    assert BoundFunction(lambda ctx: ctx).invoke(values) is values  # type: ignore[arg-type]
    assert invoke(lambda: 7) == 7
    assert invoke(lambda order_id, total: (order_id, total), values) == ("o", 3)
    assert invoke(lambda total, ctx, /, *, order_id="x": (total, order_id), values) == (3, "o")
    assert invoke(lambda order_id, missing=5: missing, values) == 5


def test_precedence_is_item_index_input_as_name_context_default() -> None:
    values = {"item": "ctx", "index": "ctx", "input": "ctx", "order": "ctx"}

    def body(item: Any, index: Any, input: Any, order: Any = "default") -> Any:
        return item, index, input, order

    assert invoke(body, values, item="i", index=2, as_name="order") == ("i", 2, {"from": "start"}, "i")
    assert invoke(body, values) == ("ctx", "ctx", {"from": "start"}, "ctx")
    assert invoke(body, {"item": 1, "index": 1}, as_name="order") == (1, 1, {"from": "start"}, "default")
    assert invoke(lambda item: item, {}, item=None) is None, "None is an item"


def test_a_missing_value_names_step_parameter_and_the_keys_there_are() -> None:
    with pytest.raises(MissingContextError) as caught:
        BoundFunction(lambda order_id: 1, "body", "charge").invoke(Ctx(b=1, a=2))  # type: ignore[arg-type]
    assert isinstance(caught.value, KeyError)
    assert (caught.value.step, caught.value.key, caught.value.keys) == ("charge", "order_id", ("a", "b"))
    assert "'charge'" in str(caught.value) and "a, b" in str(caught.value)


def test_annotated_parameters_are_converted_leniently() -> None:
    def body(
        count: int, price: Decimal, line: Line, when: datetime, few: Annotated[int, Field(le=9)], point: Point
    ) -> Any:
        return count, price, line, when, few, point

    given = {"count": "3", "price": "1.20", "line": {"price": 2}, "few": 9, "point": {"x": 1}}
    found = invoke(body, given | {"when": "2030-01-01T00:00:00Z"})
    assert found[:3] == (3, Decimal("1.20"), Line(price=Decimal(2)))
    assert found[3].year == 2030 and found[5] == Point(1)


def test_a_value_that_does_not_fit_names_the_step_and_every_field() -> None:
    def charge(line: Line, count: int) -> None: ...

    with pytest.raises(InputValidationError) as caught:
        invoke(charge, {"line": {"price": "x"}, "count": 1})
    assert list(caught.value.errors) == ["line.price"] and "'charge'" in str(caught.value)
    with pytest.raises(InputValidationError) as caught:
        invoke(charge, {"line": {"price": 1}, "count": "many"})
    assert list(caught.value.errors) == ["count"]


def test_values_of_exactly_the_annotated_type_are_passed_as_they_are() -> None:
    lines = [1]

    def body(lines: list, ctx: Any) -> Any:  # type: ignore[type-arg]
        return lines

    assert invoke(body, {"lines": lines}) is lines


def test_classes_pydantic_does_not_know_are_checked_by_instance() -> None:
    def body(thing: Opaque) -> Any:
        return thing

    thing = Opaque()
    assert invoke(body, {"thing": thing}) is thing
    with pytest.raises(InputValidationError):
        invoke(body, {"thing": 3})


def test_annotations_written_as_text_are_found_among_local_names() -> None:
    class Local(BaseModel):
        x: int

    @step
    def body(value: Local) -> Any:
        return value

    assert invoke(body.fn, {"value": {"x": "1"}}) == Local(x=1)


def test_an_annotation_only_type_checkers_see_is_a_clear_error() -> None:
    def charge(path: Unseen) -> None: ...

    with pytest.raises(DefinitionError, match="'Unseen' of parameter 'path' cannot be resolved.*TYPE_CHECKING"):
        invoke(charge, {"path": "x"})

    def unused(ctx: Unseen) -> int:
        return 1

    assert invoke(unused) == 1, "ctx is never looked at"


def test_functions_of_ctx_may_call_their_one_parameter_as_they_like() -> None:
    assert invoke(lambda c: c["x"], {"x": 1}, role="on") == 1
    assert invoke(lambda c, bound=3: c["x"] + bound, {"x": 1}, role="while") == 4
    assert invoke(lambda item: item, {}, role="on", item=5) == 5
    assert invoke(lambda low, high: high - low, {"low": 1, "high": 3}, role="on") == 2
    assert invoke(len, {"a": 1}, role="on") == 1
    with pytest.raises(MissingContextError):
        invoke(lambda c: c, {}, role="body")


def test_async_bodies_give_a_coroutine() -> None:
    async def body(x: int) -> int:
        return x

    bound = BoundFunction(body)
    assert bound.is_async and not BoundFunction(lambda: 1).is_async
    assert asyncio.run(bound.invoke(Ctx(x="3"))) == 3  # type: ignore[arg-type]


def test_the_plain_call_costs_next_to_nothing() -> None:
    """Half a microsecond on a quiet machine; the bound leaves room for a busy one."""
    ctx: Any = Ctx()

    def body(ctx: Any) -> None: ...

    invoke_ = BoundFunction(body).invoke
    invoke_(ctx)
    bare = min(timeit.repeat(lambda: body(ctx), number=20_000, repeat=5)) / 20_000
    bound = min(timeit.repeat(lambda: invoke_(ctx), number=20_000, repeat=5)) / 20_000
    assert bound - bare < max(0.5e-6, 15 * bare)

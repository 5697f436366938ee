"""S-9, D-6: whatever a body returns or raises ends as a recorded, readable failure; limits are typed errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from durable_core.dsl import Retry, decision, foreach, parallel, step, switch, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import LimitError
from tests.engine.runs import attempts, end_of

MIB = 1024 * 1024


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


class StrRaises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Exploding:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class HostileAttributes(Exception):
    def __init__(self) -> None:
        super().__init__("x")
        self.object = Exploding()
        self.nul = "\0" * 10
        self.surrogate = "\ud800"
        self.loop = self


class NoDict(Exception):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no dict")


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def circular() -> Any:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


ERRORS: list[BaseException] = [
    StrRaises(),
    HostileAttributes(),
    NoDict("x"),
    ValueError("a\0b"),
    ValueError("\ud800 surrogate"),
    ValueError("x" * 10_000_000),
    ValueError(Exploding()),
    ExceptionGroup("many", [ValueError(str(n)) for n in range(1000)]),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(5),
    MemoryError(),
    RecursionError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_exception_ends_as_a_recorded_readable_failure(engine: Engine, error: BaseException) -> None:
    """S-9: the failure path cannot fail."""

    @step
    def bad(ctx: Any) -> None:
        raise error

    run = end_of(engine, flow(bad))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == type(error).__name__
    assert run.error["step"] == "bad"
    assert len(json.dumps(dict(run.error))) < 200_000
    assert attempts(run, "bad") == [(1, "failed")]


VALUES: list[tuple[str, Callable[[], Any], str]] = [
    ("an object", lambda: Exploding(), "SerializationError"),
    ("a lambda", lambda: len, "SerializationError"),
    ("too deep", lambda: deep(5000), "SerializationError"),
    ("a circle", lambda: circular(), "SerializationError"),
    ("2 MB", lambda: "x" * (2 * MIB), "LimitError"),
    ("many bytes in few characters", lambda: "\u20ac" * (MIB // 2), "LimitError"),
    ("100 MB", lambda: "x" * (100 * MIB), "LimitError"),
]


@pytest.mark.parametrize(("make", "kind"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES])
def test_any_output_that_cannot_be_kept_is_a_readable_failure(
    engine: Engine, make: Callable[[], Any], kind: str
) -> None:
    """S-9, D-6: outputs that cannot be stored, or are over 1 MiB, fail the step; another attempt would not help."""

    @step(retry=Retry(max_attempts=3, base=0.0))
    def bad(ctx: Any) -> Any:
        ctx["fine"] = 1
        return make()

    run = end_of(engine, flow(bad))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == kind
    assert len(attempts(run, "bad")) == 1
    assert run.context == {}


@pytest.mark.parametrize("value", ["\ud800", "a\0b", [math.inf], {"\ud800": "\0"}, {"a": ["\udfff\0"]}], ids=ascii)
def test_what_no_database_takes_as_text_comes_back_as_it_was(engine: Engine, value: Any) -> None:
    """S-9: lone surrogates, NUL and infinities travel escaped, in outputs, contexts and inputs."""

    @step
    def first(ctx: Any) -> None:
        ctx["value"] = value

    @step
    def second(ctx: Any) -> Any:
        assert ctx["value"] == ctx.input["given"] == value
        return ctx["value"]

    run = end_of(engine, flow(first, second), {"given": value})
    assert run.status == "completed", run.error
    assert run.output == run.context["value"] == value


def test_the_path_to_what_cannot_be_encoded_is_told(engine: Engine) -> None:
    """A value that cannot be encoded fails the step with its path."""

    @step
    def bad(ctx: Any) -> None:
        ctx["order"] = {"lines": [{"price": 1}, {"price": object()}]}

    run = end_of(engine, flow(bad))
    assert run.error is not None
    assert run.error["attributes"]["path"] == "order.lines[1].price"


def test_an_output_of_just_under_the_limit_passes(engine: Engine) -> None:
    """D-6: 1 MiB is allowed."""

    @step
    def large(ctx: Any) -> str:
        return "x" * (MIB - 10)

    assert end_of(engine, flow(large)).status == "completed"


def test_a_context_that_grows_over_its_limit_fails_the_step_that_does_it(engine: Engine) -> None:
    """D-6: context 4 MiB, checked before commit; a key that is replaced does not count twice."""

    def grows(name: str, key: str) -> Any:
        @step(name=name)
        def body(ctx: Any) -> None:
            ctx[key] = "x" * 900_000

        return body

    replaced = [grows(f"same_{n}", "same") for n in range(8)]
    run = end_of(engine, flow(*replaced, *[grows(f"more_{n}", f"k{n}") for n in range(6)]))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("LimitError", "more_3")
    assert run.error["attributes"]["limit"] == 4 * MIB
    assert set(run.context) == {"same", "k0", "k1", "k2"}


def test_a_join_that_grows_the_context_over_its_limit_fails(engine: Engine) -> None:
    """D-6: what branches bring together counts as well."""

    @step
    def large(ctx: Any, item: int) -> str:
        ctx[f"k{item}"] = "x" * 900_000
        return "y"

    run = end_of(engine, flow(foreach("all", large, items=lambda ctx: range(6))))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("LimitError", "all")


def test_an_input_over_its_limit_is_refused_at_start(engine: Engine) -> None:
    """D-6: input 1 MiB, a typed error at `start`; nothing is written."""

    @step
    def body(ctx: Any) -> None: ...

    with pytest.raises(LimitError):
        engine.start(flow(body), {"x": "y" * 2 * MIB}, id="too-large")
    with pytest.raises(LimitError):
        engine.start(flow(body), {"x": "\u20ac" * (MIB // 2)}, id="too-large")
    assert end_of(engine, flow(body), id="too-large").status == "completed"


def test_a_large_output_function_is_limited(engine: Engine) -> None:
    """D-6: the workflow's output too."""

    @step
    def body(ctx: Any) -> None: ...

    run = end_of(engine, flow(body, output=lambda ctx: "x" * 2 * MIB))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == "LimitError"


HOSTILE_NODES: list[tuple[str, Callable[[Any], Any]]] = [
    ("a switch", lambda raiser: switch("here", on=raiser, cases={1: []})),
    ("items", lambda raiser: foreach("here", noop, items=raiser)),
    ("a merge", lambda raiser: parallel("here", noop, merge=lambda base, branches: raiser(base))),
    ("a guard", lambda raiser: switch("here", on=lambda ctx: 1, cases=[(raiser, [])])),
    ("a decision", lambda raiser: decision(name="here")(lambda ctx: raiser(ctx)).branch(a=[])),
]


@step
def noop(ctx: Any) -> None: ...


@pytest.mark.parametrize("make", [case[1] for case in HOSTILE_NODES], ids=[case[0] for case in HOSTILE_NODES])
@pytest.mark.parametrize("error", [StrRaises(), SystemExit(1)], ids=["str raises", "exit"])
def test_functions_of_the_context_fail_their_node_whatever_they_raise(
    engine: Engine, make: Callable[[Any], Any], error: BaseException
) -> None:
    """S-9: an exception in a function of ctx fails the node."""

    def raiser(ctx: Any) -> Any:
        raise error

    run = end_of(engine, flow(make(raiser)))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == (type(error).__name__, "here")


def test_a_merge_that_gives_what_cannot_be_stored_fails_the_join(engine: Engine) -> None:
    """S-9: joins are checked like steps."""
    run = end_of(engine, flow(parallel("here", noop, merge=lambda base, branches: {"x": object()})))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("SerializationError", "here")


def test_a_compensation_that_returns_what_cannot_be_stored_is_a_failed_one(engine: Engine) -> None:
    """S-9: in handlers too."""

    @step(compensate=lambda ctx: object())
    def a(ctx: Any) -> None: ...

    @step
    def bad(ctx: Any) -> None:
        raise StrRaises

    assert end_of(engine, flow(a, bad)).status == "compensation_failed"

"""The context as a step sees it."""

from __future__ import annotations

import copy
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.codec import decode
from durable_core.context import AttemptInfo, Context, ReadOnlyContext, apply_changes, encode_items
from durable_core.errors import DefinitionError, InvalidStateError, MissingContextError, SerializationError


def bound(values=None, **more):
    return Context._bound(encode_items(values or {}), **more)


class Services:
    """What stands behind a context, as a record of what it was asked."""

    def __init__(self):
        self.asked = []
        self.cancelled = False
        self.looked = 0
        self.logger = logging.getLogger("durable.order.charge")

    def results(self):
        self.looked += 1
        return encode_items({"charge": Decimal("1.5")})

    def wait(self, kind, name, options):
        self.asked.append((kind, name, options))
        return "waited"

    def call(self, workflow, input, *, name, wait, options):
        self.asked.append(("call", workflow, input, name, wait, options["timeout"]))
        return "called"

    def once(self, key, fn, args, kwargs):
        return fn(*args, **kwargs)


KEYS = st.sampled_from(["a", "b", "n", "l"])
ACTIONS = st.lists(
    st.tuples(st.just("set"), KEYS, st.integers() | st.lists(st.integers(), max_size=2) | st.just({"x": {"y": 1}}))
    | st.tuples(st.just("del"), KEYS)
    | st.tuples(st.just("inc"), KEYS, st.integers(1, 3))
    | st.tuples(st.just("app"), KEYS, st.integers())
    | st.tuples(st.just("mutate"), KEYS)
    | st.tuples(st.just("get"), KEYS),
    max_size=12,
)


def act(ctx, actions):
    """Do what a body does; a dict and a Context must take it alike."""
    for action, key, *values in actions:
        rest = copy.deepcopy(values)  # one by one: two writes of one value must not share it
        plain = isinstance(ctx, dict)
        value = ctx.get(key, 0)
        if action == "set":
            ctx[key] = rest[0]
        elif action == "del" and key in ctx:
            del ctx[key]
        elif action == "inc" and isinstance(value, int):
            if plain:
                ctx[key] = value + rest[0]
            else:
                assert ctx.increment(key, rest[0]) == value + rest[0]
        elif action == "app" and (key not in ctx or isinstance(value, list)):
            if plain:
                ctx.setdefault(key, []).append(rest[0])
            else:
                ctx.append(key, rest[0])
        elif action == "mutate" and isinstance(value, list):
            value.insert(0, 9)
        elif action == "mutate" and isinstance(value, dict):
            value["x"]["z"] = [1]


@given(ACTIONS, ACTIONS)
def test_a_context_is_a_mapping_and_its_changes_lead_to_what_the_body_saw(before, actions):
    """X-2: reads, writes, deletions, increments, appends and changes in place, in any order."""
    base, expected = {}, {}
    act(base, before)
    act(expected, before)
    encoded = encode_items(base)
    frozen = copy.deepcopy(encoded)
    ctx = Context._bound(encoded)
    act(ctx, actions)
    act(expected, actions)
    assert dict(ctx) == expected == ctx.copy()
    assert list(ctx) == list(expected) and len(ctx) == len(expected)
    changes = ctx.changes()
    assert changes == ctx.changes()
    assert encoded == frozen
    apply_changes(encoded, changes)
    assert {key: decode(tree) for key, tree in encoded.items()} == expected
    assert list(encoded) == list(expected)


def test_a_nested_change_counts_and_mere_reading_does_not():
    """X-2: `ctx["a"]["b"] = 1` counts."""
    ctx = bound({"a": {"b": 0}, "c": {1, 2}, "d": [Decimal(1)]})
    assert (ctx["c"], ctx["d"]) == ({1, 2}, [Decimal(1)])
    assert ctx.changes() == []
    ctx["a"]["b"] = 1
    assert ctx.changes() == [["set", "a", {"b": 1}]]


def test_one_for_true_counts():
    ctx = bound({"a": [1]})
    ctx["a"][0] = True
    assert ctx.changes() == [["set", "a", [True]]]


def test_a_written_object_may_change_until_the_body_ends():
    ctx = bound()
    lines = []
    ctx["lines"] = lines
    lines.append(1)
    assert ctx["lines"] is lines
    assert ctx.changes() == [["set", "lines", [1]]]


def test_increments_and_appends_after_a_set_stay_apart():
    """X-3: a join applies them for every branch."""
    ctx = bound()
    ctx.setdefault("l", [])
    ctx.append("l", 1)
    ctx.append("l", 2)
    ctx["n"] = 5
    assert ctx.increment("n") == 6
    assert ctx.changes() == [["set", "l", []], ["app", "l", 1], ["app", "l", 2], ["set", "n", 5], ["inc", "n", 1]]


def test_whoever_holds_a_list_sees_it_grow():
    ctx = bound({"l": [1]})
    held = ctx["l"]
    ctx.append("l", 2)
    assert held == [1, 2] == ctx["l"]
    assert ctx.changes() == [["app", "l", 2]]


def test_increments_from_threads_of_one_body_all_count():
    ctx = bound()
    threads = [threading.Thread(target=lambda: [ctx.increment("n") for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ctx["n"] == 800 and len(ctx.changes()) == 800


def test_a_missing_key_names_those_there_are():
    ctx = bound({f"key{n}": n for n in range(30)}, info=AttemptInfo(step="charge"))
    with pytest.raises(MissingContextError) as caught:
        ctx["total"]
    assert isinstance(caught.value, KeyError)
    assert "no key 'total'" in str(caught.value) and "step 'charge'" in str(caught.value)
    assert "key19 and 10 more" in str(caught.value) and "key20" not in str(caught.value)
    assert (caught.value.key, len(caught.value.keys)) == ("total", 20)
    with pytest.raises(MissingContextError, match="It is empty"):
        del bound()["x"]
    assert bound().get("x") is None and bound().pop("x", 5) == 5


def test_what_cannot_be_stored_is_told_with_its_path():
    ctx = bound()
    ctx["order"] = {"lines": [{"price": 1j}]}
    with pytest.raises(SerializationError) as caught:
        ctx.changes()
    assert caught.value.path == "order.lines[0].price"
    with pytest.raises(SerializationError, match=r"l\.x"):
        ctx.append("l", {"x": 1j})


@pytest.mark.parametrize("key", [1, None, "$t", "a\0", "\udc80", ("a",)], ids=ascii)
def test_keys_are_storable_strings(key):
    with pytest.raises(SerializationError, match="takes no key"):
        bound()[key] = 1
    with pytest.raises(SerializationError, match="takes no key"):
        Context({key: 1})


def test_the_input_is_an_untouched_copy():
    info = AttemptInfo(input={"lines": [1]})
    ctx = Context._bound({"lines": [1]}, info)
    ctx["lines"].append(2)
    ctx["extra"] = 1
    assert ctx.input == {"lines": [1]}


def test_a_read_only_context_names_the_function_that_wrote():
    role = "the condition of loop 'retry_api'"
    for ctx in (bound({"a": [1]}, role=role), ReadOnlyContext._bound({"a": [1]}, role=role)):
        assert ctx["a"] == [1]
        for write in (
            lambda ctx: ctx.__setitem__("a", 1),
            lambda ctx: ctx.__delitem__("a"),
            lambda ctx: ctx.increment("n"),
            lambda ctx: ctx.append("a", 1),
            lambda ctx: ctx.update(b=1),
            lambda ctx: ctx.sleep_for(1),
        ):
            with pytest.raises(InvalidStateError, match="condition of loop 'retry_api'"):
                write(ctx)
        assert ctx.changes() == []


WAITS = [
    lambda ctx: ctx.sleep_for(1),
    lambda ctx: ctx.sleep_until(datetime.now(UTC)),
    lambda ctx: ctx.wait_for_event("paid"),
    lambda ctx: ctx.wait_for_any(["a"]),
    lambda ctx: ctx.wait_for_all(["a"]),
    lambda ctx: ctx.wait_for_input("details"),
    lambda ctx: ctx.call("other", {}),
    lambda ctx: ctx.once("k", print),
]


@pytest.mark.parametrize("wait", WAITS)
def test_a_free_standing_context_cannot_wait(wait):
    with pytest.raises(InvalidStateError, match="free-standing"):
        wait(Context({"a": 1}))


def test_waits_go_to_the_services_with_checked_options():
    services = Services()
    ctx = bound(services=services)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    ctx.sleep_for(hours=1, name="nap")
    ctx.sleep_until(when)
    assert ctx.wait_for_event("paid", timeout=timedelta(seconds=5), where={"id": "$id"}) == "waited"
    ctx.call("other", {"a": 1}, wait=False)
    assert ctx.once("k", max, 1, 2) == 2
    assert ctx["paid"] == "waited", "what a wait gave is in the context under its name"
    assert services.asked == [
        ("sleep_for", "nap", {"seconds": 3600.0}),
        ("sleep_until", None, {"time": when}),
        (
            "wait_for_event",
            "paid",
            {
                "events": ("paid",),
                "where": {"id": "$id"},
                "timeout": 5.0,
                "timeout_value": None,
                "on_timeout": "resume",
            },
        ),
        ("call", "other", {"a": 1}, "other", False, None),
    ]


BAD_WAITS = [
    (lambda ctx: ctx.sleep_for(), "needs a duration"),
    (lambda ctx: ctx.sleep_for(-1), "sleep_for"),
    (lambda ctx: ctx.sleep_until(datetime(2026, 1, 1)), "naive"),
    (lambda ctx: ctx.wait_for_event("paid", timeout=True), "timeout"),
    (lambda ctx: ctx.wait_for_event("paid", on_timeout="explode"), "on_timeout"),
    (lambda ctx: ctx.wait_for_event("paid", timeout_value=1), "event: timeout_value means nothing without a timeout"),
    (lambda ctx: ctx.wait_for_all(["paid"], on_timeout="fail"), "all: on_timeout means nothing without a timeout"),
    (lambda ctx: ctx.wait_for_input("q", timeout_value=False), "input: timeout_value means nothing"),
    (lambda ctx: ctx.call("other", on_timeout="fail"), "call: on_timeout means nothing"),
    (lambda ctx: ctx.wait_for_any("paid"), "list of event names"),
    (lambda ctx: ctx.wait_for_all([]), "list of event names"),
    (lambda ctx: ctx.once("k", 5), "function"),
]


@pytest.mark.parametrize(("wait", "said"), BAD_WAITS, ids=[case[1] for case in BAD_WAITS])
def test_a_wait_written_wrongly_is_a_definition_error(wait, said):
    with pytest.raises(DefinitionError, match=said):
        wait(bound(services=Services()))


def test_results_are_read_once_and_only_when_asked_for():
    services = Services()
    ctx = bound(services=services)
    assert services.looked == 0
    assert ctx.results["charge"] == Decimal("1.5") and dict(ctx.results) == {"charge": Decimal("1.5")}
    assert services.looked == 1
    with pytest.raises(MissingContextError, match="There are: charge"):
        ctx.results["ship"]


def test_the_facts_of_an_attempt():
    info = AttemptInfo(
        execution_id="wf_1",
        workflow="order",
        step="charge",
        path="loop/charge",
        attempt=2,
        iteration=3,
        item_index=1,
        iterations=(3, 1),
        item={"$t": "decimal", "v": "1"},
        output=[1],
    )
    services = Services()
    services.cancelled = True
    ctx = bound(info=info, services=services)
    assert (ctx.execution_id, ctx.workflow, ctx.step, ctx.attempt) == ("wf_1", "order", "charge", 2)
    assert (ctx.iteration, ctx.index, ctx.iterations, ctx.item, ctx.output) == (3, 1, (3, 1), Decimal(1), [1])
    assert ctx.idempotency_key == "wf_1:loop/charge:3.1"
    assert ctx.cancelled and ctx.logger.name == "durable.order.charge"
    with pytest.raises(AttributeError):
        ctx.attempt = 5


def test_a_free_standing_context_serves_unit_tests():
    @dataclass
    class Line:
        price: int

    ctx = Context({"lines": [Line(1)]}, item=5, index=2, results={"a": 1})
    assert (ctx["lines"], ctx.item, ctx.index, ctx.results["a"]) == ([Line(1)], 5, 2, 1)
    assert ctx.input == {"lines": [Line(1)]} and ctx.attempt == 1 and not ctx.cancelled
    assert ctx == {"lines": [Line(1)]} and repr(ctx) == "<Context of lines>"
    assert ctx.scheduled_for is None
    tick = datetime(2026, 3, 8, 2, tzinfo=UTC)
    assert Context(scheduled_for=tick.astimezone(ZoneInfo("Europe/Madrid"))).scheduled_for == tick
    with pytest.raises(DefinitionError, match="scheduled_for is a naive datetime"):
        Context(scheduled_for=datetime(2026, 3, 8))

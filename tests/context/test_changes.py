"""Changes as data: sums equal what they sum up, joins follow the written order (X-3, T-1)."""

from __future__ import annotations

import copy
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.codec import decode, encode
from durable_core.context.changes import Delta, apply_changes, diff, merge_deltas
from durable_core.errors import DefinitionError, InvalidStateError

# Keys by what they hold, so that random operations are valid: n* numbers, l* lists, v* anything.
NUMBER = st.integers(-5, 5) | st.sampled_from([0.1, 0.25, 2**62]) | st.just({"$t": "decimal", "v": "0.10"})
TREE = st.none() | st.integers(0, 3) | st.dictionaries(st.sampled_from("xy"), st.integers(0, 2), max_size=2)
OP = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(["n1", "n2"]), NUMBER),
    st.tuples(st.just("inc"), st.sampled_from(["n1", "n2"]), NUMBER),
    st.tuples(st.just("set"), st.sampled_from(["l1", "l2"]), st.lists(TREE, max_size=2)),
    st.tuples(st.just("app"), st.sampled_from(["l1", "l2"]), TREE),
    st.tuples(st.just("set"), st.sampled_from(["v1", "v2"]), TREE),
    st.tuples(st.just("del"), st.sampled_from(["n1", "n2", "l1", "l2", "v1", "v2"])),
).map(list)
OPS = st.lists(OP, max_size=12)


def after(base, ops):
    """The naive reading: one operation after the other."""
    context = copy.deepcopy(base)
    apply_changes(context, copy.deepcopy(ops))
    return context


def text(context):
    return json.dumps(context)  # order of keys included


@given(OPS, OPS)
def test_a_delta_equals_its_operations_one_by_one(before, ops):
    """X-4: a resume from the sum sees what the running execution saw, order of keys and last digits included."""
    base = after({}, before)
    frozen = text(base)
    delta = Delta.of(ops)
    assert text(delta.apply(base)) == text(after(base, ops))
    assert text(base) == frozen
    assert text(after(base, delta.ops())) == text(after(base, ops))
    again = Delta.from_json(json.loads(json.dumps(delta.to_json())))
    assert again == delta and text(again.apply(base)) == text(after(base, ops))


@given(OPS, OPS, OPS)
def test_deltas_add_up(before, first, second):
    base = after({}, before)
    delta = Delta.of(first)
    delta.add(second)
    assert text(delta.apply(base)) == text(after(base, first + second))
    assert delta == Delta.of(first + second)


@given(OPS)
def test_a_whole_context_is_a_delta_of_nothing(ops):
    context = after({}, ops)
    assert text(Delta.of_context(context).apply({})) == text(context)


@given(OPS, OPS)
def test_the_difference_of_two_contexts_leads_from_one_to_the_other(before, ops):
    base, new = after({}, before), after({}, ops)
    assert after(base, diff(base, new)) == new
    assert diff(base, base) == []


@given(OPS, OPS)
def test_applying_changes_leaves_the_trees_of_the_operations_alone(before, ops):
    frozen = copy.deepcopy((before, ops))
    context = {}
    apply_changes(context, before)
    shared = dict(context)
    kept = copy.deepcopy(shared)
    apply_changes(context, ops)
    assert (before, ops) == frozen and shared == kept


def naive_merge(base, branches, strategy):
    """What a reader of the promise would write: sets and dels by strategy, then every increment and append in order."""
    context = copy.deepcopy(base)
    written = {}
    for ops in branches:
        last, own = {}, {}
        for op in ops:
            if op[0] in ("set", "del"):
                last[op[1]] = op
                own[op[1]] = [op]
            elif op[1] in own:
                own[op[1]].append(op)
        for key, op in last.items():
            written.setdefault(key, []).append((op, own[key]))
    collected = set()
    for key, writes in written.items():
        if strategy == "collect" and len(writes) > 1:
            collected.add(key)
            ends = [after({}, own) for _, own in writes]
            values = [end[key] for end in ends if key in end]
            context.pop(key, None)
            if values:
                context[key] = values if len(values) > 1 else values[0]
        else:
            apply_changes(context, [writes[-1][0]])
    for ops in branches:
        cleared = {op[1]: at for at, op in enumerate(ops) if op[0] in ("set", "del")}
        for at, op in enumerate(ops):
            key = op[1]
            if op[0] in ("inc", "app") and at > cleared.get(key, -1) and not (key in collected and key in cleared):
                apply_changes(context, [op])
    return context


@given(OPS, st.lists(OPS, max_size=4), st.sampled_from(["last_wins", "collect"]))
def test_a_join_equals_the_naive_reading(before, branches, strategy):
    """X-3: set and delete follow `merge`; append and increment of all branches are applied in written order."""
    base = after({}, before)
    try:
        expected = naive_merge(base, branches, strategy)
    except InvalidStateError:
        with pytest.raises(InvalidStateError):
            after(base, merge_deltas(base, [Delta.of(ops) for ops in branches], strategy))
        return
    ops = merge_deltas(base, [Delta.of(ops) for ops in branches], strategy)
    assert json.loads(json.dumps(ops)) == ops
    assert after(base, ops) == expected


@given(OPS, st.lists(OPS, max_size=4), st.sampled_from(["last_wins", "deep_merge", "collect"]))
def test_keys_nobody_touched_stay(before, branches, strategy):
    base = after({}, before)
    touched = {op[1] for ops in branches for op in ops}
    for op in merge_deltas(base, [Delta.of(ops) for ops in branches], strategy):
        assert op[1] in touched


def joined(base, branches, strategy):
    return after(base, merge_deltas(base, [Delta.of(ops) for ops in branches], strategy))


LAST = [
    ([[["set", "a", 1]], [["set", "a", 2]]], {"a": 2}, "the later branch overrides"),
    ([[["set", "a", 1]], []], {"a": 1}, "who wrote nothing overrides nothing"),
    ([[["set", "a", 1]], [["del", "a"]]], {}, "a later deletion counts"),
    ([[["del", "a"]], [["set", "a", 1]]], {"a": 1}, "a later set counts"),
    ([[["inc", "n", 1]], [["inc", "n", 2]], [["inc", "n", 3]]], {"n": 6}, "every increment counts"),
    ([[["app", "l", "x"]], [["app", "l", "y"]]], {"l": ["x", "y"]}, "every append counts, in written order"),
    ([[["set", "l", []], ["app", "l", 1]], [["set", "l", []], ["app", "l", 2]]], {"l": [1, 2]}, "each starts its list"),
    ([[["set", "n", 5], ["inc", "n", 1]], [["inc", "n", 2]]], {"n": 8}, "an increment after a set stays apart"),
    ([[["inc", "n", 2], ["set", "n", 5]]], {"n": 5}, "a set clears what came before it"),
]


@pytest.mark.parametrize(("branches", "result", "reason"), LAST, ids=[case[2] for case in LAST])
def test_last_wins(branches, result, reason):
    assert joined({}, branches, "last_wins") == result


DEEP = [
    ({}, [[["set", "a", {"x": 1}]], [["set", "a", {"y": 2}]]], {"a": {"x": 1, "y": 2}}, "mappings are united"),
    ({"a": {"z": 0}}, [[["set", "a", {"x": {"p": 1}}]], [["set", "a", {"x": {"q": 2}}]]],
     {"a": {"z": 0, "x": {"p": 1, "q": 2}}}, "recursively, into what was there"),
    ({"a": {"n": 1, "m": 1}}, [[["set", "a", {"n": 2, "m": 1}]], [["set", "a", {"n": 1, "m": 2}]]],
     {"a": {"n": 2, "m": 2}}, "what a branch left as it was overrides nothing"),
    ({"a": {"x": 1}}, [[["set", "a", {"x": 2}]], [["set", "a", {"x": 3}]]], {"a": {"x": 3}}, "the later branch wins"),
    ({"a": {"x": 1}}, [[["set", "a", 5]], [["set", "a", {"y": 1}]]], {"a": {"y": 1}}, "other values are replaced"),
    ({"a": {"x": 1}}, [[["del", "a"]], [["set", "a", {"y": 1}]]], {"a": {"y": 1}}, "a deletion, then a set"),
    ({}, [[["set", "a", {"$t": "decimal", "v": "1"}]], [["set", "a", {"$t": "decimal", "v": "2"}]]],
     {"a": {"$t": "decimal", "v": "2"}}, "a tagged value is no mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "branches", "result", "reason"), DEEP, ids=[case[3] for case in DEEP])
def test_deep_merge(base, branches, result, reason):
    assert joined(base, branches, "deep_merge") == result


COLLECT = [
    ([[["set", "a", 1]], [["set", "a", 2]], []], {"a": [1, 2]}, "several writers: their values in written order"),
    ([[["set", "a", 1]], []], {"a": 1}, "one writer: its value"),
    ([[["set", "a", 1]], [["del", "a"]]], {"a": 1}, "a deletion is no value"),
    ([[["del", "a"]], [["del", "a"]]], {}, "deleted by all"),
    ([[["set", "n", 1], ["inc", "n", 1]], [["set", "n", 5]]], {"n": [2, 5]}, "a value is what its branch made of it"),
    ([[["set", "a", 1]], [["set", "a", 2]], [["app", "a", 3]]], {"a": [1, 2, 3]}, "an append joins the list"),
]


@pytest.mark.parametrize(("branches", "result", "reason"), COLLECT, ids=[case[2] for case in COLLECT])
def test_collect(branches, result, reason):
    assert joined({}, branches, "collect") == result


def test_a_thousand_items_that_count_are_one_operation():
    ops = merge_deltas({}, [Delta.of([["inc", "n", 1]]) for _ in range(1000)], "last_wins")
    assert ops == [["inc", "n", 1, 1000]]
    assert after({}, ops) == Delta.of(ops).apply({}) == {"n": 1000}


def test_an_unknown_strategy_names_those_there_are():
    with pytest.raises(DefinitionError, match="last_wins, deep_merge, collect"):
        merge_deltas({}, [], "first_wins")


NUMBERS = [
    (5, 1, 6, "int"),
    (5, 0.5, 5.5, "int and float"),
    (0.5, 1, 1.5, "float"),
    (Decimal("1.10"), 1, Decimal("2.10"), "a Decimal stays one"),
    (Decimal("1.10"), 0.1, Decimal("1.20"), "a float is added as written"),
    (1, Decimal("0.5"), Decimal("1.5"), "an int takes a Decimal in"),
    (0.5, Decimal("0.5"), 1.0, "a float stays one"),
    (2**63, 1, 2**63 + 1, "beyond 63 bits"),
]


@pytest.mark.parametrize(("value", "amount", "result", "reason"), NUMBERS, ids=[case[3] for case in NUMBERS])
def test_increments_keep_the_type(value, amount, result, reason):
    context = {"n": encode(value)}
    apply_changes(context, [["inc", "n", encode(amount)]])
    assert decode(context["n"]) == result and type(decode(context["n"])) is type(result)


@pytest.mark.parametrize("value", ["5", None, True, [1], {"a": 1}, {1, 2}], ids=str)
def test_incrementing_what_is_no_number_names_the_key_and_its_type(value):
    with pytest.raises(InvalidStateError, match="cannot increment 'n': it holds "):
        apply_changes({"n": encode(value)}, [["inc", "n", 1]])


@pytest.mark.parametrize("value", ["ab", None, 5, {"a": 1}, (1, 2)], ids=str)
def test_appending_to_what_is_no_list_names_the_key_and_its_type(value):
    with pytest.raises(InvalidStateError, match="cannot append to 'l': it holds "):
        apply_changes({"l": encode(value)}, [["app", "l", 1]])


@pytest.mark.timeout(20)
def test_many_appends_are_not_many_copies():
    """D-6 allows a foreach of 100,000 items, each of which may append."""
    context = {}
    apply_changes(context, [["app", "l", number] for number in range(100_000)])
    assert len(context["l"]) == 100_000

"""What cannot be stored or read says where it is; names in data never lead to code (D-4)."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import pydantic
import pytest

from durable_core.codec import (
    decode,
    dump_tree,
    encode,
    load_tree,
    register_annotations,
    register_codec,
    register_type,
    to_plain,
)
from durable_core.errors import DefinitionError, SerializationError


@dataclass
class Box:
    content: Any


class Size(Enum):
    BIG = 1


class Model(pydantic.BaseModel):
    a: Any = None


class Odd:
    def __repr__(self):
        raise ValueError


BAD = [
    ({"lines": [0, 1, 2, {"price": object()}]}, "lines[3].price", "object has no stored form"),
    ([{"a b": object()}], "[0]['a b']", "object"),
    ({"f": len}, "f", "Functions and classes are code"),
    ({"f": Box}, "f", "Functions and classes are code"),
    ({"f": threading.Lock()}, "f", "register_codec"),
    ({"d": deque([1])}, "d", "collections.deque"),
    ({"b": Box([Box(1j)])}, "b.content[0].content", "complex"),
    ({"m": Model(a={"x": 1j})}, "m.a.x", "complex"),
    ({Odd(): 1}, "[<Odd>]", "a key"),
    ({"s": {1j}}, "s[0]", "complex"),
    ({"t": (1, 1j)}, "t[1]", "complex"),
    ({1: {"x": 1j}}, "[1].x", "complex"),
]


@pytest.mark.parametrize(("value", "path", "said"), BAD, ids=[case[1] for case in BAD])
def test_what_cannot_be_stored_says_where_it_is(value, path, said):
    with pytest.raises(SerializationError) as caught:
        encode(value)
    assert caught.value.path == path
    assert path in str(caught.value) and said in str(caught.value)
    with pytest.raises(SerializationError) as caught:
        encode(value, "order")
    assert caught.value.path == ("order" + path if path.startswith("[") else f"order.{path}")


def cycle_of_lists():
    value: list[Any] = [1]
    value.append({"me": value})
    return value


def cycle_through_an_object():
    box = Box(None)
    box.content = {"box": box}
    return box


@pytest.mark.parametrize(
    ("make", "path"), [(cycle_of_lists, "[1].me"), (cycle_through_an_object, "content.box")], ids=["list", "object"]
)
def test_a_cycle_is_told_at_the_place_where_it_closes(make, path):
    with pytest.raises(SerializationError, match="contains itself") as caught:
        encode(make())
    assert caught.value.path == path


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: {1: v}, lambda v: (v,), Box])
def test_too_deep_is_refused_and_what_is_accepted_can_be_read(wrap):
    value: Any = 1
    for _ in range(50):
        value = wrap(value)
    decode(load_tree(dump_tree(encode(value))))
    for _ in range(5000):
        value = wrap(value)
    with pytest.raises(SerializationError, match="deeper than 200"):
        encode(value)


def test_scalars_of_numpy_are_named_with_what_to_do():
    class int64:
        def item(self):
            return 1

        def tolist(self):
            return 1

    with pytest.raises(SerializationError, match=r"value.item\(\)") as caught:
        encode({"n": int64()})
    assert caught.value.path == "n"


UNKNOWN = [
    {"$t": "dataclass", "n": "os:system", "v": {"a": {"$t": "decimal", "v": "1"}}},
    {"$t": "enum", "n": "antigravity:X", "v": "A"},
    {"$t": "model", "n": "antigravity:X", "v": {}},
    {"$t": "x", "n": "antigravity:X", "v": 1},
    {"$t": "namedtuple", "n": "builtins:eval", "v": {}},
]


@pytest.mark.parametrize("tree", UNKNOWN, ids=lambda tree: tree["$t"])
def test_a_name_in_data_never_imports_and_an_unknown_one_is_named(tree):
    """D-4: a worker gets a SerializationError, a viewer plain data."""
    with pytest.raises(SerializationError, match=tree["n"]) as caught:
        decode({"a": [tree]})
    assert caught.value.path == "a[0]"
    assert "antigravity" not in sys.modules
    plain = decode({"a": [tree]}, strict=False)["a"][0]
    assert plain == ({"a": Decimal(1)} if "a" in str(tree["v"]) and isinstance(tree["v"], dict) else decode(tree["v"]))


MANGLED = [
    {"$t": "decimal", "v": "no number"},
    {"$t": "decimal"},
    {"$t": "datetime", "v": 5},
    {"$t": "from the future", "v": 1},
    {"$t": ["list"]},
    {"$t": "bytes", "v": "§"},
    {"$t": "dict", "v": [[1]]},
    {"$t": "dataclass", "n": 5, "v": []},
    {"$t": "set", "v": [[1]]},
    {"$t": "time", "v": "12:00", "z": "../../etc/passwd"},
]


@pytest.mark.parametrize("tree", MANGLED, ids=str)
def test_a_mangled_tag_is_a_typed_error_and_never_stops_a_viewer(tree):
    with pytest.raises(SerializationError):
        decode({"a": tree})
    decode({"a": tree}, strict=False)


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a":Infinity}', "[" * 100_000], ids=lambda text: text[:12])
def test_text_that_is_no_json_is_a_typed_error(text):
    with pytest.raises(SerializationError):
        load_tree(text)


@pytest.mark.parametrize("tree", [object(), float("nan"), {"a": {1, 2}}], ids=["object", "NaN", "set"])
def test_a_tree_that_was_not_encoded_is_a_typed_error(tree):
    with pytest.raises(SerializationError):
        dump_tree(tree)


def test_text_of_hand_made_trees_is_valid_utf8():
    """S-9: a lone surrogate in an error made by hand must not stop its own record."""
    assert load_tree(dump_tree({"a": "\udc80"}).encode()) == {"a": "\udc80"}


def test_a_registered_codec_serves_its_type_and_subclasses():
    class Money:
        def __init__(self, cents):
            self.cents = cents

    class Euro(Money):
        pass

    register_codec(Money, lambda m: {"cents": m.cents}, lambda data: Money(data["cents"]), name="money")
    tree = encode([Money(1), Euro(2)])
    assert tree[0] == {"$t": "x", "n": "money", "v": {"cents": 1}}
    assert [m.cents for m in decode(tree)] == [1, 2]
    register_codec(Money, lambda m: m.cents, Money, name="money")
    assert encode(Money(3)) == {"$t": "x", "n": "money", "v": 3}
    assert decode(encode(Money(3))).cents == 3


def test_a_codec_that_raises_is_told_with_the_path():
    class Bad:
        pass

    register_codec(Bad, lambda value: 1 / 0, lambda data: 1 / 0, name="bad")
    with pytest.raises(SerializationError, match="the codec of bad raised ZeroDivisionError") as caught:
        encode({"a": [Bad()]})
    assert caught.value.path == "a[0]"
    with pytest.raises(SerializationError, match="ZeroDivisionError"):
        decode({"$t": "x", "n": "bad", "v": 1})


@pytest.mark.parametrize("bad", [str, dict, "Money", 5], ids=str)
def test_register_codec_refuses_what_is_json_already_or_no_type(bad):
    with pytest.raises(DefinitionError):
        register_codec(bad, str, str)


def test_register_type_refuses_what_has_no_fields():
    with pytest.raises(DefinitionError, match="register_codec"):
        register_type(int)


def test_annotations_of_a_function_make_their_types_known():
    """D-4: the registry is filled by the annotations of registered steps."""

    @dataclass
    class Inner:
        size: Size

    @dataclass
    class Outer:
        inner: list[Inner] | None

    def step(ctx, order: Outer, other: dict[str, Model | None], odd: "OnlyForCheckers" = None) -> Box: ...  # noqa: F821, UP037

    found = register_annotations(step, locals())
    assert set(found) == {Outer, Inner, Size, Model, Box}
    assert decode({"$t": "enum", "n": f"{__name__}:Size", "v": "BIG"}) is Size.BIG


def test_a_class_defined_again_replaces_the_first():
    """A notebook cell run twice."""

    def define():
        @register_type
        @dataclass
        class Cell:
            a: int

        return Cell

    first, second = define(), define()
    assert type(decode(encode(first(1)))) is second


def test_a_class_that_gained_a_field_with_a_default_reads_old_values():
    @register_type
    @dataclass
    class Growing:
        a: int
        b: int = 7

    tree = encode(Growing(1))
    del tree["v"]["b"]
    assert decode(tree) == Growing(1, 7)
    del tree["v"]["a"]
    with pytest.raises(SerializationError, match="a field 'a' the stored value lacks"):
        decode(tree)
    assert dataclasses.is_dataclass(Growing)


def test_a_script_and_its_module_are_one():
    """The same file run as __main__ and imported: flows:Order and shop.flows:Order."""

    @register_type
    class Colour(Enum):
        RED = 1

    Colour.__module__, Colour.__qualname__ = "shop.flows", "Colour"
    register_type(Colour)
    assert decode({"$t": "enum", "n": "flows:Colour", "v": "RED"}) is Colour.RED


def test_plain_json_for_other_programs():
    value = {
        "price": Decimal("1.20"),
        "tags": ("a",),
        "size": Size.BIG,
        "box": Box(Decimal("2")),
        "by": {1: "x", (1, 2): "y"},
        "bad": "\udc80",
    }
    assert to_plain(encode(value)) == {
        "price": "1.20",
        "tags": ["a"],
        "size": "BIG",
        "box": {"content": "2"},
        "by": {"1": "x", "[1, 2]": "y"},
        "bad": "\\udc80",
    }

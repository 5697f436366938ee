"""Every value type comes back as itself, through text that every database takes."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.codec import decode, dump_tree, dumps, encode, encoded_size, is_plain, load_tree, loads, same_tree


class Colour(Enum):
    RED = 1
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Kind(StrEnum):
    A = "a"


class Rights(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: Any = 0


@dataclass(frozen=True, slots=True)
class Line:
    price: Decimal
    tags: tuple[str, ...] = ()


@dataclass
class Order:
    lines: list[Line]
    when: datetime | None = None
    secret: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.secret = 1


class Customer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str = pydantic.Field(alias="customerName")
    born: date | None = None
    _visits: int = pydantic.PrivateAttr(default=3)


ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF), max_size=12)  # surrogates and NUL too
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Berlin")])
DATETIMES = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=ZONES, allow_imaginary=False)
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | ANY_TEXT
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.binary(max_size=8)
    | st.dates()
    | DATETIMES
    | st.timedeltas()
    | st.sampled_from([*Colour, *Level, *Kind, Rights.READ | Rights.WRITE])
    | ANY_TEXT.map(PurePosixPath),
    lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=3) | st.builds(Point, inner, inner),
    max_leaves=4,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(ANY_TEXT | st.just("$t"), inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.builds(
            Order, st.builds(Line, st.decimals(allow_nan=False), st.tuples(ANY_TEXT)).map(lambda x: [x]), DATETIMES
        )
        | st.builds(Customer, customerName=st.text(max_size=5), born=st.dates(), more=inner)
    ),
    max_leaves=8,
)


def equal(one: Any, other: Any) -> bool:
    """Equal and of equal types, all the way down: 1 is not True is not 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            equal(a, b) and equal(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


@given(VALUES)
def test_every_value_comes_back_as_itself(value):
    """The next step sees what the last one stored, with or without a suspension in between."""
    tree = encode(value)
    text = dump_tree(tree)
    assert "\0" not in text and "\\u0000" not in text  # PostgreSQL takes no NUL, escaped in jsonb neither
    assert json.loads(text.encode()) == load_tree(text)
    assert equal(decode(load_tree(text)), value)
    assert equal(loads(dumps(value)), value)
    assert encoded_size(tree) == len(text.encode())


@given(VALUES)
def test_encoding_again_gives_the_same_tree(value):
    """X-2 compares encoded forms: an untouched value must compare equal."""
    tree = encode(value)
    assert same_tree(encode(decode(tree)), tree)


@given(VALUES)
def test_plain_trees_are_their_own_values(value):
    tree = encode(value)
    assert is_plain(tree) == (dump_tree(tree).count('{"$t":') == 0)
    if is_plain(tree):
        assert decode(tree) == tree
        if isinstance(tree, (dict, list)):
            assert decode(tree) is not tree


SPECIAL = [
    (math.inf, "infinity"),
    (-math.inf, "minus infinity"),
    (-0.0, "negative zero"),
    (2**63, "beyond 63 bits"),
    (Decimal("1.20"), "trailing zero"),
    (Decimal("sNaN"), "signalling NaN"),
    ("\ud83d\ude00", "two surrogates are no emoji"),
    ("a\\x00b\\ud800\0", "text that looks escaped"),
    ({"$t": "decimal", "v": "1.20"}, "user data that looks like a tag"),
    ({"$t": None}, "the tag key alone"),
    ({1: "a", "1": "b", False: "c"}, "keys that JSON would mix up"),
    ({(1, 2): {None: set()}}, "keys of every kind"),
    (b"\x00\xff", "bytes"),
    (bytearray(b"ab"), "bytearray"),
    (Path("/tmp/ä"), "path"),
    (PureWindowsPath("C:/x"), "path of another system"),
    (time(12, 30, tzinfo=ZoneInfo("Europe/Berlin")), "time with a zone"),
    (time(1, 2, 3, 4, tzinfo=UTC), "time with an offset"),
    (timedelta(days=-1, microseconds=1), "negative timedelta"),
    (datetime(2026, 10, 25, 2, 30, fold=1), "naive time in the autumn overlap"),
    (UUID(int=0), "uuid"),
    (frozenset({(1, "a"), (2, "b")}), "set of tuples"),
    (Rights(0), "a flag without a name"),
    (Point(1, [2]), "named tuple"),
]


@pytest.mark.parametrize(("value", "reason"), SPECIAL, ids=[reason for _, reason in SPECIAL])
def test_special_values_come_back(value, reason):
    again = loads(dumps(value))
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_integers_with_more_digits_than_python_writes_come_back():
    assert loads(dumps(-(10**5000))) == -(10**5000)


def test_not_a_number_comes_back():
    """S-9: NaN is no JSON, and yet ends as valid JSON."""
    text = dumps({"x": math.nan})
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert math.isnan(loads(text)["x"])


def test_a_zone_comes_back_by_name_on_both_sides_of_the_autumn_overlap():
    zone = ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        again = loads(dumps(datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold)))
        assert (again.tzinfo, again.fold, again.utcoffset()) == (zone, fold, timedelta(hours=2 - fold))


def test_subclasses_without_a_codec_come_back_as_what_they_extend():
    class Name(str):
        def __str__(self):
            return "lies"

    values = [Name("n"), OrderedDict(b=1, a=2), defaultdict(list, x=[1]), MappingProxyType({"k": 1})]
    assert loads(dumps(values)) == ["n", {"b": 1, "a": 2}, {"x": [1]}, {"k": 1}]
    assert type(loads(dumps(values))[0]) is str


def test_dataclasses_come_back_without_running_their_init_again():
    order = Order([Line(Decimal("1.20"), ("a",))], datetime(2026, 1, 1, tzinfo=UTC))
    order.secret = 42
    again = loads(dumps(order))
    assert again == order and again.secret == 42 and type(again.lines[0].tags) is tuple


def test_models_come_back_with_aliases_extras_and_what_was_given():
    customer = Customer(customerName="Ana", vip=True)
    again = loads(dumps(customer))
    assert again == customer
    assert again.model_fields_set == customer.model_fields_set == {"name", "vip"}
    assert (again._visits, again.vip) == (3, True)


def test_equal_sets_have_equal_trees():
    assert encode({"b", "a", "c"}) == encode({"c", "b", "a"}) == {"$t": "set", "v": ["a", "b", "c"]}


def test_numbers_that_compare_equal_are_different_trees():
    assert not same_tree([1], [True])
    assert not same_tree([1], [1.0])
    assert same_tree({"a": [1, "x"]}, {"a": [1, "x"]})

"""Clock, durations and ISO times."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.clock import SYSTEM_CLOCK, VirtualClock, from_us, iso, parse_iso, seconds_to_us, to_us
from durable_core.durations import from_parts, parse_duration, to_seconds
from durable_core.errors import DefinitionError


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_exact_to_the_microsecond(moment):
    us = to_us(moment)
    assert from_us(us) == moment
    assert parse_iso(iso(us)) == us
    assert iso(us).endswith("Z") and len(iso(us)) == 27


def test_iso_times_sort_like_the_times():
    assert iso(0) == "1970-01-01T00:00:00.000000Z" < iso(1) < iso(10**6)


def test_other_offsets_name_the_same_instant():
    assert parse_iso("2026-01-01T02:00:00+02:00") == to_us(datetime(2026, 1, 1, tzinfo=UTC))
    assert to_us(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == parse_iso("2026-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "soon", ""], ids=["naive", "no time", "empty"])
def test_naive_and_unreadable_times_are_refused_naming_the_option(text):
    with pytest.raises(DefinitionError, match="the start"):
        parse_iso(text, "the start")


def test_a_naive_datetime_is_refused():
    with pytest.raises(DefinitionError, match="naive"):
        to_us(datetime(2026, 1, 1))


def test_a_virtual_clock_moves_only_when_told_and_never_back():
    """S-4: virtual time moves due times; monotonic time, which judges leases, stays real."""
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    start = clock.now_us()
    assert clock.advance(1.5) == clock.advance(0) == start + 1_500_000
    assert clock.advance(timedelta(hours=1)) == start + 3_601_500_000
    assert clock.move_to(0) == clock.now_us()
    assert abs(clock.monotonic() - SYSTEM_CLOCK.monotonic()) < 60


@given(st.floats(0, 1e9))
def test_a_duration_in_microseconds_is_never_shorter(seconds):
    """W-4: a sleep never ends early."""
    assert seconds_to_us(seconds) >= seconds * 1_000_000 > seconds_to_us(seconds) - 1.001


@pytest.mark.parametrize("value", [True, math.nan, math.inf, -math.inf, -1, -0.001, "5", None, 10**400, timedelta(-1)])
def test_what_is_no_duration_is_refused_naming_the_option(value):
    with pytest.raises(DefinitionError, match="timeout of charge"):
        to_seconds(value, "timeout of charge")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("2h", 7200), ("15m", 900), ("45s", 45), ("1h30m", 5400), ("90", 90), ("1.5h", 5400),
     ("250ms", 0.25), (" 1D ", 86400), ("2w", 1_209_600)],
)  # fmt: skip
def test_durations_of_the_command_line(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "5x", "-3d", "nan", "inf", "1h 30m!", "1e999"])
def test_unreadable_durations_are_refused(text):
    with pytest.raises(DefinitionError, match="--older-than"):
        parse_duration(text, "--older-than")


def test_durations_in_parts():
    assert from_parts("sleep_for", hours=24) == 86400
    assert from_parts("sleep_for", timedelta(seconds=1), minutes=1, days=1) == 86461
    with pytest.raises(DefinitionError, match="sleep_for: hours"):
        from_parts("sleep_for", hours=-1)

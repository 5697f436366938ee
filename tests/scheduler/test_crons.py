"""C-2: wall-clock times of a zone; a time in the spring gap fires once, one in the autumn overlap fires once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from durable_core.clock import from_us, to_us
from durable_core.errors import DefinitionError
from durable_core.scheduler.crons import Cron

# The moments at which clocks change, as UTC: forward, then back.
CHANGES = {
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Europe/Madrid": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00"),  # the gap begins at 01:00
    "Australia/Sydney": ("2026-10-03T16:00", "2026-04-04T16:00"),  # the southern half of the world
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),  # by half an hour
    "America/Santiago": ("2026-09-06T04:00", "2026-04-05T03:00"),  # at midnight
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),  # the gap is at midnight
    "Africa/Casablanca": ("2026-03-22T02:00", "2026-02-15T02:00"),  # around Ramadan
    "Pacific/Apia": ("2011-12-30T10:00", "2012-03-31T14:00"),  # a whole day that never was
}

# Every hour, or hours and minutes that are named: the rules of this library and of the oracle are the same there.
EXPRESSIONS = [
    "0 * * * *",
    "*/15 * * * *",
    "*/7 * * * *",
    "59 * * * *",
    "30 2 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "15,45 0,1,2,3 * * *",
    "45 1-3 * * 0",
    "0 9 * * 1-5",
    "0 0 1 * *",
    "30 23 * * *",
    "*/10 * * 3,4,10 *",
    "21-38 17-17 * * 5-5",  # a range of one is that one, not the whole circle
    "5 8 29 * 0",  # both days named: either will do
    "5 8 */3 * 0",  # a star among them: both have to fit
    "5 8 28 * */7",
]


def ticks(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    return [from_us(tick) for tick in Cron.parse(expression, zone).between(to_us(start), to_us(end))]


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_ticks_around_both_changes_are_those_of_an_independent_oracle(expression: str, zone: str) -> None:
    for moment in CHANGES[zone]:
        change = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        start, end = change - timedelta(days=2), change + timedelta(days=2)
        simulated = CronSim(expression, start.astimezone(ZoneInfo(zone)))
        expected = [tick.astimezone(UTC) for tick in takewhile(end.__ge__, simulated)]
        assert ticks(expression, zone, start, end) == expected


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("expression", ["*/15 * * * *", "30 1,2 * * *", "0 0 * * *"])
def test_ticks_do_not_depend_on_where_one_begins_to_look(expression: str, zone: str) -> None:
    for moment in CHANGES[zone]:
        change = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        start, end = change - timedelta(hours=3), change + timedelta(hours=6)
        whole = ticks(expression, zone, start, end)
        for minutes in range(0, 9 * 60, 29):
            later = start + timedelta(minutes=minutes, seconds=7)
            assert ticks(expression, zone, later, end) == [tick for tick in whole if tick > later]


@pytest.mark.parametrize(
    ("expression", "zone", "day", "expected", "reason"),
    [
        ("30 2 * * *", "America/New_York", "2026-03-08", ["03:00-04:00"], "in the gap: once, when it ends"),
        ("30 2 * * *", "Europe/Madrid", "2026-03-29", ["03:00+02:00"], "in the gap: once, when it ends"),
        ("30 1 * * *", "Europe/London", "2026-03-29", ["02:00+01:00"], "in the gap: once, when it ends"),
        ("*/15 2 * * *", "America/New_York", "2026-03-08", ["03:00-04:00"], "four times of the gap are one moment"),
        ("0,30 2,3 * * *", "Europe/Madrid", "2026-03-29", ["03:00+02:00", "03:30+02:00"], "03:00 is there once"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["02:30+11:00"], "a gap of half an hour"),
        ("0 0 * * *", "America/Santiago", "2026-09-06", ["01:00-03:00"], "a day without midnight"),
        ("30 0 * * *", "America/Havana", "2026-03-08", ["01:00-04:00"], "a day without midnight"),
        ("30 1 * * *", "America/New_York", "2026-11-01", ["01:30-04:00"], "twice that day: the first counts"),
        ("30 2 * * *", "Europe/Madrid", "2026-10-25", ["02:30+02:00"], "twice that day: the first counts"),
        ("30 1 * * *", "Europe/London", "2026-10-25", ["01:30+01:00"], "twice that day: the first counts"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["01:45+11:00"], "an overlap of half an hour"),
        ("*/30 1 * * *", "America/New_York", "2026-11-01", ["01:00-04:00", "01:30-04:00"], "each time once"),
        ("30 23 * * *", "America/Santiago", "2026-04-04", ["23:30-03:00"], "an overlap before midnight"),
        ("0 9 * * *", "America/New_York", "2026-03-08", ["09:00-04:00"], "nine on the wall, not after 24 hours"),
        ("0 9 * * *", "America/New_York", "2026-11-01", ["09:00-05:00"], "nine on the wall, not after 24 hours"),
    ],
)
def test_a_time_of_day_fires_once_on_every_day(
    expression: str, zone: str, day: str, expected: list[str], reason: str
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(seconds=1)
    last = (datetime.fromisoformat(day) + timedelta(hours=23, minutes=59)).replace(tzinfo=ZoneInfo(zone), fold=1)
    found = ticks(expression, zone, start, last.astimezone(UTC))
    assert [tick.astimezone(ZoneInfo(zone)).isoformat()[11:16] + _offset(tick, zone) for tick in found] == expected


def _offset(tick: datetime, zone: str) -> str:
    return tick.astimezone(ZoneInfo(zone)).isoformat()[-6:]


def test_clocks_that_change_twice_between_two_ticks_are_noticed() -> None:
    """On 1 November the first hour happens twice in Havana, and since March the clocks have changed already."""
    march, november = datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
    found = ticks("1 * * 11 *", "America/Havana", march, november)
    assert [tick.strftime("%H:%M") for tick in found] == ["04:01", "05:01"]


@pytest.mark.parametrize(("moment", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)])
def test_every_hour_means_each_hour_that_passes(moment: str, hours: int) -> None:
    zone = ZoneInfo("America/New_York")
    day = datetime.fromisoformat(moment)
    start = day.replace(tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    end = (day + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    found = ticks("0 * * * *", "America/New_York", start, end)
    assert len(found) == hours
    assert {later - earlier for earlier, later in zip(found, found[1:], strict=False)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("expression", "zone", "told"),
    [
        ("0 0 31 2 *", "UTC", "never fires"),
        ("0 0 31 4,6,9,11 *", "UTC", "never fires"),
        ("0 0 30 2 *", "Europe/Madrid", "never fires"),
        ("0 9 * *", "UTC", "4 fields"),
        ("61 * * * *", "UTC", "is no cron expression"),
        ("@reboot", "UTC", "is no cron expression"),
        ("", "UTC", "is no cron expression"),
        ("R R * * *", "UTC", "random"),
        ("H * * * *", "UTC", "random"),
        ("0 9 * * *", "Mars/Olympus", "unknown time zone"),
    ],
)
def test_what_cannot_tick_is_refused(expression: str, zone: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        Cron.parse(expression, zone)


def test_the_latest_tick_of_a_long_span_is_found() -> None:
    start, end = to_us(datetime(2020, 1, 1, tzinfo=UTC)), to_us(datetime(2026, 7, 1, 12, 34, tzinfo=UTC))
    assert from_us(Cron.parse("* * * * *").latest(start, end) or 0) == datetime(2026, 7, 1, 12, 34, tzinfo=UTC)
    assert from_us(Cron.parse("0 0 29 2 *").latest(start, end) or 0) == datetime(2024, 2, 29, tzinfo=UTC)
    assert Cron.parse("0 0 29 2 *").latest(to_us(datetime(2025, 1, 1, tzinfo=UTC)), end) is None


def test_days_of_a_leap_year_and_last_days_of_months_are_found() -> None:
    start = to_us(datetime(2026, 1, 15, tzinfo=UTC))
    assert [from_us(t).date().isoformat() for t in Cron.parse("0 0 29 2 *").next_ticks(start, 2)] == [
        "2028-02-29",
        "2032-02-29",
    ]
    assert [from_us(t).day for t in Cron.parse("0 0 L * *").next_ticks(start, 3)] == [31, 28, 31]
    assert Cron.parse("@daily").next_after(start) == to_us(datetime(2026, 1, 16, tzinfo=UTC))

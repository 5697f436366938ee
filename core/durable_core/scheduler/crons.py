"""The times of a cron expression in a time zone, with rules for the days on which clocks change (C-2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from durable_core.clock import from_us, to_us
from durable_core.definition.checks import fault
from durable_core.dsl.schedules import check_cron, check_timezone, day_or

__all__ = ["Cron"]

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_HOURS: Final = 24
_LAST_YEAR: Final = 9000
_RANDOM: Final = ("R", "H")


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone; make one with `Cron.parse`.

    Times are wall-clock times of the zone. Where clocks go forward, a time that does not exist that day fires once, at
    the moment the gap ends; where they go back, a time that happens twice fires once, the first time. An expression for
    every hour names no time of day: it fires at each hour that passes, so that a day of 25 hours has 25 of them and
    ``*/15 * * * *`` never pauses. These are the rules of Vixie's cron as Debian ships it.
    """

    expression: str
    timezone: str = "UTC"
    _fields: Any = field(default=None, repr=False, compare=False)
    _zone: Any = field(default=None, repr=False, compare=False)
    _hourly: bool = field(default=False, repr=False, compare=False)

    @classmethod
    def parse(cls, expression: str, timezone: str = "UTC", where: str = "schedule") -> Cron:
        """The checked expression; DefinitionError for a wrong one, one that never fires, and an unknown zone."""
        from croniter import croniter

        written = str(expression).upper().split()
        if not str(expression).startswith("@") and any(part.startswith(_RANDOM) for part in written[:3]):
            # A random time is another one in each process: two schedulers would never agree on a tick.
            raise fault(where, f"{expression!r} has random times", "Write the times, or several schedules.")
        checked = check_cron(expression, where)
        zone = check_timezone(timezone, where)
        hours = croniter(checked, datetime(2024, 1, 1)).expanded[1]
        return cls(checked, zone, checked, ZoneInfo(zone), hours == ["*"] or len(set(hours)) == _HOURS)

    def next_after(self, at_us: int) -> int | None:
        """The first tick after a time, in microseconds since 1970; None when there is none any more."""
        return next(self.after(at_us), None)

    def after(self, at_us: int) -> Iterator[int]:
        """All ticks after a time, in order."""
        start = from_us(at_us)
        for tick in self._by_elapsed_time(start) if self._hourly else self._by_wall_clock(start):
            yield to_us(tick)

    def next_ticks(self, at_us: int, count: int) -> list[int]:
        """The next `count` ticks after a time."""
        return list(islice(self.after(at_us), count))

    def local(self, at_us: int) -> datetime:
        """A time as a clock in the zone shows it."""
        return from_us(at_us).astimezone(self._zone)

    def between(self, after_us: int, until_us: int) -> Iterator[int]:
        """The ticks after one time, up to and including another."""
        for tick in self.after(after_us):
            if tick > until_us:
                return
            yield tick

    def latest(self, after_us: int, until_us: int) -> int | None:
        """The last tick after one time, up to and including another; quick for long spans of many ticks, too."""
        span = 3_600_000_000
        while True:
            start = max(after_us, until_us - span)
            found = None
            for found in self.between(start, until_us):  # noqa: B007 - the last one counts
                pass
            if found is not None or start == after_us:
                return found
            span *= 4

    def _walls(self, after: datetime) -> Iterator[datetime]:
        """The times on a clock that never changes."""
        from croniter import croniter
        from croniter.croniter import CroniterBadDateError

        times = croniter(self.expression, after, day_or=day_or(self.expression))
        while True:
            try:
                found: datetime = times.get_next(datetime)
            except (CroniterBadDateError, OverflowError):
                return
            if found.year > _LAST_YEAR:
                return
            yield found

    def _by_wall_clock(self, start: datetime) -> Iterator[datetime]:
        last = start
        for wall in self._walls(start.astimezone(self._zone).replace(tzinfo=None, fold=0)):
            tick = self._instant(wall)
            if tick > last:
                yield tick
                last = tick

    def _instant(self, wall: datetime) -> datetime:
        """The first moment at which a clock on the wall shows a time, or passes it."""
        first = wall.replace(tzinfo=self._zone).astimezone(UTC)
        if first.astimezone(self._zone).replace(tzinfo=None, fold=0) == wall:
            return first
        before = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        return self._change(before, first)

    def _by_elapsed_time(self, start: datetime) -> Iterator[datetime]:
        """Every stretch of time between two changes of the clocks is gone through by itself."""
        while True:
            offset = self._offset(start)
            change = None
            for wall in self._walls((start + offset).replace(tzinfo=None)):
                tick = (wall - offset).replace(tzinfo=UTC)
                change = self._first_change(start, tick)
                if change is not None:
                    break
                yield tick
                start = tick
            if change is None:
                return
            # One second back: the moment of the change may be a tick itself, by the new time.
            start = change - _SECOND
            offset = self._offset(change)
            first = next(self._walls((start + offset).replace(tzinfo=None)), None)
            if first is not None and (first - offset).replace(tzinfo=UTC) == change:
                yield change
            start = change

    def _first_change(self, start: datetime, until: datetime) -> datetime | None:
        """The first change of the clocks up to a time: in months without a tick they may go forward and back again."""
        offset = self._offset(start)
        while start < until:
            later = min(start + _DAY, until)
            if self._offset(later) != offset:
                return self._change(start, later)
            start = later
        return None

    def _offset(self, at: datetime) -> timedelta:
        found: timedelta = at.astimezone(self._zone).utcoffset() or timedelta()
        return found

    def _change(self, low: datetime, high: datetime) -> datetime:
        """The moment, after `low` and up to `high`, from which on the clocks show the time that they show at `high`."""
        offset = self._offset(low)
        low, high = low.replace(microsecond=0), high.replace(microsecond=0)
        while high - low > _SECOND:
            middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

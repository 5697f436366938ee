"""The only module that reads the time; everything else is given a Clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Final, Protocol

from durable_core.durations import to_seconds
from durable_core.errors import DefinitionError

__all__ = [
    "LOCAL_ZONE",
    "SYSTEM_CLOCK",
    "Clock",
    "SystemClock",
    "VirtualClock",
    "aware",
    "from_us",
    "iso",
    "monotonic",
    "nanoseconds",
    "parse_iso",
    "seconds_to_us",
    "to_us",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# CLOCK_MONOTONIC stands still while a machine sleeps: a lease would look alive after a night in a closed laptop (S-4).
_growing: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)


class Clock(Protocol):
    """Where the time comes from."""

    def now_us(self) -> int:
        """The wall clock, in microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, suspended machine included."""
        ...


class SystemClock:
    """The time of this machine."""

    __slots__ = ()

    def now_us(self) -> int:
        """The wall clock, in microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that only ever grow, suspended machine included where the system can tell."""
        return _growing()


SYSTEM_CLOCK: Final = SystemClock()


def monotonic(clock: Clock) -> Callable[[], float]:
    """How to read the clock's growing seconds where every step asks: the system's needs no call of ours."""
    return _growing if type(clock) is SystemClock else clock.monotonic


def nanoseconds(clock: Clock) -> Callable[[], int]:
    """How to read the clock's wall time in nanoseconds, for where it is read at every printed text.

    The system's is the C function itself: 50 ns, where a method of ours costs 150.
    """
    return time.time_ns if type(clock) is SystemClock else lambda: clock.now_us() * 1000


class VirtualClock:
    """A wall clock that moves only when told; its monotonic time is real, since leases are never virtual (S-4)."""

    __slots__ = ("_lock", "_now_us")

    def __init__(self, start: datetime | int = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._now_us = start if isinstance(start, int) else to_us(start, "start")

    def now_us(self) -> int:
        """The virtual wall clock, in microseconds since 1970-01-01 UTC."""
        return self._now_us

    def monotonic(self) -> float:
        """The machine's own monotonic seconds."""
        return SYSTEM_CLOCK.monotonic()

    def advance(self, by: float | timedelta) -> int:
        """Move on by a duration; return the new time in microseconds."""
        microseconds = seconds_to_us(to_seconds(by, "advance"))
        with self._lock:
            self._now_us += microseconds
            return self._now_us

    def move_to(self, at_us: int) -> int:
        """Move on to a time, never back; return the time it is now."""
        with self._lock:
            self._now_us = max(self._now_us, at_us)
            return self._now_us


def aware(value: datetime, option: str = "the datetime") -> datetime:
    """Return an aware datetime unchanged; refuse a naive one, naming the option."""
    if not isinstance(value, datetime):
        raise DefinitionError(f"{option} must be a datetime, not {type(value).__name__} ({value!r})")
    if value.utcoffset() is None:
        raise DefinitionError(
            f"{option} is a naive datetime ({value.isoformat()}), which means another time on every machine",
            hint="Give it a time zone, e.g. datetime.now(UTC) or datetime(..., tzinfo=ZoneInfo('Europe/Berlin')).",
        )
    return value


class _LocalZone(tzinfo):
    """The zone this machine is set to; its summer time at the date in question, not at the moment."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()


LOCAL_ZONE: Final = _LocalZone()


def to_us(value: datetime, option: str = "the datetime") -> int:
    """Microseconds since 1970-01-01 UTC of an aware datetime, exactly."""
    return (aware(value, option) - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01."""
    return _EPOCH + timedelta(microseconds=us)


def seconds_to_us(seconds: float) -> int:
    """Seconds as whole microseconds, rounded up: a sleep never ends early (W-4)."""
    whole = int(seconds * 1_000_000)
    return whole if whole >= seconds * 1_000_000 else whole + 1


def iso(us: int) -> str:
    """ISO 8601 in UTC, always with microseconds: ``2026-01-31T09:00:00.000000Z``; sorts like the time it names."""
    return from_us(us).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_iso(text: str, option: str = "the time") -> int:
    """Microseconds since 1970-01-01 UTC of an ISO 8601 text that names its offset."""
    try:
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise DefinitionError(
            f"{option} is not an ISO 8601 time: {text!r}", hint="Write it like 2026-01-31T09:00:00Z."
        ) from None
    return to_us(value, option)

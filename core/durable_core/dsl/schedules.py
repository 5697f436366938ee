"""What a schedule is, and which cron expressions and time zones it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from durable_core.definition.checks import fault
from durable_core.definition.nodes import Json

__all__ = ["CatchUp", "Overlap", "Schedule", "check_cron", "check_timezone", "day_or"]

Overlap = Literal["skip", "buffer_one", "allow", "cancel_other"]
CatchUp = Literal["none", "latest", "all"]
_FIELDS = 5
_RANGE_OF_ONE = re.compile(r"(?<![\w-])(\w+)-\1(?:/\d+)?(?![\w/-])", re.IGNORECASE)
"""``17-17`` is seventeen; croniter takes it for the whole circle, every hour of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule of a workflow, as data."""

    name: str
    workflow: str
    cron: str
    timezone: str = "UTC"
    queue: str | None = None
    input: Json = None
    """Encoded; None starts with an empty input."""
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    catch_up_window: float | None = None
    """Seconds back from now within which missed ticks are made up for; None: however old."""


def check_cron(expression: object, where: str = "schedule") -> str:
    """Return a cron expression that fires at some time; refuse any other, naming the fault."""
    if not isinstance(expression, str) or not expression.strip():
        raise fault(where, f"{expression!r} is no cron expression", 'Write e.g. "0 9 * * *" for every day at nine.')
    if not expression.startswith("@") and len(expression.split()) < _FIELDS:
        raise fault(where, f"{expression!r} has {len(expression.split())} fields", "minute hour day month weekday")
    expression = _RANGE_OF_ONE.sub(r"\1", " ".join(expression.split()))
    from croniter import croniter
    from croniter.croniter import CroniterBadDateError, CroniterError

    try:
        croniter(expression, datetime(2024, 1, 1, tzinfo=UTC), day_or=day_or(expression)).get_next(datetime)
    except CroniterBadDateError:
        raise fault(where, f"{expression!r} never fires", "No date matches it: check day and month.") from None
    except (CroniterError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise fault(
            where,
            f"{expression!r} is no cron expression: {error}",
            'Five fields: minute hour day month weekday, e.g. "0 9 * * 1-5".',
        ) from None
    return expression


def day_or(expression: str) -> bool:
    """Whether a day of either field will do: where both days of the month and of the week are named, without a star."""
    fields = expression.split()
    return len(fields) < _FIELDS or not (fields[2].startswith("*") or fields[4].startswith("*"))


def check_timezone(name: object, where: str = "schedule") -> str:
    """Return the name of a time zone that this machine knows."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)  # type: ignore[arg-type]  # anything else raises
    except (KeyError, ValueError, TypeError, OSError):
        raise fault(
            where, f"unknown time zone {name!r}", 'Write an IANA name, e.g. "Europe/Madrid" or "UTC".'
        ) from None
    return str(name)

"""Write the sales report of the day before, every night at two on New York's clock.

    durable-studio worker examples/nightly_report.py              # at each tick, one report, however many workers run
    durable-studio schedules next nightly_report                  # two o'clock there, summer and winter
    durable-studio schedules trigger nightly_report examples/nightly_report.py
    durable-studio run examples/nightly_report.py --watch         # one report, now

After nights on which no worker ran, the latest report is made up for, about the day it was due for. One that still runs
when the next is due is not disturbed: the next one waits for it.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from durable_studio import Context, Retry, cron, foreach, step, workflow

ZONE = ZoneInfo("America/New_York")


class Request(BaseModel):
    day: date | None = None
    """The day to report on; when it is left out, the one before the night it was due, or else before today."""
    regions: list[str] = ["north", "south", "east", "west"]
    audience: str = "everybody"


@step
def choose_day(ctx: Context) -> None:
    tonight = (ctx.scheduled_for or datetime.now(ZONE)).astimezone(ZONE)
    ctx["day"] = ctx["day"] or (tonight - timedelta(days=1)).date()


@step(retry=Retry(max_attempts=4, base=0.1, retry_on=(ConnectionError,)))
def add_up(region: str, day: date) -> float:
    """Asks one region's shop for its sales."""
    return sales_of(region, day)


def sales_of(region: str, day: date) -> float:
    """Stands for the shop's own service."""
    time.sleep(0.05)
    return round(1000 + 7.5 * len(region) * day.day, 2)


@step
def write_report(ctx: Context) -> str:
    lines = [f"{region:<8}{sum_:>10.2f}" for region, sum_ in zip(ctx["regions"], ctx["sales"], strict=True)]
    print(f"sales of {ctx['day']}", *lines, sep="\n")
    return f"{ctx['day']}: {sum(ctx['sales']):.2f} in {len(lines)} regions, for {ctx['audience']}"


@cron(
    "0 2 * * *",
    timezone="America/New_York",
    name="nightly_report",
    input={"audience": "the morning meeting"},
    overlap="buffer_one",
    catch_up="latest",
)
@workflow(input=Request, tags=["reports"])
def nightly_report():
    """Add up a day's sales by region, and write the report."""
    return [
        choose_day,
        foreach("regions_of_the_day", add_up, items="regions", as_="region", concurrency=2, collect="sales"),
        write_report,
    ]

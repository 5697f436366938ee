"""Book a flight, a hotel and a car; when one cannot be had, cancel what was booked, newest first.

durable-studio run examples/trip_saga.py --watch
durable-studio run examples/trip_saga.py --watch --input '{"sold_out": "car"}'
"""

from __future__ import annotations

import time

from pydantic import BaseModel

from durable_studio import Context, NonRetryableError, Retry, step, workflow


class Trip(BaseModel):
    traveller: str = "Ana"
    city: str = "Lisbon"
    nights: int = 3
    sold_out: str = ""
    """flight, hotel or car: what cannot be had."""


def book(ctx: Context, what: str) -> str:
    time.sleep(0.2)
    if ctx["sold_out"] == what:
        raise NonRetryableError(f"no {what} is left in {ctx['city']}")
    reference = f"{what.upper()}-{ctx.execution_id[-4:]}"
    print(f"booked {reference} for {ctx['traveller']}")
    return reference


@step(retry=Retry(max_attempts=3, base=0.2))
def cancel_flight(ctx: Context) -> None:
    print(f"cancelled {ctx.output}")


def cancel_hotel(ctx: Context) -> None:
    print(f"cancelled {ctx.output}")


def cancel_car(ctx: Context) -> None:
    print(f"cancelled {ctx.output}")


@step(compensate=cancel_flight)
def book_flight(ctx: Context) -> str:
    return book(ctx, "flight")


@step(compensate=cancel_hotel)
def book_hotel(ctx: Context) -> str:
    return book(ctx, "hotel")


@step(compensate=cancel_car)
def book_car(ctx: Context) -> str:
    return book(ctx, "car")


@step
def send_itinerary(ctx: Context) -> str:
    booked = ", ".join([ctx["book_flight"], ctx["book_hotel"], ctx["book_car"]])
    return f"{ctx['nights']} nights in {ctx['city']}: {booked}"


@workflow(input=Trip, tags=["travel"])
def book_trip():
    """Book everything, or leave nothing booked."""
    return [book_flight, book_hotel, book_car, send_itinerary]

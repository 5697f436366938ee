"""Book a trip from parts, and cancel what was booked when a later part cannot be had.

    durable-studio run examples/trip_saga.py
    durable-studio run examples/trip_saga.py --input '{"car": "none left"}'

The second run ends `compensated`: hotel and flight are cancelled, newest first.
"""

from __future__ import annotations

import time

from pydantic import BaseModel

from durable_studio import Context, NonRetryableError, Retry, step, workflow


class Trip(BaseModel):
    traveller: str = "Ana"
    destination: str = "Lisbon"
    car: str = "compact"


def cancel_flight(ctx: Context) -> None:
    """Give the seat back."""
    print(f"flight {ctx.output['flight']} cancelled")


@step(compensate=cancel_flight)
def book_flight(traveller: str, destination: str) -> dict[str, str]:
    """Take a seat."""
    time.sleep(0.2)
    print(f"flight to {destination} booked for {traveller}")
    return {"flight": f"FL-{destination[:3].upper()}-{traveller[:1]}"}


@step(retry=Retry(max_attempts=3, backoff="constant", base=0.1))
def cancel_hotel(ctx: Context) -> None:
    """Give the room back; the hotel's desk takes a second call."""
    if ctx.attempt == 1:
        raise ConnectionError("the hotel's line is busy")
    print(f"hotel {ctx.output['hotel']} cancelled")


@step(compensate=cancel_hotel)
def book_hotel(destination: str) -> dict[str, str]:
    """Take a room."""
    time.sleep(0.2)
    print(f"hotel in {destination} booked")
    return {"hotel": f"HT-{destination[:3].upper()}"}


@step
def rent_car(car: str) -> dict[str, str]:
    """Take a car, if there is one."""
    time.sleep(0.2)
    if car == "none left":
        raise NonRetryableError("no car is left at the airport")
    print(f"{car} car rented")
    return {"rental": f"CAR-{car}"}


@step
def send_itinerary(ctx: Context) -> dict[str, str]:
    """Tell the traveller."""
    itinerary = ", ".join(ctx[key] for key in ("flight", "hotel", "rental"))
    print(f"itinerary for {ctx['traveller']}: {itinerary}")
    return {"itinerary": itinerary}


@workflow(input=Trip, output="itinerary")
def trip_saga():
    """Flight, hotel and car, or none of them."""
    return [book_flight, book_hotel, rent_car, send_itinerary]

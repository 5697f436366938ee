"""Price an order, check it as its value demands, reserve and charge it side by side, and ship it.

    durable-studio run examples/order_processing.py --watch
    durable-studio run examples/order_processing.py --input '{"lines": [{"item": "server", "price": 12000}]}'

The second order is large: it waits until a manager has answered. A declined card (``"card": "declined"``) undoes the
reservation.
"""

from __future__ import annotations

import time

from pydantic import BaseModel, Field

from durable_studio import Context, NonRetryableError, Retry, decision, parallel, step, wait_for_input, workflow


class Line(BaseModel):
    item: str
    price: float = Field(gt=0)
    quantity: int = Field(default=1, ge=1)


class Order(BaseModel):
    order_id: str = "A-1001"
    customer: str = "Ana"
    card: str = "visa"
    lines: list[Line] = [Line(item="desk", price=890), Line(item="lamp", price=75.5, quantity=4)]


@step
def calculate_total(ctx: Context) -> None:
    ctx["total"] = sum(line["price"] * line["quantity"] for line in ctx["lines"])
    print(f"order {ctx['order_id']} of {ctx['customer']}: {ctx['total']:.2f}")


@decision
def check_order_value(total: float) -> str:
    if total > 10_000:
        return "high_value"
    return "medium_value" if total > 1_000 else "standard"


@step(retry=Retry(max_attempts=3, base=0.2, retry_on=(ConnectionError,)))
def verify_payment(ctx: Context) -> dict[str, bool]:
    if ctx.attempt == 1:
        raise ConnectionError("the bank did not answer")  # the next attempt finds it awake
    return {"verified": True}


@decision
def read_answer(manager_approval: str) -> str:
    return manager_approval


@step
def reject(ctx: Context) -> None:
    raise NonRetryableError(f"the manager rejected order {ctx['order_id']}")


def release_stock(ctx: Context) -> None:
    print(f"stock of order {ctx['order_id']} is free again")


@step(compensate=release_stock)
def reserve_stock(ctx: Context) -> list[str]:
    time.sleep(0.2)
    return [f"{line['quantity']} x {line['item']}" for line in ctx["lines"]]


@step
def write_invoice(order_id: str, total: float) -> str:
    time.sleep(0.1)
    return f"invoice {order_id}: {total:.2f} EUR"


@step
def charge_card(ctx: Context) -> str:
    if ctx["card"] == "declined":
        raise NonRetryableError("the card was declined")
    return ctx.idempotency_key  # what a payment service needs to charge only once


@step
def ship(ctx: Context) -> str:
    print(f"shipped {', '.join(ctx['reserve_stock'])}")
    return f"order {ctx['order_id']} is on its way to {ctx['customer']}"


@workflow(input=Order, tags=["shop"])
def process_order():
    """Price an order, ask a manager when it is large, then reserve, charge and ship it."""
    return [
        calculate_total,
        check_order_value.branch(
            high_value=[
                wait_for_input(
                    "manager_approval",
                    type="approval",
                    prompt="Approve this order?",
                    timeout=48 * 3600,
                    timeout_value="rejected",
                ),
                read_answer.branch(approved=[], rejected=[reject]),
            ],
            medium_value=[verify_payment],
            standard=[],
        ),
        parallel("prepare", {"stock": reserve_stock, "invoice": write_invoice}),
        charge_card,
        ship,
    ]

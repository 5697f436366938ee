"""Price an order, check it, take the payment and pack it side by side, and undo the payment when shipping fails.

    durable-studio run examples/order_processing.py
    durable-studio run examples/order_processing.py --input '{"address": "nowhere"}'

The second order cannot be shipped: the run ends `compensated`, with the payment refunded. What a shop would send to
other services goes to stdout here.
"""

from __future__ import annotations

import time
from decimal import Decimal

from pydantic import BaseModel, Field

from durable_studio import Context, NonRetryableError, Retry, decision, parallel, step, workflow


class Line(BaseModel):
    product: str
    quantity: int = Field(gt=0)
    price: Decimal = Field(gt=0)


class OrderInput(BaseModel):
    order_id: str = "4711"
    address: str = "12 Harbour Street"
    lines: list[Line] = [
        Line(product="espresso machine", quantity=1, price=Decimal("1249.00")),
        Line(product="cup", quantity=6, price=Decimal("8.50")),
    ]


@step
def calculate_total(ctx: Context) -> None:
    """Sum up the lines."""
    ctx["total"] = sum((line["price"] * line["quantity"] for line in ctx["lines"]), Decimal(0))
    print(f"order {ctx['order_id']}: total {ctx['total']}")


@decision
def check_order_value(total: Decimal) -> str:
    """How carefully to look at the order."""
    return "high_value" if total > 1000 else "standard"


@step
def review_risk(ctx: Context) -> None:
    """Large orders are looked at by the fraud rules first."""
    time.sleep(0.2)
    ctx["risk"] = "low" if len(ctx["lines"]) < 20 else "high"
    print(f"risk of {ctx['order_id']}: {ctx['risk']}")


def refund_payment(ctx: Context) -> None:
    """Give the money back: what the payment returned says which."""
    print(f"refunded {ctx.output['amount']} ({ctx.output['payment_id']})")


@step(
    retry=Retry(max_attempts=3, backoff="exponential", base=0.2, retry_on=(ConnectionError,)),
    timeout=30.0,
    compensate=refund_payment,
)
def charge_payment(ctx: Context, order_id: str, total: Decimal) -> dict[str, str]:
    """Charge the card; the gateway drops the first connection, as gateways do."""
    time.sleep(0.2)
    if ctx.attempt == 1:
        raise ConnectionError("the payment gateway closed the connection")
    print(f"charged {total} for order {order_id} (key {ctx.idempotency_key})")
    return {"payment_id": f"pay_{order_id}", "amount": str(total)}


@step
def reserve_stock(ctx: Context) -> None:
    """Take the products off the shelf."""
    time.sleep(0.3)
    ctx["reserved"] = [line["product"] for line in ctx["lines"]]


@step
def print_label(order_id: str, address: str) -> dict[str, str]:
    """Prepare the parcel."""
    time.sleep(0.2)
    return {"label": f"{order_id} -> {address}"}


@step
def ship(ctx: Context) -> dict[str, str]:
    """Hand the parcel to the carrier."""
    if ctx["address"] == "nowhere":
        raise NonRetryableError("the carrier does not know the address 'nowhere'")
    time.sleep(0.2)
    print(f"shipped {ctx['label']}")
    return {"tracking": f"TR-{ctx['order_id']}"}


@workflow(input=OrderInput, output="tracking")
def order_processing():
    """Price an order, charge it while it is packed, and ship it."""
    return [
        calculate_total,
        check_order_value.branch(high_value=[review_risk], standard=[]),
        parallel("prepare", {"payment": charge_payment, "packing": [reserve_stock, print_label]}),
        ship,
    ]

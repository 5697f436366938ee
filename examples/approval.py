"""Have an expense approved: small ones pass, others ask a manager, and a director when the manager is silent.

    durable-studio run examples/approval.py                                  # on a terminal it asks right there
    durable-studio run examples/approval.py --input '{"amount": 20}'         # small enough
    durable-studio inputs                                                    # what waits for an answer, from any shell
    durable-studio inputs answer ID manager_approval approved --by mara --comment "keep the receipt"

The manager has two days, the director one more; what nobody has approved by then is rejected. Nothing runs meanwhile:
stop every process, and the deadline still holds.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from durable_studio import Context, FormField, decision, step, wait_for_input, workflow

DAY = 24 * 3600


class Expense(BaseModel):
    employee: str = "Ana"
    purpose: str = "train to Lisbon"
    amount: float = Field(default=240.0, gt=0)


@step
def register(employee: str, purpose: str, amount: float) -> None:
    print(f"{employee} asks for {amount:.2f} EUR: {purpose}")


@decision
def who_decides(amount: float) -> str:
    if amount < 50:
        return "nobody"
    return "manager" if amount < 5_000 else "director"


@decision
def managers_answer(manager_approval: str) -> str:
    return manager_approval


@decision
def directors_answer(director_approval: str) -> str:
    return director_approval


@step
def reject(ctx: Context) -> None:
    ctx["result"] = f"the {ctx['purpose']} of {ctx['employee']} is not paid"


@step
def pay(ctx: Context) -> None:
    account = ctx["account"]
    print(f"transfer {ctx.idempotency_key}: {ctx['amount']:.2f} EUR to {account['iban']}")  # a bank would check the key
    ctx["result"] = f"{ctx['amount']:.2f} EUR are on their way to {ctx['employee']}"


ask_manager = wait_for_input(
    "manager_approval",
    type="approval",
    prompt="Approve this expense?",
    timeout=2 * DAY,
    timeout_value="escalated",
)

ask_director = wait_for_input(
    "director_approval",
    type="approval",
    prompt="Approve this expense in the manager's place?",
    timeout=DAY,
    timeout_value="rejected",
)

ask_account = wait_for_input(
    "account",
    prompt="Where shall the money go?",
    fields=[
        FormField("iban", label="IBAN", required=True, pattern=r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}"),
        FormField("reference", max_length=35, default="expenses"),
    ],
)

payout = [ask_account, pay]
to_the_director = [ask_director, directors_answer.branch(approved=payout, rejected=[reject])]


@workflow(input=Expense, output="result", tags=["finance"])
def approve_expense():
    """Ask whoever may decide about an expense, within a deadline, and pay what was approved."""
    return [
        register,
        who_decides.branch(
            nobody=payout,
            manager=[
                ask_manager,
                managers_answer.branch(approved=payout, rejected=[reject], escalated=to_the_director),
            ],
            director=to_the_director,
        ),
    ]

"""Welcome a new user: verify the address, set things up side by side, and follow up over the first days.

    durable-studio run examples/user_onboarding.py --id ana --input '{"seconds_a_day": 5}'
    durable-studio event email_verified --to ana                # from another shell, or before the run asks for it
    durable-studio event first_project '{"name": "website"}' --to ana

A reminder goes out for each day on which the address is not verified, and the account is closed after three. A day
takes as long as `seconds_a_day` says. It may wait for weeks: meanwhile it is a few rows in the store, and nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from durable_studio import (
    Context,
    Retry,
    decision,
    loop,
    parallel,
    sleep_until,
    step,
    wait_for_any,
    workflow,
)


class NewUser(BaseModel):
    name: str = "Ana"
    email: str = "ana@example.org"
    seconds_a_day: float = 24 * 3600
    reminders: int = 3


def close_account(ctx: Context) -> None:
    print(f"closed {ctx.output}")


@step(compensate=close_account)
def create_account(ctx: Context) -> str:
    ctx["created_at"] = datetime.now(UTC)
    return f"account-{ctx['email']}"


@step
def ask_to_verify(ctx: Context) -> None:
    """Sends the link once, and waits a day for the click; events that came early are not missed."""
    ctx.once("mail", print, f"mail to {ctx['email']}: please verify your address (no. {ctx.iteration + 1})")
    came = ctx.wait_for_event("email_verified", timeout=ctx["seconds_a_day"], timeout_value="silence")
    ctx["verified"] = came != "silence"


def unverified(ctx: Context) -> bool:
    return not ctx.get("verified") and ctx.iteration < ctx["reminders"]


@decision
def is_verified(verified: bool) -> bool:
    return verified


@step
def give_up(ctx: Context) -> None:
    ctx["result"] = f"{ctx['email']} was never verified"
    print(f"closed {ctx['create_account']}")


@step(retry=Retry(max_attempts=5, base=0.2, retry_on=(ConnectionError,)))
def make_workspace(ctx: Context) -> str:
    if ctx.attempt == 1:
        raise ConnectionError("the storage is busy")
    return f"workspace-{ctx['name'].lower()}"


@step
def add_sample_data(make_workspace: str) -> str:
    return f"samples in {make_workspace}"


@step
def subscribe_to_news(email: str) -> None:
    print(f"news for {email}")


@step
def send_tips(ctx: Context) -> None:
    print(f"mail to {ctx['email']}: three things to try")


def tomorrow(ctx: Context) -> datetime:
    return ctx["created_at"] + timedelta(seconds=ctx["seconds_a_day"])


@step
def congratulate(ctx: Context) -> None:
    first = ctx["first_steps"]
    if first is None:
        ctx["result"] = f"{ctx['name']} has not begun yet"
    else:
        ctx["result"] = f"{ctx['name']} began with {first['event']}"


@workflow(input=NewUser, output="result", tags=["growth"])
def onboard_user():
    """Verify an address, set up an account, and see what the user does in the first week."""
    return [
        create_account,
        loop("verification", ask_to_verify, while_=unverified),
        is_verified.branch(
            {
                False: [give_up],
                True: [
                    parallel("setup", {"workspace": [make_workspace, add_sample_data], "news": subscribe_to_news}),
                    sleep_until(tomorrow, name="first_day"),
                    send_tips,
                    wait_for_any(["first_project", "invited_somebody"], timeout=7 * 24 * 3600, name="first_steps"),
                    congratulate,
                ],
            }
        ),
    ]

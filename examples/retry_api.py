"""Call an API that is out of order for a while: a loop that counts its tries, waits longer each time, and gives up.

    durable-studio run examples/retry_api.py
    durable-studio run examples/retry_api.py --input '{"healthy_after": 99}'

The API is a function that fails until its n-th call.
"""

from __future__ import annotations

import time

from pydantic import BaseModel

from durable_studio import Context, decision, loop, step, workflow


class Call(BaseModel):
    healthy_after: int = 3
    """The call that the API answers."""
    most: int = 5
    """Calls before giving up."""


@step
def call_api(ctx: Context) -> None:
    """One call; its failure is a result, not an error."""
    attempt = ctx.iteration + 1
    ctx["success"] = attempt >= ctx["healthy_after"]
    ctx.append("log", f"call {attempt}: {'200 OK' if ctx['success'] else '503 Service Unavailable'}")
    print(ctx["log"][-1])


@step
def back_off(ctx: Context) -> None:
    """Wait a little longer after each failed call."""
    if not ctx["success"]:
        retries = ctx.increment("retries")
        time.sleep(min(0.1 * 2 ** (retries - 1), 1.0))


@decision
def was_it_answered(success: bool) -> bool:
    """Whether the loop ended with an answer."""
    return success


@step
def use_answer(ctx: Context) -> dict[str, str]:
    """Go on with what the API said."""
    return {"outcome": f"answered after {len(ctx['log'])} calls"}


@step
def alert_operator(ctx: Context) -> dict[str, str]:
    """Nobody answered: somebody has to look."""
    print(f"the API did not answer {len(ctx['log'])} calls")
    return {"outcome": "given up"}


@workflow(input=Call, output="outcome")
def retry_api():
    """Call until it answers, at most `most` times."""
    return [
        loop(
            "try_it",
            [call_api, back_off],
            while_=lambda ctx: ctx.get("retries", 0) < ctx["most"] and not ctx.get("success"),
        ),
        was_it_answered.branch({True: [use_answer], False: [alert_operator]}),
    ]

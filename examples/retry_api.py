"""Call a service that is down at first, again and again, waiting longer each time, until it answers or hope is gone.

    durable-studio run examples/retry_api.py --watch
    durable-studio run examples/retry_api.py --watch --input '{"down_for": 9}'

A loop where each wait is durable: stop it while it sleeps, and it goes on when its time has come.
"""

from __future__ import annotations

from pydantic import BaseModel

from durable_studio import Context, NonRetryableError, decision, loop, step, workflow


class Call(BaseModel):
    down_for: int = 2
    """How many calls fail."""
    give_up_after: int = 5
    seconds: float = 0.2
    """The first pause; each one after it is twice as long."""


@step
def call_api(ctx: Context) -> None:
    if ctx.iteration < ctx["down_for"]:
        print(f"call {ctx.iteration + 1}: 503 Service Unavailable")
        ctx.increment("retries", 1)
        return
    print(f"call {ctx.iteration + 1}: 200 OK")
    ctx["answer"] = {"temperature": 21}


@step
def back_off(ctx: Context) -> None:
    if "answer" not in ctx:
        ctx.sleep_for(ctx["seconds"] * 2**ctx.iteration)


def goes_on(ctx: Context) -> bool:
    return "answer" not in ctx and ctx.get("retries", 0) < ctx["give_up_after"]


@decision
def got_answer(ctx: Context) -> bool:
    return "answer" in ctx


@step
def report(ctx: Context) -> str:
    return f"{ctx['answer']['temperature']} degrees, after {ctx.get('retries', 0)} failed calls"


@step
def give_up(ctx: Context) -> None:
    raise NonRetryableError(f"the service did not answer {ctx['retries']} times")


@workflow(input=Call, tags=["api"])
def retry_api():
    """Call a service until it answers, with a longer pause after each failure."""
    return [
        loop("calls", [call_api, back_off], while_=goes_on, max_iterations=100),
        got_answer.branch({True: [report], False: [give_up]}),
    ]

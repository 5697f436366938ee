"""Bodies that run in a process of their own: they are found by module and name, so they stand in a file."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from durable_core.dsl import Retry, step
from durable_core.errors import NonRetryableError
from durable_core.secret import Secret


@step(isolation="process")
def answer(ctx: Any, n: int) -> dict[str, Any]:
    print("printed inside", file=sys.stdout)
    ctx["pid"] = os.getpid()
    ctx.append("trace", ctx.attempt)
    return {"n": n + 1, "step": ctx.step, "input": ctx.input["n"]}


@step(isolation="process")
def looks_back(ctx: Any) -> Any:
    return [dict(ctx.results), ctx.results["price"] * 2]


@step(isolation="process")
def tick(ctx: Any) -> Any:
    return ctx.scheduled_for


@step(isolation="process")
async def answer_async(n: int) -> int:
    return n + 2


@step(isolation="process")
def of_item(ctx: Any, item: int, index: int) -> int:
    return item * 10 + index


@step(isolation="process", retry=Retry(max_attempts=2, base=0.0, retry_on=(LookupError,)))
def raises(ctx: Any) -> None:
    raise {"key": KeyError("gone"), "value": ValueError("bad"), "never": NonRetryableError("never")}[ctx["what"]]


@step(isolation="process", timeout=0.7, retry=Retry(max_attempts=1))
def sleeps(ctx: Any) -> None:
    Path(ctx["file"]).write_text(str(os.getpid()))
    time.sleep(60)


@step(isolation="process")
def sleeps_long(ctx: Any) -> None:
    Path(ctx["file"]).write_text(str(os.getpid()))
    time.sleep(60)


@step(isolation="process")
def dies(ctx: Any) -> None:
    os._exit(7)


@step(isolation="process")
def cannot_be_stored(ctx: Any) -> object:
    return object()


@step(isolation="process")
def large(ctx: Any) -> str:
    return "x" * 2_000_000


@step(isolation="process")
def talks(ctx: Any) -> None:
    print("printed", 1)
    sys.stderr.write("to stderr\n")
    sys.stdout.buffer.write("bytes é\n".encode())
    logging.getLogger("shop").warning("careful", extra={"order": 7})
    logging.getLogger("shop").info("below the logger's own level")
    ctx.logger.info("by the step's logger")
    warnings.warn("old fashioned", UserWarning, stacklevel=1)
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()


@step(isolation="process")
def talks_natively(ctx: Any) -> None:
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    os.write(2, b"to the handle\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)


@step(isolation="process")
def talks_on(ctx: Any) -> None:
    print("begun")
    while not Path(ctx["file"]).exists():
        time.sleep(0.01)
    print("ended")


@step(isolation="process")
def tells_a_secret(ctx: Any) -> None:
    value = Secret.env("PAYMENT_KEY").reveal()
    print("paying with", value)
    raise NonRetryableError(f"{value} was refused")

"""What runs in processes of its own: `python -m bench.contestants.ours.child WHAT URL [ARGUMENTS]`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any


def spawn(what: str, url: str, *arguments: str, capture: bool = True) -> subprocess.Popen[str]:
    """The same program in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.contestants.ours.child", what, url, *arguments],
        stdout=subprocess.PIPE if capture else subprocess.DEVNULL,
        text=True,
    )


@contextlib.contextmanager
def worker(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that works on the store, and prints a line whenever a body of `flows` says something."""
    child = spawn("work", url)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()


def flows() -> dict[str, Any]:
    """The workflows that both sides register. CLOCK_MONOTONIC is the same in every process of a machine."""
    from durable_studio import sleep_for, step, wait_for_event, workflow

    @step
    def say_now(ctx: Any) -> None:
        say(str(time.perf_counter_ns()))

    @step
    def say_who(ctx: Any) -> None:
        say(f"{ctx.execution_id} {time.time_ns() // 1000}")

    @step
    def say_and_end(ctx: Any) -> None:
        time.sleep(0.05)
        say(str(time.perf_counter_ns()))

    @workflow
    def remote_one() -> Any:
        return [say_now]

    @workflow
    def remote_event() -> Any:
        return [wait_for_event("go"), say_now]

    @workflow
    def remote_sleeper() -> Any:
        return [sleep_for(1.0), say_who]

    @workflow
    def remote_steps() -> Any:
        return [say_and_end.with_options(name=f"s{number}") for number in range(40)]

    @workflow
    def long_sleeper() -> Any:
        return [sleep_for(hours=24), say_now]

    found = (remote_one, remote_event, remote_sleeper, remote_steps, long_sleeper)
    return {each.name: each for each in found}


def say(text: str) -> None:
    """One line to the parent, in one piece though other bodies speak at the same time."""
    print(f"{text}\n", end="", flush=True)


def loop_workflow(reached: Any) -> Any:
    """A loop without end whose body calls `reached` with its iteration."""
    from durable_studio import loop, step, workflow

    @step
    def turn(ctx: Any) -> None:
        reached(ctx.iteration)

    @workflow
    def long_loop() -> Any:
        return [loop("turns", [turn], while_=_go_on, max_iterations=10**9)]

    return long_loop


def _go_on(ctx: Any) -> bool:
    return True


def _work(url: str) -> None:
    from durable_studio import Engine

    flows()
    engine = Engine(url, passthrough=True)
    engine.start_worker()
    print("ready", flush=True)
    threading.Event().wait()


def _build(url: str, iterations: str) -> None:
    """Run a loop so far, then die."""
    from durable_studio import Engine

    def die(iteration: int) -> None:
        if iteration >= int(iterations):
            os.kill(os.getpid(), signal.SIGKILL)

    flow = loop_workflow(die)
    engine = Engine(url)
    engine.start(flow)
    threading.Event().wait()


def _go_on_with(url: str, iterations: str) -> None:
    """Take the killed loop up again, and print after how many milliseconds its next body began."""
    from durable_studio import Engine

    began = 0.0

    def tell(iteration: int) -> None:
        took = time.perf_counter() - began
        assert iteration >= int(iterations), iteration
        print(took * 1000, flush=True)
        os._exit(0)

    loop_workflow(tell)
    import durable_core.engine.engine  # noqa: F401  # what importing costs is another figure

    began = time.perf_counter()
    Engine(url).start_worker()
    threading.Event().wait(30)


if __name__ == "__main__":
    {"work": _work, "build": _build, "go-on": _go_on_with}[sys.argv[1]](*sys.argv[2:])

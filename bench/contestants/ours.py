"""The engine of this project, by its public names; counters and rows are read from the engine's own parts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.place import Place
from bench.samples import p50_p99_ms, percentile

HERE = Path(__file__)


@contextlib.contextmanager
def _engine(place: Place, **options: Any) -> Iterator[Any]:
    from durable_studio import Engine

    engine = Engine(place.url, **options)
    try:
        yield engine
    finally:
        engine.close()


def _warm(engine: Any) -> None:
    """The worker is up, statements are compiled, and SQLite's log has its size."""
    from durable_studio import step, workflow

    @step
    def nothing() -> None:
        return None

    @workflow
    def warm_up() -> Any:
        return [nothing.with_options(name=f"w{number}") for number in range(200)]

    for _ in range(3):
        engine.run(warm_up, timeout=60)


def step(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    steps = place.options["steps"]

    @step
    def trivial() -> None:
        return None

    @workflow
    def sequence() -> Any:
        return [trivial.with_options(name=f"s{number}") for number in range(steps)]

    with _engine(place) as engine:
        _warm(engine)
        commits = engine.database.commits
        began = time.perf_counter()
        engine.run(sequence, timeout=300)
        took = time.perf_counter() - began
        return {"us": took / steps * 1e6, "commits": (engine.database.commits - commits) / steps}


def fan(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    count, steps = place.options["workflows"], place.options["steps"]

    if place.options["bodies"] == "async":

        @step
        async def trivial() -> None:
            return None
    else:

        @step
        def trivial() -> None:
            return None

    @workflow
    def short() -> Any:
        return [trivial.with_options(name=f"s{number}") for number in range(steps)]

    with _engine(place) as engine:
        _warm(engine)
        engine.run(short, timeout=60)
        commits = engine.database.commits
        began = time.perf_counter()
        runs = [engine.start(short) for _ in range(count)]
        started = time.perf_counter() - began
        for run in runs:
            run.wait(timeout=120)
        took = time.perf_counter() - began
        used = engine.database.commits - commits
        assert engine.count_executions(workflow="short", status="completed") == count + 1
    return {"rate": count / took, "start_us": started / count * 1e6, "commits": used / (count * steps)}


fan_sync = fan


def start(place: Place) -> dict[str, float]:
    from durable_studio import step, workflow

    began_at: list[int] = []

    @step
    def first() -> None:
        began_at.append(time.perf_counter_ns())

    @workflow
    def one() -> Any:
        return [first]

    samples = []
    with _engine(place) as engine:
        _warm(engine)
        engine.run(one, timeout=60)
        for _ in range(place.options["samples"]):
            began_at.clear()
            asked = time.perf_counter_ns()
            run = engine.start(one)
            run.wait(timeout=60)
            samples.append(began_at[0] - asked)
    return p50_p99_ms(samples)


def event(place: Place) -> dict[str, float]:
    from durable_studio import step, wait_for_event, workflow

    began_at: list[int] = []

    @step
    def after() -> None:
        began_at.append(time.perf_counter_ns())

    @workflow
    def waits() -> Any:
        return [wait_for_event("go"), after]

    samples = []
    with _engine(place) as engine:
        _warm(engine)
        for _ in range(place.options["samples"]):
            began_at.clear()
            run = engine.start(waits)
            while run.status != "waiting":
                time.sleep(0.001)
            asked = time.perf_counter_ns()
            engine.send_event("go", {}, execution_id=run.id)
            run.wait(timeout=60)
            samples.append(began_at[0] - asked)
    return p50_p99_ms(samples)


def _remote_workflow() -> Any:
    from durable_studio import step, workflow

    @step
    def remote_step(ctx: Any) -> None:
        print(time.perf_counter_ns(), flush=True)  # CLOCK_MONOTONIC: the same in every process of a machine

    @workflow
    def remote_flow() -> Any:
        return [remote_step]

    return remote_flow


def remote(place: Place) -> dict[str, float]:
    flow = _remote_workflow()
    with _engine(place, worker=False) as engine:
        child = _child("work", place.url)
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "ready\n"
            engine.start(flow)
            child.stdout.readline()
            samples = []
            enough = time.monotonic() + place.options["budget_s"]
            while len(samples) < place.options["samples"] and (len(samples) < 3 or time.monotonic() < enough):
                time.sleep(0.05)
                asked = time.perf_counter_ns()
                engine.start(flow)
                samples.append(int(child.stdout.readline()) - asked)
        finally:
            child.kill()
            child.wait()
    return p50_p99_ms(samples)


def sleepers(place: Place) -> dict[str, float]:
    from durable_studio import sleep_for, step, workflow

    count = place.options["sleepers"]
    woke: dict[str, int] = {}
    left = threading.Semaphore(0)

    @step
    async def awake(ctx: Any) -> None:
        woke[ctx.execution_id] = time.time_ns() // 1000
        left.release()

    @workflow
    def sleeper() -> Any:
        return [sleep_for(place.options["seconds"]), awake]

    with _engine(place) as engine:
        _warm(engine)
        began = time.perf_counter()
        for _ in range(count):
            engine.start(sleeper)
        started = time.perf_counter() - began
        for _ in range(count):
            assert left.acquire(timeout=60)
        with engine.database.read() as tx:
            due = dict(tx.fetch("SELECT execution_id, due_at FROM waits WHERE kind = 'sleep'"))
    late = [(woke[each] - due[each]) / 1000 for each in woke]
    assert len(late) == count and min(late) >= 0
    return {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99), "start_us": started / count * 1e6}


# --- resume --------------------------------------------------------------------------------------------------------


def _loop_workflow(stop_at: int, reached: Any) -> Any:
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


def resume(place: Place) -> dict[str, float]:
    """A store is built once a run by a process that kills itself; each round opens a copy of it."""
    numbers = {}
    for key, iterations in (("short_ms", place.options["short"]), ("long_ms", place.options["long"])):
        built = place.shared / f"loop-{iterations}"
        if not built.exists():
            built.mkdir()
            _child("build", f"sqlite:///{built / 'store.db'}", str(iterations), capture=False).wait(timeout=240)
        samples = []
        for number in range(3):
            copy = place.folder / f"{key}-{number}"
            shutil.copytree(built, copy)
            child = _child("go-on", f"sqlite:///{copy / 'store.db'}", str(iterations))
            out, _ = child.communicate(timeout=60)
            samples.append(float(out.split()[-1]))
        numbers[key] = median(samples)
    return numbers


# --- crowd ---------------------------------------------------------------------------------------------------------


def crowd(place: Place) -> dict[str, float]:
    """Executions copied from one that the engine started; all of them ready to be claimed."""
    from durable_studio import step, workflow

    @step
    def never() -> None:
        return None

    @workflow
    def crowded() -> Any:
        return [never]

    with _engine(place, worker=False) as engine:
        first = engine.start(crowded, {"order": 1, "name": "one of many"}).id
        few, many = place.options["few"], place.options["many"]
        _copy(engine, first, 1, few)
        small = _crowd_times(engine)
        _copy(engine, first, few + 1, many)
        with engine.database.read() as tx:
            assert tx.fetch_one("SELECT COUNT(*) FROM tokens WHERE status = 'ready'")[0] >= many - few
        large = _crowd_times(engine)
    return {
        **large,
        "list_ratio": large["list_ms"] / small["list_ms"],
        "claim_ratio": large["claim_ms"] / small["claim_ms"],
    }


def _copy(engine: Any, execution: str, low: int, high: int) -> None:
    from durable_core.store import statements as sql

    with engine.database.write() as tx:
        for table, keys, columns in (
            ("executions", ("id",), _columns(tx, engine, "executions")),
            ("tokens", ("id", "execution_id"), sql.TOKEN_COLUMNS),
        ):
            # nothing claimed yet, not even where the first one was claimed meanwhile
            moved = {**dict.fromkeys(keys, "'wf_' || n.i"), "created_at": "created_at + n.i"}
            if table == "tokens":
                moved |= {"status": "'ready'", "fence": "0", "worker_id": "NULL", "lease_until": "NULL"}
            tx.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE n (i) AS "
                f"(SELECT {low} UNION ALL SELECT i + 1 FROM n WHERE i < {high}) "
                f"SELECT {', '.join(moved.get(column, column) for column in columns)} FROM n, {table} WHERE id = :id",
                {"id": execution},
            )
        tx.execute("ANALYZE")


def _columns(tx: Any, engine: Any, table: str) -> list[str]:
    from durable_core.store.tables import ExecutionRow

    assert table == ExecutionRow.__tablename__
    return list(ExecutionRow.model_fields)


def _crowd_times(engine: Any) -> dict[str, float]:
    from durable_core.queue.database import DatabaseQueue
    from durable_core.queue.protocol import ClaimRequest

    queue = DatabaseQueue(engine.committer)
    for _ in range(400):  # SQLite's log has its full length then, and is written over
        queue.pause("unused")
    request = ClaimRequest(worker_id="w_bench", free={"default": 10}, workflows=("crowded",), lease_us=10**9)
    return {
        "list_ms": _time_ms(lambda: engine.list_executions(limit=50), 20),
        "claim_ms": _time_ms(lambda: queue.claim(request), 20),
        "count_ms": _time_ms(lambda: engine.count_executions(), 3),
    }


def _time_ms(function: Any, times: int) -> float:
    function()
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        assert function()
        samples.append((time.perf_counter() - began) * 1000)
    return median(samples)


# --- import --------------------------------------------------------------------------------------------------------


def imports(place: Place) -> dict[str, float]:
    return import_times(
        {
            "facade_ms": ("-c", "import durable_studio"),
            "help_ms": ("-m", "durable_studio", "--help"),
            "engine_ms": ("-c", "from durable_core.engine.engine import Engine; import durable_core.store.tables"),
            "sqlmodel_ms": ("-c", "import sqlmodel"),
        }
    )


def import_times(programs: dict[str, tuple[str, ...]], times: int = 5) -> dict[str, float]:
    """How much longer than an empty program each takes; by turns, the quickest of each counts."""
    best: dict[str, float] = {}
    for _ in range(times):
        for key, arguments in {"bare": ("-c", "pass"), **programs}.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            best[key] = min(best.get(key, 1e9), (time.perf_counter() - began) * 1000)
    bare = best.pop("bare")
    return {key: took - bare for key, took in best.items()}


# --- what runs in processes of its own -----------------------------------------------------------------------------


def _child(what: str, *arguments: str, capture: bool = True) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.contestants.ours", what, *arguments],
        stdout=subprocess.PIPE if capture else subprocess.DEVNULL,
        text=True,
    )


def _child_main(what: str, url: str, *arguments: str) -> None:
    from durable_studio import Engine

    if what == "work":
        _remote_workflow()
        engine = Engine(url)
        engine.start_worker()
        print("ready", flush=True)
        threading.Event().wait()
    iterations = int(arguments[0])
    if what == "build":

        def die(iteration: int) -> None:
            if iteration >= iterations:
                os.kill(os.getpid(), signal.SIGKILL)

        flow = _loop_workflow(iterations, die)
        engine = Engine(url)
        engine.start(flow)
        threading.Event().wait()
    assert what == "go-on"
    began = time.perf_counter()

    def tell(iteration: int) -> None:
        took = time.perf_counter() - began
        assert iteration >= iterations, iteration
        print(took * 1000, flush=True)
        os._exit(0)

    _loop_workflow(iterations, tell)
    import durable_core.engine.engine  # noqa: F401  # what importing costs is another figure

    began = time.perf_counter()
    Engine(url).start_worker()
    threading.Event().wait(30)


if __name__ == "__main__":
    _child_main(*sys.argv[1:])

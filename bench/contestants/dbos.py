"""DBOS Transact, set up as its documentation says; its SQLite file is put in WAL mode, which suits it better."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from dbos import DBOS, DBOSClient

from bench.installed import installed_size
from bench.place import Place
from bench.samples import import_times, p50_p99_ms, percentile


@contextlib.contextmanager
def _launched(url: str) -> Iterator[None]:
    _put_in_wal(url)
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})  # type: ignore[typeddict-unknown-key]
    logging.getLogger("dbos").setLevel(logging.ERROR)
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy()


def _put_in_wal(url: str) -> None:
    if url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


@DBOS.step()
def trivial() -> None:
    return None


@DBOS.step()
async def trivial_async() -> None:
    return None


@DBOS.workflow()
def sequence(steps: int) -> None:
    for _ in range(steps):
        trivial()


@DBOS.workflow()
async def sequence_async(steps: int) -> None:
    for _ in range(steps):
        await trivial_async()


def step(place: Place) -> dict[str, float]:
    steps = place.options["peer_steps"]
    with _launched(place.url):
        sequence(100)
        began = time.perf_counter()
        sequence(steps)
        return {"us": (time.perf_counter() - began) / steps * 1e6}


def fan_sync(place: Place) -> dict[str, float]:
    count, steps = place.options["peer_workflows"], place.options["steps"]
    with _launched(place.url):
        sequence(steps)
        began = time.perf_counter()
        handles = [DBOS.start_workflow(sequence, steps) for _ in range(count)]
        started = time.perf_counter() - began
        for handle in handles:
            handle.get_result()
        return {"rate": count / (time.perf_counter() - began), "start_us": started / count * 1e6}


def fan(place: Place) -> dict[str, float]:
    count, steps = place.options["peer_workflows"], place.options["steps"]

    async def run() -> dict[str, float]:
        await sequence_async(steps)
        began = time.perf_counter()
        handles = [await DBOS.start_workflow_async(sequence_async, steps) for _ in range(count)]
        started = time.perf_counter() - began
        await asyncio.gather(*(handle.get_result() for handle in handles))
        return {"rate": count / (time.perf_counter() - began), "start_us": started / count * 1e6}

    with _launched(place.url):
        return asyncio.run(run())


_stamps: list[int] = []


@DBOS.step()
def stamp() -> None:
    _stamps.append(time.perf_counter_ns())


@DBOS.workflow()
def one() -> None:
    stamp()


def start(place: Place) -> dict[str, float]:
    samples = []
    with _launched(place.url):
        DBOS.start_workflow(one).get_result()
        for _ in range(place.options["peer_samples"]):
            _stamps.clear()
            asked = time.perf_counter_ns()
            DBOS.start_workflow(one).get_result()
            samples.append(_stamps[0] - asked)
    return p50_p99_ms(samples)


@DBOS.workflow()
def waits() -> None:
    DBOS.recv("go", timeout_seconds=30)
    stamp()


def event(place: Place) -> dict[str, float]:
    samples = []
    with _launched(place.url):
        for _ in range(place.options["peer_samples"]):
            _stamps.clear()
            handle = DBOS.start_workflow(waits)
            time.sleep(0.1)  # it waits by now
            asked = time.perf_counter_ns()
            DBOS.send(handle.workflow_id, "now", "go")
            handle.get_result()
            samples.append(_stamps[0] - asked)
    return p50_p99_ms(samples)


@DBOS.workflow()
def remote_flow() -> None:
    tell()


@DBOS.step()
def tell() -> None:
    print(time.perf_counter_ns(), flush=True)


def remote(place: Place) -> dict[str, float]:
    _put_in_wal(place.url)
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.contestants.dbos", place.url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        client = DBOSClient(system_database_url=place.url)
        samples = []
        for number in range(place.options["peer_samples"] + 1):
            asked = time.perf_counter_ns()
            client.enqueue({"workflow_name": "remote_flow", "queue_name": "bench"})
            took = int(child.stdout.readline()) - asked
            if number:
                samples.append(took)
            time.sleep(0.13)  # its poll of one second is met at another moment each time
    finally:
        child.kill()
        child.wait()
    return p50_p99_ms(samples)


_late: list[float] = []


@DBOS.workflow()
async def sleeper(seconds: float) -> None:
    due = time.time() + seconds
    await DBOS.sleep_async(seconds)
    _late.append((time.time() - due) * 1000)


def sleepers(place: Place) -> dict[str, float]:
    count, seconds = place.options["peer_sleepers"], place.options["seconds"]

    async def run() -> float:
        began = time.perf_counter()
        handles = [await DBOS.start_workflow_async(sleeper, seconds) for _ in range(count)]
        started = time.perf_counter() - began
        await asyncio.gather(*(handle.get_result() for handle in handles))
        return started

    with _launched(place.url):
        started = asyncio.run(run())
    return {
        "p50_ms": percentile(_late, 0.5),
        "p99_ms": percentile(_late, 0.99),
        "early": float(sum(each < 0 for each in _late)),
        "start_us": started / count * 1e6,
    }


def imports(place: Place) -> dict[str, float]:
    return import_times({"engine_ms": ("-c", "import dbos")}, place.options["times"])


def installed(place: Place) -> dict[str, float]:
    return installed_size("dbos")


MEASUREMENTS = {
    "step": step,
    "fan": fan,
    "fan-sync": fan_sync,
    "fan-single": fan,
    "start": start,
    "event": event,
    "remote": remote,
    "sleepers": sleepers,
    "imports": imports,
    "installed": installed,
}


if __name__ == "__main__":
    with _launched(sys.argv[1]):
        DBOS.register_queue("bench")
        print("ready", flush=True)
        threading.Event().wait()

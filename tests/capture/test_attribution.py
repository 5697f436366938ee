"""L-1: whatever is written inside a step belongs to its execution, step, iteration, attempt and pass, and no other."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from durable_core.capture import HOOKS, AttemptIdentity, CaptureScope, assembly, current_scope
from durable_core.errors import InvalidStateError
from tests.capture.scopes import PATIENCE, ListSink, captured, identity, lines_of, messages, scope


@pytest.fixture
def engine() -> Iterator[None]:
    """Capture stays in the process between scopes, as it does while an engine is open."""
    HOOKS.acquire()
    yield
    HOOKS.release()


def test_a_line_says_whose_it_is() -> None:
    """L-1: execution, token, path, step, iteration, attempt and pass are on every line, in the order of writing."""
    whose = AttemptIdentity(
        execution_id="e7", token="t3", path="flow/loop/charge", step="charge", iteration="2.1", attempt=3, pass_number=2
    )
    opened = CaptureScope(whose, ListSink())
    with opened:
        print("first")
        logging.getLogger("shop").warning("second")
        print("third", file=sys.stderr)
    lines = lines_of(opened)
    assert [(line.seq, line.source, line.level, line.logger, line.message) for line in lines] == [
        (1, "stdout", "INFO", None, "first"),
        (2, "logger", "WARNING", "shop", "second"),
        (3, "stderr", "WARNING", None, "third"),
    ]
    assert {(x.execution_id, x.token, x.path, x.step, x.iteration, x.attempt, x.pass_number) for x in lines} == {
        ("e7", "t3", "flow/loop/charge", "charge", "2.1", 3, 2)
    }
    record = lines[0].as_record()
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "INFO", "source": "stdout", "logger": None, "message": "first", "metadata": None,
        "step": "charge", "path": "flow/loop/charge", "attempt": 3, "pass_number": 2,
    }  # fmt: skip


def test_nothing_outside_a_step_is_captured(engine: None) -> None:
    """L-3: before and after a scope the same calls leave no line."""
    print("before")
    lines = captured(lambda: print("inside"))
    print("after")
    logging.getLogger("shop").warning("after")
    assert messages(lines) == ["inside"]
    assert current_scope() is None


def test_concurrent_executions_never_mix(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-1: 16 executions printing, logging and starting threads at the same time each keep exactly their own lines."""
    monkeypatch.setattr(assembly, "PARTIAL_SECONDS", PATIENCE)  # a print that is held up in its middle stays one line
    count, each = 16, 200
    barrier = threading.Barrier(count)
    scopes = [scope(f"e{number}") for number in range(count)]

    def body(number: int) -> None:
        with scopes[number]:
            barrier.wait(PATIENCE)
            helper = threading.Thread(target=lambda: [print(f"{number} helper {i}") for i in range(each)])
            helper.start()
            for i in range(each):
                print(number, "print", i)
                logging.getLogger("mix").warning("%d log %d", number, i)
            helper.join(PATIENCE)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
    for number, opened in enumerate(scopes):
        lines = lines_of(opened)
        assert {line.execution_id for line in lines} == {f"e{number}"}
        assert [line.seq for line in lines] == list(range(1, 3 * each + 1))
        for kind in ("helper", "print", "log"):
            mine = [line.message for line in lines if f" {kind} " in line.message]
            assert mine == [f"{number} {kind} {i}" for i in range(each)]


def test_concurrent_tasks_never_mix(engine: None) -> None:
    """L-1: async bodies on one loop, their tasks and their `to_thread` calls keep their lines apart."""

    async def body(opened: CaptureScope, number: int) -> None:
        with opened:
            async with asyncio.TaskGroup() as group:
                for task in range(5):
                    group.create_task(talk(number, f"task {task}"))
            await asyncio.to_thread(print, f"{number} to_thread")
            await asyncio.get_running_loop().run_in_executor(None, print, f"{number} run_in_executor")

    async def talk(number: int, name: str) -> None:
        for i in range(20):
            print(f"{number} {name} {i}")
            await asyncio.sleep(0)

    async def all_of_them() -> list[CaptureScope]:
        scopes = [scope(f"e{number}") for number in range(10)]
        await asyncio.gather(*(body(opened, number) for number, opened in enumerate(scopes)))
        return scopes

    for number, opened in enumerate(asyncio.run(all_of_them())):
        lines = messages(lines_of(opened))
        assert len(lines) == 5 * 20 + 2
        assert all(line.startswith(f"{number} ") for line in lines)


class _Shouter(threading.Thread):
    def run(self) -> None:
        print("subclass")


def _start(thread: threading.Thread) -> None:
    thread.start()
    thread.join(PATIENCE)


def _submit() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(print, "submitted").result(PATIENCE)
        list(pool.map(print, ["mapped"]))


def _nested() -> None:
    _start(threading.Thread(target=lambda: _start(threading.Thread(target=print, args=("nested",)))))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda: _start(threading.Thread(target=print, args=("thread",))), ["thread"]),
        (lambda: _start(_Shouter()), ["subclass"]),
        (lambda: _start(threading.Timer(0, print, ("timer",))), ["timer"]),
        (_nested, ["nested"]),
        (_submit, ["submitted", "mapped"]),
    ],
    ids=["thread", "overridden run", "timer", "thread of a thread", "pool"],
)
def test_threads_of_a_step_belong_to_it(body: object, expected: list[str]) -> None:
    """L-1: however a step starts a thread, its lines are the step's."""
    assert callable(body)
    assert messages(captured(body)) == expected


def test_a_pool_made_outside_serves_each_step_as_its_own(engine: None) -> None:
    """L-1: one pool thread works for two steps and for nobody; a thread the pool starts meanwhile belongs to none."""
    with ThreadPoolExecutor(1) as pool:
        first, second = scope("e1"), scope("e2")
        with first:
            pool.submit(print, "one").result(PATIENCE)  # this starts the pool's only thread
            outside = contextvars.Context()
            assert outside.run(lambda: pool.submit(current_scope)).result(PATIENCE) is None
            with second:
                pool.submit(print, "two").result(PATIENCE)
            pool.submit(print, "one again").result(PATIENCE)
        assert pool.submit(current_scope).result(PATIENCE) is None
    assert messages(lines_of(first)) == ["one", "one again"]
    assert messages(lines_of(second)) == ["two"]


def test_nothing_else_of_the_context_reaches_a_thread() -> None:
    """L-1: threads and jobs get the attribution only; a variable of the user stays as Python has it: unset."""
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def body() -> None:
        variable.set("set")
        _start(threading.Thread(target=lambda: seen.append(variable.get())))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: seen.append(variable.get())).result(PATIENCE)

    captured(body)
    assert seen == ["unset", "unset"]


def test_a_thread_that_dies_tells_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    """L-1: the traceback that Python prints for a failed thread is the step's."""

    def fail() -> None:
        raise ValueError("in a thread")

    hook, threading.excepthook = threading.excepthook, threading.__excepthook__
    try:
        lines = captured(lambda: _start(threading.Thread(target=fail)))
    finally:
        threading.excepthook = hook
    assert lines[-1].message == "ValueError: in a thread"
    assert {line.source for line in lines} == {"stderr"}


def test_a_native_thread_is_not_attributed() -> None:
    """L-1: threads made past `threading` are the documented exception."""
    done = threading.Event()

    def body() -> None:
        def shout() -> None:
            print("native")
            done.set()

        _thread.start_new_thread(shout, ())
        assert done.wait(PATIENCE)

    assert captured(body) == []


def test_a_thread_that_outlives_its_step_is_captured_no_more(engine: None, capsys: pytest.CaptureFixture[str]) -> None:
    """L-3: what it writes after the end goes to the real stream alone, even when the step's own output did not."""
    ended, said = threading.Event(), threading.Event()

    def linger() -> None:
        print("during")
        said.set()
        assert ended.wait(PATIENCE)
        print("after")
        assert current_scope() is None

    opened = scope(passthrough=False)
    with opened:
        thread = threading.Thread(target=linger)
        thread.start()
        assert said.wait(PATIENCE)
    ended.set()
    thread.join(PATIENCE)
    assert messages(lines_of(opened)) == ["during"]
    assert capsys.readouterr().out == "after\n"


def test_an_abandoned_body_is_cut_off_by_another_thread(engine: None) -> None:
    """S-8: closing from outside ends the capture of a body that still runs, and leaving it later does no harm."""
    opened = scope()
    inside, go_on = threading.Event(), threading.Event()

    def body() -> None:
        with opened:
            print("in time")
            inside.set()
            assert go_on.wait(PATIENCE)
            print("too late")

    thread = threading.Thread(target=body)
    thread.start()
    assert inside.wait(PATIENCE)
    opened.close()
    taken = lines_of(opened)
    go_on.set()
    thread.join(PATIENCE)
    assert messages(taken) == ["in time"]
    assert opened.drain() == []
    assert HOOKS.holders == 1


def test_a_scope_is_entered_once() -> None:
    """A second pass needs a scope of its own, and says so."""
    opened = scope()
    with opened, pytest.raises(InvalidStateError, match="entered before"), opened:
        pass


def test_warnings_are_lines(recwarn: pytest.WarningsRecorder) -> None:
    """L-1: `warnings.warn` in a step is a line with its category and place."""
    (line,) = captured(lambda: warnings.warn("old way", DeprecationWarning, stacklevel=1))
    assert (line.source, line.level, line.message) == ("warning", "WARNING", "DeprecationWarning: old way")
    assert line.metadata is not None
    assert line.metadata["category"] == "DeprecationWarning"
    assert str(line.metadata["filename"]).endswith("test_attribution.py")
    assert [str(warning.message) for warning in recwarn] == ["old way"]


def test_a_step_inside_a_step_has_lines_of_its_own() -> None:
    """An inner scope takes over and gives back."""
    outer, inner = scope("outer"), CaptureScope(identity("inner"), ListSink())
    with outer:
        print("a")
        with inner:
            print("b")
        print("c")
    assert messages(lines_of(outer)) == ["a", "c"]
    assert messages(lines_of(inner)) == ["b"]

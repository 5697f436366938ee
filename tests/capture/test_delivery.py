"""L-2: lines are visible while the step runs, none is lost or doubled, and no sink can fail a step."""

from __future__ import annotations

import statistics
import threading
import time

import pytest

from durable_core.capture import Flusher, LogLine
from tests.capture.scopes import PATIENCE, ListSink, lines_of, messages, scope


def test_lines_are_visible_while_the_step_runs() -> None:
    """L-2: a line reaches the sink within 200 ms, without the body doing anything more.

    The median of nine: a busy machine may hold back any single one.
    """
    sink = ListSink()
    latencies: list[float] = []
    with scope(sink=sink):
        for number in range(9):
            begun = time.monotonic()
            print(number)
            sink.wait_for(lambda lines, number=number: len(lines) > number)  # type: ignore[misc]
            latencies.append(time.monotonic() - begun)
    assert statistics.median(latencies) < 0.2


def test_the_start_of_a_line_is_visible_too() -> None:
    """L-2: `print(end="")` shows after 200 ms; what follows is a line of its own, and its bare end adds none."""
    sink = ListSink()
    opened = scope(sink=sink)
    with opened:
        print("working ...", end="")
        sink.wait_for(lambda lines: messages(lines) == ["working ..."])
        print(" done")
        print("again ...", end="")
        sink.wait_for(lambda lines: messages(lines)[-1] == "again ...")
        print()
    assert messages(lines_of(opened)) == ["working ...", " done", "again ..."]


def test_a_blank_line_is_visible_too() -> None:
    """L-2: an end of line on its own is delivered like any other."""
    sink = ListSink()
    with scope(sink=sink):
        print()
        sink.wait_for(lambda lines: messages(lines) == [""])


def test_a_progress_bar_is_one_line_at_a_time() -> None:
    """A bar that draws itself over with carriage returns leaves its last state, not hundreds of lines."""
    opened = scope()
    with opened:
        for percent in range(101):
            print(f"\r{percent:3}%", end="")
        print()
        for percent in range(101):
            print(f"{percent:3}%", end="\r")
        print("done")
        print("windows\r")
    assert messages(lines_of(opened)) == ["100%", "done", "windows"]


def test_what_was_delivered_is_not_drained_again() -> None:
    """S-1, L-2: every line is either in the sink or in `drain`, in order, once."""
    sink = ListSink()
    opened = scope(sink=sink)
    with opened:
        for i in range(50):
            print(i)
            if i % 10 == 0:
                seen = i
                sink.wait_for(lambda lines, seen=seen: len(lines) > seen)  # type: ignore[misc]
        print("last")
    lines = lines_of(opened)
    assert messages(lines) == [*map(str, range(50)), "last"]
    assert [line.seq for line in lines] == list(range(1, 52))
    assert opened.drain() == []


def test_a_failing_step_keeps_its_lines() -> None:
    """L-2: whatever ends the body, its lines are there to be recorded with the failure."""
    opened = scope()
    with pytest.raises(ZeroDivisionError), opened:
        print("before", end="")
        _ = 1 / 0
    assert messages(lines_of(opened)) == ["before"]


def test_a_failing_sink_is_counted_and_asked_again() -> None:
    """L-2: the step goes on, and the lines arrive when the store is back, in order and once."""
    sink = ListSink(failures=2)
    opened = scope(sink=sink)
    with opened:
        print("one")
        print("two")
        sink.wait_for(lambda lines: len(lines) == 2)
        assert opened.sink_errors == 2
        assert isinstance(opened.last_sink_error, OSError)
    assert messages(lines_of(opened)) == ["one", "two"]


def test_lines_a_sink_refused_are_drained() -> None:
    """S-1: lines that no sink took go into the transaction of the outcome."""
    sink = ListSink(failures=10**6)
    opened = scope(sink=sink)
    with opened:
        print("kept")
        _until(lambda: opened.sink_errors > 0)
    assert messages(opened.drain()) == ["kept"]


def test_drain_waits_for_lines_on_their_way() -> None:
    """S-1: a line that a slow sink is just writing is neither lost nor taken twice."""
    begun, go_on = threading.Event(), threading.Event()

    class SlowSink(ListSink):
        def write(self, batch: list[LogLine], /) -> None:
            begun.set()
            assert go_on.wait(PATIENCE)
            raise OSError("after all, no")

    opened = scope(sink=SlowSink())
    with opened:
        print("on its way")
        assert begun.wait(PATIENCE)
    threading.Timer(0.05, go_on.set).start()
    assert messages(opened.drain(timeout=PATIENCE)) == ["on its way"]


def test_a_fenced_attempt_forgets_its_lines() -> None:
    """S-3: an attempt that lost its lease writes no logs."""
    sink = ListSink(failures=10**6)
    opened = scope(sink=sink)
    with opened:
        print("never mind")
        assert opened.discard() == 1
        print("nor this")
    assert opened.drain() == []


def test_flush_hands_over_in_this_thread() -> None:
    """A caller without a transaction can write what is left, and keeps it when that fails."""
    sink = ListSink(failures=1)
    opened = scope(sink=sink)
    with opened:
        print("left over")
        opened.close()
    with pytest.raises(OSError, match="away"):
        opened.flush()
    opened.flush()
    assert messages(sink.lines) == ["left over"]


def test_the_flusher_ends_when_there_is_nothing_to_do_and_comes_back() -> None:
    """No thread is left behind by an idle engine; scopes of one sink share a batch."""
    flusher = Flusher(gather_seconds=0.0, idle_seconds=0.01)
    opened = scope()
    assert isinstance(opened.sink, ListSink)
    for _ in range(2):
        flusher.ask(opened)
        assert flusher.is_running
        _until(lambda: not flusher.is_running)


def test_many_scopes_of_one_sink_share_a_batch_and_one_bad_line_costs_the_others_nothing() -> None:
    """Group commit: the sink gets lines of several executions together, and each on its own when that fails."""

    class Picky(ListSink):
        def write(self, batch: list[LogLine], /) -> None:
            if any(line.execution_id == "bad" for line in batch):
                raise OSError("not this one")
            super().write(batch)

    sink = Picky()
    scopes = [scope(name, sink=sink) for name in ("good", "bad", "fine")]
    flusher = Flusher(gather_seconds=0.0)
    with scopes[0], scopes[1], scopes[2]:
        for opened in scopes:
            assert opened.route is not None
            opened.route.awake = True  # the shared flusher stays out of it
            opened.route.put(("stdout", 1, opened.identity.execution_id + "\n", 1))
        flusher.deliver(scopes)
        assert sorted(messages(sink.lines)) == ["fine", "good"]
        assert [opened.sink_errors for opened in scopes] == [0, 1, 0]
    assert messages(scopes[1].drain()) == ["bad"]


def _until(reached: object) -> None:
    assert callable(reached)
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_lines_whose_sink_fails_while_they_are_drained_are_not_left_behind() -> None:
    """L-2: `drain` looks without the lock whether there is anything; the flusher's failed write comes in between."""
    opened = scope()
    with opened:
        print("hello")
        assert messages(opened.begin_delivery(1.0)) == ["hello"]

    asked: list[bool] = []

    class Lines(list[LogLine]):
        def __len__(self) -> int:
            answer = super().__len__()
            if threading.current_thread() is threading.main_thread() and not asked:
                asked.append(True)
                flusher = threading.Thread(target=opened.end_delivery, args=(OSError("full"), 2.0))
                flusher.start()
                flusher.join()
            return answer

    opened._unsent, opened._delivering = Lines(), Lines(opened._delivering)
    assert messages(opened.drain()) == ["hello"] and asked

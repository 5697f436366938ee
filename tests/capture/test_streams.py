"""L-3: the streams are the real ones outside steps, receive the text inside, and are back at the end."""

from __future__ import annotations

import builtins
import contextlib
import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from durable_core.capture import HOOKS, CaptureScope, capture_pipe
from durable_core.errors import InvalidStateError
from tests.capture.scopes import captured, lines_of, messages, scope


def _replaceable() -> tuple[Any, ...]:
    return (
        sys.stdout,
        sys.stderr,
        builtins.input,
        warnings.showwarning,
        threading.Thread.start,
        ThreadPoolExecutor.submit,
        logging.Logger.callHandlers,
    )


def test_everything_is_put_back_when_the_last_engine_closes() -> None:
    """L-3: what was replaced is the very same object again, only after the last holder let go."""
    before = _replaceable()
    HOOKS.acquire()
    HOOKS.acquire()
    captured(lambda: print("x"))
    HOOKS.release()
    assert all(now is not then for now, then in zip(_replaceable(), before, strict=True))
    HOOKS.release()
    assert all(now is then for now, then in zip(_replaceable(), before, strict=True))


def test_the_real_streams_still_receive_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    """L-3: byte for byte, in order."""

    def body() -> None:
        print("a", end="")
        print("b")
        sys.stderr.write("c")
        sys.stdout.writelines(["d\n", "e\n"])

    captured(body)
    assert capsys.readouterr() == ("ab\nd\ne\n", "c")


@pytest.mark.filterwarnings("always")
def test_passing_through_can_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    """L-3: `passthrough=False` keeps a worker's output out of the kernel's cells."""
    lines = captured(
        lambda: (print("x"), print("y", file=sys.stderr), warnings.warn("z", stacklevel=1)), passthrough=False
    )
    assert messages(lines) == ["x", "y", "UserWarning: z"]
    assert capsys.readouterr() == ("", "")


def test_a_stream_looks_like_the_one_behind_it(tmp_path: Any) -> None:
    """Encoding, terminal, descriptor and all else are the real stream's own."""
    with open(tmp_path / "out", "w", encoding="latin-1") as real, contextlib.redirect_stdout(real):
        opened = scope()
        with opened:
            stream = sys.stdout
            assert stream is not real
            assert (stream.encoding, stream.isatty(), stream.fileno()) == ("latin-1", False, real.fileno())
            assert (stream.name, stream.closed, stream.writable()) == (real.name, False, True)
            assert "captured stdout" in repr(stream)
            with pytest.raises(TypeError, match="must be str, not bytes"):
                stream.write(b"bytes")  # type: ignore[arg-type]
            with pytest.raises(AttributeError):
                _ = stream.nonsense  # type: ignore[union-attr]
            stream.close()
            assert not real.closed
            print("\u20ac")
    assert messages(lines_of(opened)) == ["\u20ac"]
    assert (tmp_path / "out").read_text() == "\\u20ac\n"


def test_bytes_are_captured(tmp_path: Any) -> None:
    """`sys.stdout.buffer` too: UTF-8 across pieces, escapes for what is none."""
    with open(tmp_path / "out", "w") as real, contextlib.redirect_stdout(real):
        opened = scope()
        with opened:
            sys.stdout.buffer.write(b"caf\xc3")
            sys.stdout.buffer.write(b"\xa9\n\xff!\nrest\xe2")
            sys.stdout.buffer.flush()
    assert messages(lines_of(opened)) == ["caf\u00e9", "\\xff!", "rest\\xe2"]
    assert (tmp_path / "out").read_bytes() == b"caf\xc3\xa9\n\xff!\nrest\xe2"


def test_lines_of_threads_do_not_mix() -> None:
    """Pieces of one line written by two threads in turns make two whole lines."""
    opened = scope()
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        for i in range(100):
            barrier.wait(10)
            print(number, i, number, sep="-")

    with opened:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(messages(lines_of(opened))) == sorted(f"{n}-{i}-{n}" for n in range(8) for i in range(100))


def test_a_step_that_redirects_its_output_gets_it() -> None:
    """`redirect_stdout` in a step works as ever: the text is the step's to read, and capture goes on afterwards."""

    def body() -> None:
        with contextlib.redirect_stdout(io.StringIO()) as mine:
            print("mine")
        print("yours", mine.getvalue().strip())

    assert messages(captured(body)) == ["yours mine"]


def test_a_step_that_leaves_its_own_stream_behind_blinds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next scope takes what stands there as the real stream."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    HOOKS.acquire()
    left = io.StringIO()

    def rude() -> None:
        sys.stdout = left

    captured(rude)
    assert messages(captured(lambda: print("next"))) == ["next"]
    assert left.getvalue() == "next\n"
    HOOKS.release()
    assert sys.stdout is left


def test_a_tee_over_the_captured_stream_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that passes on to ours, taken as the real one by a later scope, leaves one line."""
    real, copy = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", real)

    class Tee:
        def __init__(self, behind: Any) -> None:
            self.behind = behind

        def write(self, text: str) -> int:
            copy.write(text)
            return int(self.behind.write(text))

        def flush(self) -> None:
            self.behind.flush()

    HOOKS.acquire()

    def body() -> None:
        monkeypatch.setattr(sys, "stdout", Tee(sys.stdout))
        print("one")

    assert messages(captured(body)) == ["one"]
    assert messages(captured(lambda: print("two"))) == ["two"]
    HOOKS.release()
    assert (real.getvalue(), copy.getvalue()) == ("one\ntwo\n", "one\ntwo\n")


def test_streams_replaced_between_steps_are_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """Kernels and test runners put their own streams in place at any time: each gets what is its own."""
    HOOKS.acquire()
    outer = sys.stdout
    streams = [io.StringIO() for _ in range(3)]
    for number, stream in enumerate(streams):
        with contextlib.redirect_stdout(stream):
            assert messages(captured(lambda number=number: print(number))) == [str(number)]  # type: ignore[misc]
        assert sys.stdout is outer
    assert messages(captured(lambda: print("back"))) == ["back"]
    HOOKS.release()
    assert [stream.getvalue() for stream in streams] == ["0\n", "1\n", "2\n"]
    assert capsys.readouterr().out == "back\n"


def test_a_wrapped_write_method_works(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries that replace `sys.stdout.write` while it is ours neither recurse nor lose lines."""
    HOOKS.acquire()
    original, seen = sys.stdout.write, []

    def wrapped(text: str) -> int:
        seen.append(text)
        return original(text)

    sys.stdout.write = wrapped  # type: ignore[method-assign]
    assert messages(captured(lambda: print("x"))) == ["x"]
    HOOKS.release()
    assert seen == ["x", "\n"]
    assert capsys.readouterr().out == "x\n"


class _Broken(io.StringIO):
    def write(self, text: str, /) -> int:
        raise BrokenPipeError("nobody reads")

    def flush(self) -> None:
        raise BrokenPipeError("nobody reads")


@pytest.mark.parametrize("dead", [None, _Broken(), "closed"], ids=["absent", "broken pipe", "closed"])
def test_a_dead_stream_does_not_fail_the_step(dead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose terminal is gone still captures."""
    if dead == "closed":
        dead = io.StringIO()
        dead.close()
    monkeypatch.setattr(sys, "stdout", dead)
    assert messages(captured(lambda: (print("x"), print("y", flush=True)))) == ["x", "y"]
    assert sys.stdout is dead


def test_input_says_what_to_use_instead() -> None:
    """`input()` in a step fails at once with a clear text, and its prompt is not printed."""
    with pytest.raises(InvalidStateError, match=r"input\(\) was called in step 'charge'.*wait_for_input"):
        captured(lambda: input("Really? "))


def test_input_outside_a_step_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changes for the program around."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    HOOKS.acquire()
    try:
        assert input() == "yes"
    finally:
        HOOKS.release()


def test_a_child_process_writes_lines_of_the_step(capfd: pytest.CaptureFixture[str]) -> None:
    """`capture_pipe` gives a child streams whose lines are the step's, and passes them on."""
    opened = scope()
    program = "import sys; print('out \\u20ac'); print('err', file=sys.stderr); print('end', end='')"
    with opened, capture_pipe() as pipe:
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", program],
            stdout=pipe.stdout,
            stderr=pipe.stderr,
            check=True,
            timeout=60,
        )
    lines = lines_of(opened)
    assert [line.message for line in lines if line.source == "stdout"] == ["out \u20ac", "end"]
    assert [line.message for line in lines if line.source == "stderr"] == ["err"]
    assert capfd.readouterr() == ("out \u20ac\nend", "err\n")


def test_a_grandchild_that_keeps_the_pipe_open_does_not_hold_the_step() -> None:
    """Waiting for the end of the output is bounded."""
    opened = scope(passthrough=False)
    with opened:
        pipe = capture_pipe(opened)
        kept = os.dup(pipe.stdout)
        os.write(pipe.stdout, b"before\n")
        assert pipe.close(timeout=0.05) is False
        os.close(kept)
        assert pipe.close() is True
    assert messages(lines_of(opened)) == ["before"]


def test_a_pipe_needs_an_open_scope() -> None:
    """Outside a step, and after its end, the error says so."""
    with pytest.raises(InvalidStateError, match="outside a step"):
        capture_pipe()
    opened: CaptureScope = scope()
    with opened:
        opened.close()
        with pytest.raises(InvalidStateError, match="not open"):
            capture_pipe(opened)


def test_a_forked_child_leaves_the_lines_to_its_parent() -> None:
    """What a forked child prints goes to its stream; the parent's lines are stored once, and nothing hangs."""
    program = """
        import os, sys, threading, warnings
        from durable_core.capture import AttemptIdentity, CaptureScope, HOOKS
        class Sink:
            def __init__(self): self.lines = []
            def write(self, batch, /): self.lines += batch
        HOOKS.acquire()
        sink = Sink()
        scope = CaptureScope(AttemptIdentity(execution_id="e", token="t", path="p", step="s"), sink)
        with scope:
            print("parent", flush=True)
            child = os.fork()
            if not child:
                print("child", flush=True)
                left = scope.drain()
                HOOKS.release()
                os._exit(len(left))
            assert os.waitpid(child, 0)[1] == 0
        assert [line.message for line in sink.lines + scope.drain()] == ["parent"]
    """
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=60, env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert (ran.stdout, ran.stderr, ran.returncode) == ("parent\nchild\n", "", 0)


def test_importing_capture_is_light() -> None:
    """No database, no models, no screens: a child process captures too."""
    program = (
        "import sys, durable_core.capture;"
        "print(sorted({'pydantic', 'sqlmodel', 'sqlalchemy', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert ran.stdout == "[]\n"


def test_pieces_of_a_line_come_together_whatever_writes_them() -> None:
    """L-1: print with several arguments, write without an end of line, and texts of several lines in one."""

    def body() -> None:
        print("total", 3, "of", 4)
        sys.stdout.write("begun, ")
        print("went on", end="")
        sys.stdout.write(" and ended\nnext")
        print()
        print()
        print("over\r")

    assert messages(captured(body)) == ["total 3 of 4", "begun, went on and ended", "next", "", "over"]


def test_a_line_has_the_time_of_its_end_and_lines_keep_their_order() -> None:
    """L-1: also where records of loggers stand between them."""

    def body() -> None:
        for number in range(50):
            print("printed", number)
            logging.getLogger("shop").warning("logged %d", number)

    lines = captured(body)
    assert messages(lines) == [f"{how} {number}" for number in range(50) for how in ("printed", "logged")]
    assert [line.at_us for line in lines] == sorted(line.at_us for line in lines)


def test_a_program_without_showwarning_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The interpreter allows for its absence; the warning is captured, and shown as it would be."""
    holders = HOOKS.holders
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        del warnings.showwarning
        try:
            found = captured(lambda: warnings.warn("old", stacklevel=1))
            assert not hasattr(warnings, "showwarning") or holders
        finally:
            warnings.showwarning = shown
    assert [line.message for line in found] == ["UserWarning: old"]
    assert "UserWarning: old" in capsys.readouterr().err
    assert HOOKS.holders == holders

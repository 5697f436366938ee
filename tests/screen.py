"""The command on terminals: one of the system's, whose every byte is seen, and one of tmux, that is looked at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.sources import ROOTS


def on_a_terminal(folder: Path, flow: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command on a terminal of 80x24; its exit code and every byte that it wrote."""
    (folder / "flows.py").write_text(flow)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    variables |= {"PYTHONPATH": os.pathsep.join(map(str, ROOTS)), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    variables |= {"DURABLE_URL": f"sqlite:///{folder}/durable.db", **environment}
    command = [sys.executable, "-m", "durable_studio", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed: that is how a terminal says it
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(20), written.decode()


def plain(written: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)


@dataclass(frozen=True, slots=True)
class Screen:
    """A terminal of tmux: what a person sees, after all that was drawn over."""

    name: str

    def tmux(self, *arguments: str) -> str:
        # said, not inherited: readline puts the size of pytest's terminal where only child processes see it
        given = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        command = ["tmux", "-L", self.name, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=given)
        return done.stdout

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def wait_for(self, *texts: str, seconds: float = 20.0) -> str:
        """Look until all of them are there, in that order; returns all that is shown."""
        limit = time.monotonic() + seconds
        pattern = re.compile(".*".join(map(re.escape, (text.rstrip() for text in texts))), re.DOTALL)
        while not pattern.search(shown := self.tmux("capture-pane", "-p", "-S", "-")):
            assert time.monotonic() < limit, shown
            time.sleep(0.05)
        return shown


@contextmanager
def screen_of(*arguments: object, name: str) -> Iterator[Screen]:
    """The command on a terminal of tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on PATH")
    screen = Screen(name)
    paths = os.pathsep.join(map(str, ROOTS))
    words = [sys.executable, "-m", "durable_studio", *map(str, arguments)]
    set_up = ("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "60", "-e", f"PYTHONPATH={paths}")
    url = f"DURABLE_URL={os.environ['DURABLE_URL']}"
    screen.tmux(*set_up, "-e", "NO_COLOR=1", "-e", url, f"{shlex.join(words)}; cat")
    try:
        yield screen
    finally:
        screen.tmux("kill-server")

"""A list of steps that changes in place, for terminals."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from durable_core.query.entry import Entry
from durable_studio.command.output import GLYPHS
from durable_studio.command.watching import Progress, hint_for, step_name, told_of, word_of

_STYLES = {
    "pending": "yellow",
    "running": "blue",
    "waiting": "dark_orange",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "compensated": "cyan",
    "uncertain": "yellow",
}


class LiveList:
    """Every step in the place where it first appeared; the last ones where the terminal is too short for all."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._steps: dict[tuple[Any, ...], Entry] = {}
        self._live = self._begin()
        self._live.start()

    def _begin(self) -> Live:
        return Live(
            console=self._console,
            refresh_per_second=12,
            redirect_stdout=False,  # what steps print is captured, and shown by `logs`
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def update(self, progress: Progress) -> None:
        shown = self._steps
        for step in progress.recorded:
            if step["type"] != "loop":
                shown[_place(step)] = step
        # Places where nothing stands any more and nothing was recorded: a retry that moved on, a cancelled branch.
        standing = {_place(step) for step in progress.standing}
        self._steps = shown = {
            place: step for place, step in shown.items() if step["seq"] is not None or place in standing
        }
        for step in progress.standing:
            if not step["joining"] and step["type"] != "loop":
                shown[_place(step)] = step
        if not self._live.is_started:
            self._live.start()
        self._live.update(self._drawn(progress), refresh=True)

    def rest(self) -> None:
        """What stands there stays; the next update begins a new list below it."""
        self._live.stop()
        self._live = self._begin()  # one that is started again would write over what came after its last frame
        self._steps = {}

    def close(self) -> None:
        self._live.stop()

    def _drawn(self, progress: Progress) -> Group:
        steps = list(self._steps.values())
        room = max(3, self._console.height - 2)
        lines = []
        if len(steps) > room and not progress.ended:
            lines.append(Text(f"... {len(steps) - room} more above", style="dim"))
            steps = steps[-room:]
        lines += [_line(step, progress.record.id) for step in steps]
        return Group(*lines)


def _place(step: Entry) -> tuple[Any, ...]:
    attempt = step["attempt"] if step["status"] == "failed" else 0
    return (step["path"], step["type"], attempt, *step["iterations"])


def _line(step: Entry, execution_id: str) -> Text:
    word = word_of(step)
    style = _STYLES.get(word, "")
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{GLYPHS.get(step['status'], '·')} {word:<11} ", style=style)
    line.append(f"{step_name(step):<28} ")
    if step["duration_ms"] is not None:
        line.append(f"{step['duration_ms']:>8.0f} ms  ", style="dim")
    line.append(told_of(step), style="red" if step["error"] else "dim")
    if step["status"] == "waiting":
        line.append(hint_for(execution_id, step), style="dim")
    return line

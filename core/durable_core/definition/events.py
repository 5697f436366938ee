"""What happens to an execution (events), and what is to be done about it (commands). All of them are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Started:
    """The execution begins."""


class Completed(NamedTuple):
    """A step, wait or call has its result; `choice` is the branch a decision took (None: it takes none)."""

    token: str
    output: Any = None
    choice: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A switch matched case number `branch`, or none."""

    token: str
    branch: int | None


@dataclass(frozen=True, slots=True)
class Tested:
    """A loop's condition was looked at."""

    token: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """A foreach knows how many items it has."""

    token: str
    total: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The merge of a parallel or foreach is done."""

    token: str
    output: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The node failed for good."""

    token: str
    error: Any


@dataclass(frozen=True, slots=True)
class Halted:
    """The token was asked to stop and has."""

    token: str


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A branch or item of the token ended."""

    token: str
    branch: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Everything below the token must come to rest; the token itself too when `inclusive`."""

    token: str
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Revived:
    """The token had failed or was stopped, and goes on; the state holds all tokens below it."""

    token: str


Event = (
    Started | Completed | Chosen | Tested | Counted | Joined | Failed | Halted | ChildEnded | StopRequested | Revived
)


@dataclass(frozen=True, slots=True)
class Proceed:
    """The token stands at a node that is to be worked on."""

    token: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """These new tokens exist and are ready."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """All branches of the token have ended: decide its join."""

    token: str


@dataclass(frozen=True, slots=True)
class TellParent:
    """The token ended: apply `event` to its parent, whose state must be current."""

    event: ChildEnded


@dataclass(frozen=True, slots=True)
class StopBelow:
    """A branch failed: apply `StopRequested` to the state with all tokens below this one."""

    token: str


@dataclass(frozen=True, slots=True)
class Reawaken:
    """The branch that had ended may go on now: apply `Revived` to the state with all tokens below it."""

    token: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The token's body is running: ask it to stop."""

    token: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The execution has come to its end."""

    output: Any


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The execution failed."""

    error: Any


@dataclass(frozen=True, slots=True)
class Rest:
    """The execution has come to rest after it was asked to stop."""


Command = Proceed | Spawn | Merge | TellParent | StopBelow | Reawaken | Interrupt | Finish | GiveUp | Rest

"""The command ``durable-studio``. What it needs is imported when a command is chosen, never before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    from durable_studio.command.entry import invoke

    sys.exit(invoke(sys.argv[1:] if arguments is None else list(arguments)))

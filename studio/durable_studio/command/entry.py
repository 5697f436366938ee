"""From arguments to an exit code: every error becomes one clear line, none a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from typer.exceptions import TyperException

from durable_core.errors import DurableError
from durable_studio.command.output import INTERRUPTED, complain

PIPE_CLOSED: Final = 141


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict or invalid state, 5 the store."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a terminal that knows no UTF-8 still gets every line
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `durable-studio list | head`: the reader has what it wanted; nothing may be written at exit either.
        with contextlib.suppress(OSError, ValueError):  # a stdout without a descriptor has nothing to redirect
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _command()(args=list(arguments), prog_name="durable-studio", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except DurableError as error:
        complain(str(error))
        return error.exit_code
    except TyperException as error:
        complain(_usage(error))
        return 2
    except (KeyboardInterrupt, EOFError):
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except TimeoutError as error:
        complain(str(error))
        return 1
    except Exception as error:  # the last line of defence: nobody wants a traceback for an answer
        if os.environ.get("DURABLE_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error}. Set DURABLE_TRACEBACK=1 to see where.")
        return 1


@cache
def _command() -> Callable[..., Any]:
    """The tree of commands; whoever calls more than once in a process waits for it once."""
    from typer.main import get_command

    from durable_studio.command.app import app

    return get_command(app)


def _usage(error: TyperException) -> str:
    shown = getattr(error, "format_message", None)
    message = str(shown() if callable(shown) else error) or "that is no command"
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "durable-studio"
    return f"{message.rstrip('.')}. See: {path} --help"

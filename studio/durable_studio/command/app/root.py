"""What every group of commands is made with."""

from __future__ import annotations

from typing import Any

import typer


def group(help: str | None = None, *, alone: bool = False) -> typer.Typer:
    """Commands that belong together; `alone`: the group's name does something without one of them, too."""
    return typer.Typer(
        rich_markup_mode=None,  # rich alone would take half of the 300 ms that --help may cost
        pretty_exceptions_enable=False,
        add_completion=False,
        help=help,
        invoke_without_command=alone,
        no_args_is_help=not alone,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def example(text: str) -> dict[str, Any]:
    """The end of a command's help."""
    return {"epilog": f"Example: {text}"}

"""Values that the command line takes as they are, from @file, or from stdin for -."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from durable_core.errors import InputValidationError


def read_given(given: str, where: str, field: str, hint: str | None = None) -> str:
    """The text itself, of @file, or of stdin for -; a file that cannot be read is told as `where`."""
    if given == "-":
        return sys.stdin.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputValidationError(
            f"{where} cannot be read: {reason}.", errors={field: ["cannot be read"]}, hint=hint
        ) from None


def parse_json(text: str, where: str, field: str, hint: str) -> Any:
    """What a text means as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputValidationError(f"{where} is no JSON: {error}.", errors={field: ["is no JSON"]}, hint=hint) from None

"""Constants in a flow, encoded when it is defined, so that a value nobody can store is refused there."""

from __future__ import annotations

import math
from typing import Any

from durable_core.codec import encode
from durable_core.definition.checks import fault
from durable_core.definition.nodes import Json
from durable_core.errors import SerializationError

__all__ = ["encode_constant"]


def encode_constant(value: Any, option: str, where: str) -> Json:
    """The encoded form of a constant; refuses, naming the node, what cannot be encoded."""
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    try:
        return encode(value)
    except SerializationError as error:
        raise fault(where, f"{option} cannot be stored: {error.message}", error.hint) from error

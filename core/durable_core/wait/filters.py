from __future__ import annotations
from typing import Any


def resolve_where(where: Any, context: Any) -> Any:
    return where


def matches(where: Any, payload: Any) -> bool:
    return where is None or (isinstance(payload, dict) and all(payload.get(k) == v for k, v in where.items()))

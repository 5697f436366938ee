"""Recursive merge of encoded mappings."""

from __future__ import annotations

from typing import Any, Final

from durable_core.codec import same_tree

__all__ = ["deep_merge"]

_ABSENT: Final = object()


def deep_merge(fork: Any, current: Any, new: Any) -> Any:
    """``new`` merged into ``current``; ``fork`` is what both began with.

    Mappings are united key by key. A part of ``new`` that is as it was at the fork was not written by that branch and
    overrides nothing; a part that is missing in ``new`` stays. Anything but two mappings: ``new`` replaces ``current``.
    """
    if not (_is_mapping(current) and _is_mapping(new)):
        return new
    begun = fork if _is_mapping(fork) else {}
    merged = dict(current)
    for key, value in new.items():
        before = begun.get(key, _ABSENT)
        if key in merged and before is not _ABSENT and same_tree(before, value):
            continue
        merged[key] = deep_merge(before, merged[key], value) if key in merged else value
    return merged


def _is_mapping(tree: Any) -> bool:
    return type(tree) is dict and "$t" not in tree

"""The one place where values become JSON and JSON becomes values.

A value is encoded to a *tree* of dict, list, str, int, float, bool and None; what JSON does not know is a tagged
mapping, ``{"$t": "decimal", "v": "1.20"}``. A tree is always valid JSON and valid UTF-8 without NUL.
Nothing is ever imported, evaluated or unpickled because of what stands in a tree (D-4).
"""

from __future__ import annotations

from durable_core.codec.annotations import register_annotations
from durable_core.codec.decode import decode, is_plain, to_plain
from durable_core.codec.encode import encode
from durable_core.codec.registry import register_codec, register_type, type_name
from durable_core.codec.text import dump_tree, dumps, encoded_size, load_tree, loads, same_tree

__all__ = [
    "decode",
    "dump_tree",
    "dumps",
    "encode",
    "encoded_size",
    "is_plain",
    "load_tree",
    "loads",
    "register_annotations",
    "register_codec",
    "register_type",
    "same_tree",
    "to_plain",
    "type_name",
]

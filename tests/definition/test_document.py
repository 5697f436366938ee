"""A definition travels as JSON, without user code, and its hash names its structure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from durable_core.definition.document import canonical_hash, from_document, to_document
from durable_core.definition.model import Definition
from durable_core.definition.nodes import CallNode, RetryPolicy, Source, StepNode
from durable_core.errors import SchemaVersionError, SerializationError
from tests.generation import examples
from tests.strategies.definitions import definitions


def step(name: str = "a", **options: Any) -> StepNode:
    return StepNode(id=name, name=name, path=name, function=f"m:{name}", **options)


@given(definitions(waits=True))
@examples(80, deadline=None)
def test_every_definition_comes_back_equal_from_its_document(definition: Definition) -> None:
    document = json.loads(json.dumps(to_document(definition)))
    back = from_document(document)
    assert back == definition
    assert list(back.places) == list(definition.places)
    assert canonical_hash(back) == back.hash


def test_the_hash_ignores_words_and_the_places_of_code() -> None:
    one = Definition(name="w", nodes=(step(retry=RetryPolicy(retry_on=("one:Broken",))),), description="old")
    two = Definition(
        name="w",
        nodes=(replace(step(retry=RetryPolicy(retry_on=("two:Broken",))), function="other:a"),),
        description="new",
    )
    assert canonical_hash(one) == canonical_hash(two)


@pytest.mark.parametrize(
    "other",
    [
        Definition(name="w", nodes=(step(timeout=3.0),)),
        Definition(name="w", nodes=(step(), step("b"))),
        Definition(name="w", nodes=(step(),), timeout=5.0),
        Definition(name="w", nodes=(step(retry=RetryPolicy(retry_on=("m:Other",))),)),
    ],
    ids=["option", "node", "option of the workflow", "exception class"],
)
def test_the_hash_changes_with_the_structure(other: Definition) -> None:
    assert canonical_hash(other) != canonical_hash(Definition(name="w", nodes=(step(),)))


def test_the_hash_covers_user_data_whatever_its_keys() -> None:
    """A constant may have keys that are called like fields that are not hashed."""

    def calling(value: object) -> Definition:
        node = CallNode(id="c", name="c", path="c", workflow="w", input=Source(kind="constant", value=value))
        return Definition(name="w", nodes=(node,))

    assert canonical_hash(calling({"function": 1})) != canonical_hash(calling({"function": 2}))


def test_a_document_of_a_newer_library_is_refused_clearly() -> None:
    document = to_document(Definition(name="w", nodes=(step(),)))
    with pytest.raises(SchemaVersionError):
        from_document({**document, "format": 99})
    with pytest.raises(SerializationError, match="unknown type"):
        from_document({**document, "nodes": [{"type": "hologram"}]})
    with pytest.raises(SerializationError, match="newer version"):
        from_document({**document, "nodes": [{**document["nodes"][0], "warp": 9}]})
    with pytest.raises(SerializationError, match="no definition document"):
        from_document({"format": 1})


def test_a_document_that_nests_too_deeply_is_refused() -> None:
    node: dict[str, Any] = {"type": "step", "id": "a", "name": "a", "path": "a", "function": "m:a"}
    for n in range(70):
        node = {"type": "loop", "id": f"l{n}", "name": "l", "path": f"l{n}", "condition": "c", "body": [node]}
    with pytest.raises(SerializationError, match="deeper"):
        from_document({**to_document(Definition(name="w", nodes=(step(),))), "nodes": [node]})

"""How long pictures take; definitions come from the generator that the tests of the layout use."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.figures.looking import FORMATS
from bench.place import Place
from tests.graph import generated


def picture(place: Place) -> dict[str, float]:
    small, large, nested = (place.options[each] for each in ("small", "large", "nested"))
    from durable_core.graph.boxes import TextPicture, to_text
    from durable_core.graph.build import build_graph
    from durable_core.graph.canvas import Viewport

    def text_of(definition: Any, tries: int, width: int | None = None) -> float:
        # a graph of its own each time, and no other beside it: nothing is left from the time before
        return min(_best_ms([partial(to_text, build_graph(definition), width)]) for _ in range(tries))

    few, many = generated.mixed(small), generated.mixed(large)
    text_of(few, 3)
    small_ms, large_ms = text_of(few, 30), text_of(many, 4)
    laid_out = TextPicture(build_graph(many))
    middle = Viewport(0, laid_out.height // 2, 84, 36)
    return {
        "small_ms": small_ms,
        "large_ms": large_ms,
        "ratio": large_ms / small_ms,
        "view_ms": _best_ms([lambda: laid_out.paint(middle)] * 50),
        "nested_ms": text_of(generated.deep(nested), 2, width=100),
    }


def exports(place: Place) -> dict[str, float]:
    from durable_core.graph.build import build_graph

    definition = generated.mixed(place.options["nodes"])
    numbers = {}
    for format_ in FORMATS:
        build_graph(generated.mixed(16)).__getattribute__(f"to_{format_}")()  # what it imports is another figure
        work = [lambda name=format_: getattr(build_graph(definition), f"to_{name}")()] * 2
        numbers[f"{format_}_ms"] = _best_ms(work)  # type: ignore[arg-type]
    return numbers


def _best_ms(work: list[Callable[[], object]]) -> float:
    """The quickest of some equal pieces of work, in processor time, which busy machines disturb less."""
    best = float("inf")
    gc.collect()
    for piece in work:
        began = time.process_time()
        piece()
        best = min(best, (time.process_time() - began) * 1000)
    return best

"""Which points are passed how often before a process dies there, and which of them make up one chain.

A chain is one store: process after process starts some more executions, goes on with those that are there, and dies at
its point; the last one goes on to the end. So each kill finds new executions at their beginning and old ones half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tests.crash.shapes import SHAPES

LINKS = 5
"""Kills in a chain: as many losses as an execution is forgiven at one place (S-6)."""
AT_LEAST = 10
"""Shapes that a process starts before it dies."""


@dataclass(frozen=True, slots=True)
class Point:
    """A named point, when processes die there, and what passes it for sure."""

    name: str
    passings: tuple[int, ...] = (1,)
    """The process dies at that passing; all but those beyond the second are reached for sure."""
    shapes: tuple[str, ...] = ()
    early: bool = False
    """The first passing comes at once, before most executions have begun."""


@dataclass(frozen=True, slots=True)
class Link:
    """One process of a chain."""

    point: str
    passing: int
    shapes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """One store and the processes that die on it, one after the other."""

    links: tuple[Link, ...]
    company: bool
    """A second worker is there all the time, from the second process on."""

    def __str__(self) -> str:
        return "+".join(f"{link.point}@{link.passing}" for link in self.links)


def _all(names: str, passings: tuple[int, ...] = (1,), shapes: str = "", early: bool = False) -> list[Point]:
    return [Point(name, passings, tuple(shapes.split()), early) for name in names.split()]


CONTROLLED = "paused cancelled retried stopped"

POINTS = [
    *_all("before_body after_body before_record inside_record", (1, 12, 30), early=True),
    *_all("after_record", (1, 4, 12), early=True),  # passed by records that are committed at once, in the body's thread
    *_all("inside_settle after_settle", (1, 5, 15), "saga parent", early=True),
    *_all("before_start inside_start after_start", (1, 5), early=True),
    *_all("before_claim inside_claim after_claim after_mark", (1, 3), "resting flaky", early=True),
    *_all("inside_wait after_wait", (1, 4), "resting bodily gathered", early=True),
    *_all("inside_wake", (1, 3), "resting flaky overdue"),
    *_all("before_once inside_once after_once", (1, 2), "resting bodily"),
    *_all("inside_fork after_fork", (1, 3), "branches each saga nested", early=True),
    *_all("before_join inside_join after_join", (1, 3), "branches each saga nested"),
    *_all("inside_retry after_retry", (1, 2), "flaky"),
    *_all("inside_child", (1, 2), "parent family"),
    *_all("before_compensation after_compensation inside_compensation compensation_recorded", (1, 4), "saga failfast"),
    *_all("before_control inside_control after_control", (1, 3), CONTROLLED, early=True),
    *_all("before_deadline after_deadline", (1,), "timed"),
    *_all("before_signal inside_signal after_signal", (1, 4), "asked bodily gathered", early=True),
    *_all("before_schedule inside_schedule after_schedule", (1, 2), "scheduled"),
    *_all("before_tick inside_tick after_tick", (1,), "scheduled"),
    *_all("before_heartbeat after_heartbeat", (1, 2), "lingering"),
    *_all("before_stop before_hand_back inside_hand_back after_stop", (1,), "lingering"),
    *_all("before_takeover inside_takeover after_takeover"),
]


def chains() -> list[Chain]:
    """Every point at every passing, in chains: sure ones alone on their store, the others beside a second worker."""
    heads = [_link(point, point.passings[0], n) for n, point in enumerate(POINTS) if point.early]
    sure: list[Link] = []
    more: list[Link] = []
    takeovers = [point for point in POINTS if "takeover" in point.name]
    for number, point in enumerate(POINTS):
        left = list(point.passings[1:] if point.early else point.passings)
        if point not in takeovers:
            sure.append(_link(point, left.pop(0), number))
        more += [_link(point, passing, number + 7) for passing in left]
    # found dead in each of its processes: whoever died at a body
    found = [Chain((_link(POINTS[0], 6, 0), *(_link(point, 1, n) for n, point in enumerate(takeovers))), False)]
    # neighbours in the list are much alike: spread out, they meet others
    for links, company in ((_spread(sure), False), (_spread(more), True)):
        rest = iter(links)
        while part := tuple(islice(rest, LINKS - 1 if heads else LINKS)):
            head = (heads.pop(0),) if heads else ()
            found.append(Chain((*head, *part), company))
    # one at the beginning of each chain is enough: dying at once, again and again, looks like killing its workers
    return [*found, *(Chain((head,), False) for head in heads)]


def _link(point: Point, passing: int, number: int) -> Link:
    return Link(point.name, passing, tuple(dict.fromkeys((*point.shapes, *_some(number * AT_LEAST)))))


def _some(start: int) -> Iterator[str]:
    """So many shapes, others in each process."""
    names = list(SHAPES)
    return (names[(start + number) % len(names)] for number in range(AT_LEAST))


def _spread(links: list[Link]) -> list[Link]:
    count = -(-len(links) // (LINKS - 1))
    return [link for offset in range(count) for link in links[offset::count]]

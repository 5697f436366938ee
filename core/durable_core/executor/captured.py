"""Captured lines on their way to the store: live ones by themselves, the last ones with the attempt's record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Final

from durable_core.capture import AttemptIdentity, CaptureOptions, CaptureScope, LogLine
from durable_core.capture.options import level_number
from durable_core.codec import dumps
from durable_core.definition.nodes import Node, WorkNode
from durable_core.definition.state import Token
from durable_core.executor.claim import Claim
from durable_core.ids import iteration_key
from durable_core.store import claims
from durable_core.store import statements as sql
from durable_core.store.commit import Committer, Unit
from durable_core.store.lines import TOGETHER, insert_alike
from durable_core.store.transaction import Transaction


class LinesUnit(Unit):
    """Writes lines of one claim, unless its lease was lost (S-3)."""

    safe: ClassVar[bool] = True

    def __init__(self, claim: Claim, lines: Sequence[LogLine]) -> None:
        self.claim = claim
        self.lines = lines

    def write(self, tx: Transaction) -> bool:
        if not claims.is_held(tx, self.claim.token_id, self.claim.fence):
            return False
        if tx.dialect == "sqlite" and len(self.lines) >= TOGETHER:
            self._write_together(tx)
        else:
            tx.execute_many(sql.INSERT_LINE, [line_row(line) for line in self.lines])
        return True

    def _write_together(self, tx: Transaction) -> None:
        apart: list[LogLine] = []
        for _, run in groupby(self.lines, _shared):
            alike = list(run)
            whole = len(alike) - len(alike) % TOGETHER
            if whole:
                tx.execute_many(sql.INSERT_LINE, [line_row(line) for line in apart])
                apart.clear()
                insert_alike(tx, line_row(alike[0]), list(map(_own, alike[:whole])))
            apart += alike[whole:]
        tx.execute_many(sql.INSERT_LINE, [line_row(line) for line in apart])


def _fields(*names: str) -> Callable[[LogLine], Any]:
    return itemgetter(*map(LogLine._fields.index, names))


_own: Final = _fields("seq", "at_us", "message")
_shared: Final = _fields(*(name for name in LogLine._fields if name not in ("seq", "at_us", "message")))


def line_row(line: LogLine) -> dict[str, object]:
    return {
        "execution_id": line.execution_id,
        "path": line.path,
        "step": line.step,
        "iteration": line.iteration,
        "attempt": line.attempt,
        "pass_number": line.pass_number,
        "seq": line.seq,
        "at": line.at_us,
        "level": line.level,
        "source": line.source,
        "logger": line.logger,
        "message": line.message,
        "metadata": dumps(dict(line.metadata)) if line.metadata else None,
    }


class ClaimSink:
    """Where the lines of one claim go while its body still runs."""

    __slots__ = ("claim", "committer", "wrote")

    def __init__(self, committer: Committer, claim: Claim, wrote: Callable[[str], None]) -> None:
        self.committer = committer
        self.claim = claim
        self.wrote = wrote

    def write(self, batch: list[LogLine], /) -> None:
        if self.committer.commit(LinesUnit(self.claim, batch)):
            self.wrote(self.claim.execution_id)


class Capture:
    """Opens a capture scope for each pass of a body, and for each function of the context."""

    def __init__(
        self, committer: Committer, options: CaptureOptions, wrote: Callable[[str], None] = lambda _: None
    ) -> None:
        self.committer = committer
        self.options = options
        self.wrote = wrote
        """Told of the execution after lines of it were stored while its body still runs."""
        self._by_level: dict[str, CaptureOptions] = {}

    def scope(self, claim: Claim, node: Node, token: Token) -> CaptureScope:
        options = self.options
        if isinstance(node, WorkNode) and node.log_level is not None:
            options = self._options_for(node.log_level)
        identity = AttemptIdentity(  # by position: one is made for every attempt
            claim.execution_id,
            claim.token_id,
            node.path,
            node.name,
            iteration_key(token.iterations) if token.iterations else "",
            claim.attempt,
            claim.pass_number,
            claim.definition.name,
        )
        return CaptureScope(identity, ClaimSink(self.committer, claim, self.wrote), options)

    def _options_for(self, level: str) -> CaptureOptions:
        found = self._by_level.get(level)
        if found is None:
            base = self.options
            found = self._by_level[level] = CaptureOptions(
                log_level=level_number(level),
                passthrough=base.passthrough,
                enabled=base.enabled,
                masker=base.masker,
                clock=base.clock,
            )
        return found

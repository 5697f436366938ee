"""What becomes of tokens that were claimed: loaded, and begun where they fit the code here, or adopted, or parked."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.executor.claim import Claim
from durable_core.executor.definitions import Definitions
from durable_core.executor.holdings import Holdings
from durable_core.executor.load import Loader
from durable_core.executor.refused import Refused
from durable_core.executor.versions import adopt, park
from durable_core.query.fitness import Adopts, Misfits, Unknown
from durable_core.store import claims
from durable_core.store.commit import Committer

log = logging.getLogger("durable_studio.executor")


class Intake:
    """Takes up tokens for one worker."""

    def __init__(
        self,
        worker_id: str,
        committer: Committer,
        definitions: Definitions,
        bus: LocalBus,
        capture: Any,
        holdings: Holdings,
        work_on: Callable[[Sequence[Claim]], None],
        wake: Callable[[], None],
    ) -> None:
        self._committer = committer
        self._definitions = definitions
        self._bus = bus
        self._holdings = holdings
        self._work_on = work_on
        self._wake = wake
        self._loader = Loader(definitions.stored, worker_id, capture)
        self._refused: deque[Refused] = deque()

    def take_up(self, ids: Iterable[str]) -> None:
        """Begin to work on tokens that were just claimed; those that do not fit the code here are adopted or parked."""
        self._sort(self._load(ids))

    def load_kept(self, token_id: str) -> Claim | None:
        """The claim for a token that its record has kept; one that does not fit is seen to by `settle_refused`."""
        for each in self._load((token_id,)):
            if isinstance(each, Claim):
                return each
            # its transaction cannot be had here: this may be the committing thread
            self._refused.append(each)
            self._wake()
        return None

    def settle_refused(self) -> None:
        """See to what was loaded and does not fit."""
        while self._refused:
            self._settle(self._refused.popleft())

    def _load(self, ids: Iterable[str], *, adopting: bool = True) -> list[Claim | Refused]:
        compared = self._holdings.comparisons
        with self._committer.database.read() as tx:
            found = self._loader.load(tx, ids, adopting=adopting)
        for each in found:
            if isinstance(each, Claim):
                each.compared = compared
        return found

    def _sort(self, found: Sequence[Claim | Refused]) -> None:
        self._work_on([each for each in found if isinstance(each, Claim)])
        for each in found:
            if isinstance(each, Refused):
                self._settle(each)

    def _settle(self, refused: Refused) -> None:
        committer, definitions = self._committer, self._definitions
        match refused.verdict:
            case Adopts():
                adopting = committer.run(partial(adopt, refused=refused, definitions=definitions))
                self._sort(self._load((refused.token_id,), adopting=adopting))
            case Misfits(reason):
                log.warning("execution %s is blocked: %s", refused.execution_id, reason)
                settled = committer.run(partial(park, refused=refused, definitions=definitions))
                if settled is not None:
                    kind: Literal["ended", "control"] = "ended" if settled.ended else "control"
                    self._bus.publish(Message(kind, refused.execution_id, settled.revision, "", settled.status))
            case Unknown():
                committer.run(partial(claims.hand_back, held=[(refused.token_id, refused.fence)]))

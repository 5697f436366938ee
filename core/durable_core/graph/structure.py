"""The block structure behind a picture: what stands after, inside and beside what, as flat arrays.

Flat on purpose: three thousand nested loops are three thousand rows, and nothing here ever recurses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["leaf", "fork", "parallel", "loop", "foreach"]


@dataclass(frozen=True, slots=True)
class Way:
    """One sequence inside a composite: a branch, or the body of a loop or foreach."""

    label: str
    shown: bool
    """Whether the picture writes the label."""
    blocks: tuple[int, ...]
    enter: int
    """Edge from the header into the sequence (to the join when the sequence is empty)."""
    leave: int
    """Edge from the end of the sequence to the join, or back to the loop; -1 when the sequence is empty."""


@dataclass(frozen=True, slots=True)
class Block:
    """One node with everything inside it. Numbers are positions in ``Graph.nodes``, ``Graph.edges`` and here."""

    kind: BlockKind
    node: int
    depth: int
    """Number of composites around it."""
    ways: tuple[Way, ...] = ()
    join: int = -1
    compensation: int = -1
    after: int = -1
    """Edge that leaves the block's exit; -1 for the end."""
    compensates: int = -1
    """Edge to the compensation."""
    owner: int = -1
    """The composite block around it; -1 at the top."""
    last: int = -1
    """Position of the last block inside it: its subtree is ``self .. last`` (preorder)."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Blocks in preorder (a composite before what is in it), and the top sequence."""

    blocks: tuple[Block, ...]
    root: tuple[int, ...]
    composites: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Positions of the blocks that have others inside: most of a layout's work is theirs alone."""

    def __post_init__(self) -> None:
        found = tuple(position for position, block in enumerate(self.blocks) if block.ways)
        object.__setattr__(self, "composites", found)

    def exit_node(self, block: int) -> int:
        """Position of the node a block ends at: its join, else its own node."""
        b = self.blocks[block]
        return b.join if b.join >= 0 else b.node

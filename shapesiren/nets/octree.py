"""The cells into which a field of many small networks cuts its box: the leaves of an octree, found by their Morton codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

DEEPEST = 16  # levels: 3 x 16 bits of a code, cells of a 65,536th of the box

Index = NDArray[np.int64]
_CHILDREN = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)


def morton(cells: Index) -> Index:
    """(n, 3) coordinates below 2^16 -> (n,) codes, whose order is that of an octree's leaves."""
    spread = cells.astype(np.int64)
    for shift, mask in ((16, 0x0000FF0000FF), (8, 0x00F00F00F00F), (4, 0x0C30C30C30C3), (2, 0x249249249249)):
        spread = (spread | (spread << shift)) & mask
    code: Index = (spread[:, 0] << 2) | (spread[:, 1] << 1) | spread[:, 2]
    return code


@dataclass(frozen=True, eq=False)
class Octree:
    """Leaves that fill the cube [-half, half]^3, each once, in the order of their codes.

    cells : (n, 4) level, 0 for the whole cube, and coordinates along each axis in cells of that level
    half : half the cube's side, box units
    """

    cells: Index
    half: float

    @classmethod
    def of(cls, cells: Index, half: float) -> Octree:
        """From leaves in any order."""
        return cls(cells[np.argsort(_codes(cells), kind="stable")].astype(np.int64), half)

    @cached_property
    def codes(self) -> Index:
        """(n,) The code of each leaf's lowest corner, ascending."""
        return _codes(self.cells)

    @cached_property
    def halves(self) -> NDArray[np.float64]:
        """(n,) Half the side of each cell, box units."""
        halves: NDArray[np.float64] = np.asarray(self.half / 2.0 ** self.cells[:, 0], np.float64)
        return halves

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """(n, 3) box coordinates."""
        centres: NDArray[np.float64] = (2 * self.cells[:, 1:] + 1) * self.halves[:, None] - self.half
        return centres

    def leaf_of(self, x: NDArray[np.floating]) -> Index:
        """(n, 3) box coordinates -> (n,) the leaf that each lies in; outside the cube, the one nearest to it."""
        at = np.floor((np.asarray(x, np.float64) + self.half) * (2**DEEPEST / (2 * self.half)))
        return np.searchsorted(self.codes, morton(at.clip(0, 2**DEEPEST - 1).astype(np.int64)), "right") - 1

    def reaching_into(self, support: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """For each leaf, those whose support reaches into it: the cube ``support`` times the cell, of the same centre.

        Returns
        -------
        starts (n + 1,), members : leaves ``members[starts[a] : starts[a + 1]]`` reach into leaf a
        """
        return self.reached_by(self.centres, support * self.halves)

    def reached_by(
        self, centres: NDArray[np.float64], reach: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """For each leaf, which cubes of half sides ``reach`` (m,) round ``centres`` (m, 3) reach into it, in their order; as
        `reaching_into` returns it."""
        reaching = np.arange(len(centres))
        at = np.zeros((len(centres), 3), np.int64)  # a node of the octree beside each, of the level at hand
        found: list[tuple[Index, Index]] = []
        for level in range(DEEPEST + 1):
            leaf = np.searchsorted(self.codes, morton(at << (DEEPEST - level)), "right") - 1
            ends = self.cells[leaf, 0] <= level
            found.append((leaf[ends], reaching[ends]))
            at, reaching = at[~ends], reaching[~ends]
            if not len(at):
                break
            at = (2 * at[:, None] + _CHILDREN).reshape(-1, 3)
            reaching = np.repeat(reaching, 8)
            half = self.half / 2 ** (level + 1)
            apart = np.abs((2 * at + 1) * half - self.half - centres[reaching]).max(1)
            near = apart < reach[reaching] + half
            at, reaching = at[near], reaching[near]
        leaves, members = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(leaves, kind="stable")
        starts = np.searchsorted(leaves[order], np.arange(len(self.cells) + 1))
        return starts.astype(np.int32), members[order].astype(np.int32)


def _codes(cells: Index) -> Index:
    return morton(cells[:, 1:].astype(np.int64) << (DEEPEST - cells[:, :1].astype(np.int64)))

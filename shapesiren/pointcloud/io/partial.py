"""Reading a part of a file: how a reader asks which of the points to keep, and how it takes them from a large table."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..cloud import random_rows

Rows = NDArray[np.int64]


class ChooseRows(Protocol):
    """Which points of a file to keep. A reader calls it once, as soon as it knows how many there are."""

    def __call__(self, count: int, /) -> Rows | None:
        """Number of points in the file -> the rows to keep, ascending; None for all of them."""


def all_rows(count: int, /) -> Rows | None:
    """Keep every point of ``count``."""
    return None


class RandomRows:
    """At most ``most`` points, drawn at random without repetition by ``seed``.

    Attributes
    ----------
    total : the number of points in the file, once a reader has said it; 0 before, and for a mesh, which is read whole
    """

    def __init__(self, most: int, seed: int) -> None:
        self.most, self.seed, self.total = most, seed, 0

    def __call__(self, count: int, /) -> Rows | None:
        self.total = count
        return random_rows(count, self.most, self.seed) if count > self.most else None


def take_rows(table: NDArray[Any], rows: Rows, block: int = 1 << 20) -> NDArray[Any]:
    """Some ``rows`` of a table that may lie on disk, in their order: ``block`` by block, which is faster than one by one."""
    cuts = np.searchsorted(rows, np.arange(0, len(table), block))
    parts = [(i * block, part) for i, part in enumerate(np.split(rows, cuts[1:])) if len(part)]
    taken = [np.array(table[start : start + block])[part - start] for start, part in parts]
    return np.concatenate(taken) if taken else np.array(table[:0])

"""The field of a large run at any place: the tiles that are asked for are opened, and no others."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..field import Field
from ..local.cells import HALF
from .blend import Neighbourhood, coarse_of, shards_beside
from .settings import Plan
from .tiles import Tile, Tiles

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

OPEN_TILES = 4  # that are kept open, with those beside them


class LargeField(Field):
    """The field of all points of a large run, by its tiles; where there is none, that of the thinned cloud.

    Parameters
    ----------
    coarse : of the thinned cloud
    run : the folder
    """

    def __init__(self, coarse: Field, run: Path) -> None:
        super().__init__(coarse.net, coarse.task, coarse.header)
        self.open_tiles(run, coarse)

    def open_tiles(self, run: Path, coarse: Field) -> None:
        self.tiles, self.plan = Tiles.open(run), Plan.open(run)
        self.coarse = coarse_of(coarse)
        self._open: OrderedDict[Tile, Neighbourhood] = OrderedDict()

    @staticmethod
    def open(run: Path) -> LargeField:
        """The field of a run folder; at once, whatever its size. Raises InputError if there is none."""
        return LargeField(Field.load(run / "field.safetensors"), run)

    def box_values(self, x: NDArray[np.floating]) -> Floats:
        return self._ask(np.asarray(x, np.float64), False)[0]

    def box_rough_values(self, x: NDArray[np.floating]) -> Floats | None:
        return None

    def box_values_and_gradients(self, x: NDArray[np.floating], dtype: torch.dtype = torch.float32) -> tuple[Floats, Floats]:
        return self._ask(np.asarray(x, np.float64), True)

    def __call__(self, points: ArrayLike) -> Array:
        distance: Array = self.box_values(self._box(points)).astype(np.float64) * self.frame.scale
        return distance

    def gradient(self, points: ArrayLike) -> Array:
        gradient: Array = self.box_values_and_gradients(self._box(points))[1].astype(np.float64)
        return gradient

    def _box(self, points: ArrayLike) -> Array:
        x = np.asarray(points, np.float64)
        if x.ndim != 2 or x.shape[1] != 3:
            raise InputError(f"points must have shape (n, 3), not {x.shape}")
        return self.frame.to_box(x)

    def _ask(self, x: Array, gradients: bool) -> tuple[Floats, Floats]:
        value, gradient = np.empty(len(x), np.float32), np.empty((len(x) if gradients else 0, 3), np.float32)
        side = 2**self.tiles.level
        at = np.floor((x + HALF) / (2 * self.tiles.half)).astype(np.int64)
        outside = ((at < 0) | (at >= side)).any(1)
        code = np.where(outside, -1, (at[:, 0] * side + at[:, 1]) * side + at[:, 2])
        order = np.argsort(code, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(x) else []:
            i, j, k = at[rows[0]].tolist()
            near = None if outside[rows[0]] else self._at((i, j, k))
            found = self.coarse(x[rows], gradients) if near is None else near(x[rows], gradients)
            value[rows] = found[0]
            if gradients:
                gradient[rows] = found[1]
        return value, gradient

    def _at(self, tile: Tile) -> Neighbourhood | None:
        """The field in one tile; None where no tile near it holds anything."""
        if tile in self._open:
            self._open.move_to_end(tile)
            return self._open[tile]
        shards = shards_beside(self.tiles, tile)
        if not shards:
            return None
        self._open[tile] = Neighbourhood(self.tiles, tile, self.plan, shards, self.coarse, 0.0)
        if len(self._open) > OPEN_TILES:
            self._open.popitem(last=False)
        return self._open[tile]

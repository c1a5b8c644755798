"""The field in one tile: its cells and those of the tiles beside it, blended; where there is none, the thinned cloud's field.

The readable twin of the compiled `blend_kernel` is `_by_torch`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..field import Field
from ..local.cells import HALF
from ..local.sines import draw
from ..nets.cpu.engine import thread_pool
from ..nets.cpu.local_evaluate import MIN_POINTS
from ..nets.octree import Octree
from ..runtime.compiled import numba_works
from .settings import Plan
from .shard import BESIDE, NOTHING, OWN, Shard
from .tiles import STEPS, Tile, Tiles

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Coarse = Callable[[Array, bool], tuple[Floats, Floats]]  # values and, if wanted, gradients of the thinned cloud's field

COVERED = 0.02  # sum of the shares of the cells from which the thinned cloud's field no longer counts
BLOCK = 2048  # points that a thread takes at a time
PAIRS = 1 << 14


def coarse_of(field: Field) -> Coarse:
    """The field of the thinned cloud, as it is asked here."""

    def ask(x: Array, gradients: bool) -> tuple[Floats, Floats]:
        count = len(x)
        if count < MIN_POINTS:  # of few points torch would make other last digits than the compiled engine
            x = np.concatenate([x, np.repeat(x[:1], MIN_POINTS - count, 0)])
        if gradients:
            value, gradient = field.box_values_and_gradients(x)
            return value[:count], gradient[:count]
        return field.box_values(x)[:count], np.empty((0, 3), np.float32)

    return ask


class Neighbourhood:
    """The field at any place in a tile, or within ``pad`` of it.

    Parameters
    ----------
    shards : of the tile and of those beside it, by tile; a missing one holds nothing
    pad : box units
    """

    def __init__(self, tiles: Tiles, tile: Tile, plan: Plan, shards: dict[Tile, Shard], coarse: Coarse, pad: float) -> None:
        self.tiles, self.tile, self.coarse, self.pad = tiles, tile, coarse, pad
        self.centre = tiles.centre(tile)
        prior = plan.prior
        units = prior.units
        sines = draw(units, prior.length, prior.smoothness, plan.seed, torch.device("cpu"))
        self.w, self.b = sines.frequencies.numpy(), sines.phases.numpy()
        cells, heads = [np.empty((0, 4), np.int64)], [np.empty((0, units + 4), np.float32)]
        for x, y, z in (np.array(tile) + STEPS).tolist():
            shard = shards.get((x, y, z))
            if shard is None or not (shard.state != NOTHING).any():
                continue
            own = np.zeros((len(shard.cells), units + 4), np.float32)
            own[shard.state == OWN] = shard.heads
            beside = np.flatnonzero(shard.state == BESIDE)
            fewer = shard.beside.shape[1] - 4
            own[beside, :fewer], own[beside, units:] = shard.beside[:, :fewer], shard.beside[:, fewer:]
            half = HALF / 2.0 ** shard.cells[:, 0]
            centres = (2 * shard.cells[:, 1:] + 1) * half[:, None] - HALF
            near = np.abs(centres - self.centre).max(1) < tiles.half + pad + prior.support * half
            near &= shard.state != NOTHING
            cells.append(shard.cells[near])
            heads.append(own[near])
        every, head = np.concatenate(cells), np.concatenate(heads)
        deepest = int(every[:, 0].max(initial=0))
        place = every[:, 1:] << (deepest - every[:, :1])
        order = np.lexsort((every[:, 0], place[:, 2], place[:, 1], place[:, 0]))  # the same whichever tile asks
        every, self.heads = every[order], np.ascontiguousarray(head[order])
        half = HALF / 2.0 ** every[:, 0]
        self.centres = np.ascontiguousarray((2 * every[:, 1:] + 1) * half[:, None] - HALF)
        self.reach: Array = np.asarray(prior.support * half, np.float64)
        self.factor = (4.0 ** every[:, 0]).astype(np.float32)  # of neighbours the finer one counts more, as of `nets.local`
        home = shards.get(tile)
        leaves = np.zeros((1, 4), np.int64)
        if home is not None:
            leaves = home.cells.copy()
            leaves[:, 0] -= tiles.level
            leaves[:, 1:] -= np.array(tile) << leaves[:, :1]
        self.octree = Octree.of(leaves, tiles.half)

    @cached_property
    def members(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Which cells reach into each leaf of the tile, or into what lies within ``pad`` of it."""
        return self.octree.reached_by(self.centres - self.centre, np.asarray(self.reach + self.pad, np.float64))

    def __call__(self, x: Array, gradients: bool = False) -> tuple[Floats, Floats]:
        """Values (n,) and gradients (n, 3), or (0, 3) if not asked for, at box coordinates (n, 3)."""
        x = np.ascontiguousarray(x, np.float64)
        fine, slopes = self.blended(x, gradients)
        value, cover = fine[:, 0], fine[:, 1]
        gradient = slopes[:, :3].astype(np.float32)
        out = value.astype(np.float32)
        bare = np.flatnonzero(cover < COVERED)
        if len(bare):
            away, steep = self.coarse(x[bare], gradients)
            left = 1 - cover[bare] / COVERED
            share = left**3
            out[bare] = ((1 - share) * value[bare] + share * away).astype(np.float32)
            if gradients:
                turn = -3 * left[:, None] ** 2 / COVERED * slopes[bare, 3:] * (away - value[bare])[:, None]
                gradient[bare] = ((1 - share[:, None]) * slopes[bare, :3] + share[:, None] * steep + turn).astype(np.float32)
        return out, gradient

    def values(self, x: Array) -> Floats:
        return self(x)[0]

    def values_and_gradients(self, x: Array) -> tuple[Floats, Floats]:
        return self(x, True)

    def blended(self, x: Array, gradients: bool) -> tuple[Array, Array]:
        """Of the cells alone: value and cover (n, 2), and the gradients of both (n, 6) or (0, 6). The cover is the sum of the
        cells' shares, 0 where there is none."""
        starts, members = self.members
        leaf = self.octree.leaf_of(x - self.centre)
        out = np.zeros((len(x), 2))
        slopes = np.zeros((len(x) if gradients else 0, 6))
        if not len(self.reach):
            return out, slopes
        if not numba_works():
            self._by_torch(x, leaf, out, slopes)
            return out, slopes
        from .blend_kernel import blend

        def work(start: int) -> None:
            part = slice(start, start + BLOCK)
            cells = self.centres, self.reach, self.factor
            blend(x[part], leaf[part], starts, members, *cells, self.w, self.b, self.heads, out[part], slopes[part])

        list(thread_pool(torch.get_num_threads()).map(work, range(0, len(x), BLOCK)))
        return out, slopes

    def _by_torch(self, x: Array, leaf: NDArray[np.int64], out: Array, slopes: Array) -> None:
        """All pairs of a point and a cell that reaches it, a part at a time."""
        starts, members = self.members
        count = np.diff(starts)[leaf].astype(np.int64)
        ends = np.cumsum(count)
        units, first = self.w.shape[1], 0
        while first < len(x):
            last = max(first + 1, int(np.searchsorted(ends, (ends[first - 1] if first else 0) + PAIRS, "right")))
            row = np.repeat(np.arange(first, last), count[first:last])
            within = np.arange(len(row)) - np.repeat(
                ends[first:last] - count[first:last] - (ends[first - 1] if first else 0), count[first:last]
            )
            a = members[np.repeat(starts[leaf[first:last]].astype(np.int64), count[first:last]) + within]
            t = (x[row] - self.centres[a]) / self.reach[a, None]
            u = np.maximum(1 - t * t, 0)
            share = u.prod(1) ** 3
            weight = share * self.factor[a]
            phase, head = t @ self.w + self.b, self.heads[a].astype(np.float64)
            value = (np.sin(phase) * head[:, :units]).sum(1) + head[:, units] + (t * head[:, units + 1 :]).sum(1)
            top, bottom = np.bincount(row, weight * value, len(x)), np.bincount(row, weight, len(x))
            part = slice(first, last)
            under = np.maximum(bottom[part], 1e-300)
            out[part, 0] = top[part] / under
            out[part, 1] = np.bincount(row, share, len(x))[part]
            if len(slopes):
                gradient = ((np.cos(phase) * head[:, :units]) @ self.w.T + head[:, units + 1 :]) / self.reach[a, None]
                for k in range(3):
                    others = (u[:, (k + 1) % 3] * u[:, (k + 2) % 3]) ** 3
                    steep = -6 * t[:, k] * u[:, k] ** 2 * others / self.reach[a]
                    rise = np.bincount(row, steep * self.factor[a] * value + weight * gradient[:, k], len(x))[part]
                    fall = np.bincount(row, steep * self.factor[a], len(x))[part]
                    slopes[part, k] = (rise - out[part, 0] * fall) / under
                    slopes[part, 3 + k] = np.bincount(row, steep, len(x))[part]
            first = last


def shards_beside(tiles: Tiles, tile: Tile) -> dict[Tile, Shard]:
    """Those of a tile and of the tiles that touch it."""
    return {other: Shard.open(tiles.path(other, "field.safetensors")) for other in tiles.beside(tile)}


def neighbourhood(run: Path, tiles: Tiles, tile: Tile, plan: Plan, coarse: Coarse, pad: float) -> Neighbourhood:
    return Neighbourhood(tiles, tile, plan, shards_beside(tiles, tile), coarse, pad)

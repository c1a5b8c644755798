"""A local field of a scan: cells, samples away from the points, heads; nothing is descended, nothing depends on a start.

    shapesiren fit scan.ply --net local

ends here, in `solve_local`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nets.cpu.engine import thread_pool
from ..nets.local import Local
from ..runtime.kdtree import KDTree
from .cells import Cells, cut
from .heads import Rows, damping, normal_equations, solution_of_samples, solve
from .samples import Samples, Surface
from .settings import LocalSettings, Prior
from .sines import Sines, draw, places

Array = NDArray[np.float64]
Index = NDArray[np.int64]

HALF = 1.1  # half the side of the cube that the cells fill; beyond it the field is continued
LARGEST = 0.07  # half side of a cell, box units: larger ones of those without points bend away from the distance
SMALLEST = 2.0  # the same in spacings
NEAR_SAMPLES, FAR_SAMPLES = 128, 64  # of a cell with points, and of one without
BESIDE_UNITS = 128  # of a cell whose points are all in its neighbours; as many as the others have changed nothing
FAR_LENGTH = 0.5  # of the prior where there are no points, half supports: a distance bends little there
CLEAN_SPACINGS, LEAST_DEVIATION = 0.02, 1e-5  # deviation of clean points, in spacings; and at least, box units
EDGE = 0.02  # least weight of a point, at the border of a support, where its cell counts for nothing
ROWS = {"cpu": 4096, "cuda": 1 << 17}  # of one batch of cells: 8 MiB for an array at 256 units; 256 MiB


@dataclass(frozen=True)
class Scan:
    """Oriented points in box coordinates.

    points, normals : (n, 3) float64, unit normals
    deviation : (n,) standard deviation of each point's position, 0 of clean ones
    spacing : median distance from a point to the nearest other one
    closed : whether the surface has an inside
    given : whether the normals are, and not estimated
    """

    points: Array
    normals: Array
    deviation: Array
    spacing: float
    closed: bool
    given: bool = True


class Stopped(Exception):
    """Asked to stop before the field was solved."""


def solve_local(
    scan: Scan,
    settings: LocalSettings,
    seed: int,
    device: torch.device,
    progress: Callable[[float], bool] = lambda share: True,
) -> Local:
    """Fit a local field to a scan.

    Parameters
    ----------
    progress : told what share is done, now and then; False stops

    Raises
    ------
    Stopped : ``progress`` said so
    """
    typical = float(np.median(scan.deviation))
    prior = Prior.of(settings, typical, scan.spacing, scan.given)
    cells = cut(scan.points, HALF, prior.support, prior.points, LARGEST, SMALLEST * scan.spacing, prior.alone)
    sines = draw(settings.units, prior.length, prior.smoothness, seed, device)
    count = np.diff(cells.starts)
    net = _network(cells, sines, np.where(count == 0, prior.length / FAR_LENGTH, 1.0), prior.support).to(device)
    batches = _Batches(scan, cells, net, sines, settings, prior, progress)
    surface = Surface(KDTree(scan.points), scan.normals, scan.spacing, typical, scan.closed, seed)

    own = np.zeros(len(count), bool)
    own[cells.octree.leaf_of(scan.points)] = True
    without = np.flatnonzero(count == 0)
    near = 2 * places(NEAR_SAMPLES, 3, seed + 1) - 1
    for leaves, units in (
        (np.flatnonzero(own), settings.units),
        (np.flatnonzero(~own & (count > 0)), min(BESIDE_UNITS, settings.units)),
    ):
        batches.solve(leaves, near, lambda some: surface.near(batches.at(some, near)), units, 1.0)
    far = 2 * places(FAR_SAMPLES, 3, seed + 2) - 1
    samples, sure = surface.far(batches.at(without, far), cells.octree, without)
    batches.solve_alike(without[sure], far, samples.of(sure))
    row = np.empty(len(count), np.int64)  # of each leaf without points among them
    row[without] = np.arange(len(without))
    batches.solve(without[~sure], far, lambda some: samples.of(row[some]), settings.far_units, prior.length / FAR_LENGTH)
    progress(1.0)
    return net


def _network(cells: Cells, sines: Sines, zoom: Array, support: float) -> Local:
    """With all but its heads."""
    net = Local(sines.frequencies.shape[1], len(cells.octree.cells), HALF, support)
    net.frequencies.copy_(sines.frequencies)
    net.phases.copy_(sines.phases)
    net.cells.copy_(torch.from_numpy(cells.octree.cells))
    net.zoom.copy_(torch.from_numpy(zoom))
    return net


class _Batches:
    """Solves cells of one scan, many at a time, and writes their heads."""

    def __init__(
        self,
        scan: Scan,
        cells: Cells,
        net: Local,
        sines: Sines,
        settings: LocalSettings,
        prior: Prior,
        progress: Callable[[float], bool],
    ) -> None:
        self.cells, self.net, self.sines, self.settings, self.prior = cells, net, sines, settings, prior
        self.progress, self.device = progress, net.device
        self.count = np.diff(cells.starts)
        self.centres, self.reach = cells.octree.centres, prior.support * cells.octree.halves
        self.done, self.total = 0, int(self.count.sum()) + NEAR_SAMPLES * int((self.count > 0).sum())
        clean = max(CLEAN_SPACINGS * scan.spacing, LEAST_DEVIATION)
        self.points, self.normals, self.sureness, self.members = (
            torch.from_numpy(a).to(self.device)
            for a in (
                scan.points.astype(np.float32),
                scan.normals.astype(np.float32),
                (1 / np.hypot(clean, scan.deviation)).astype(np.float32),
                cells.points,
            )
        )

    def at(self, leaves: Index, local: Array) -> Array:
        """(c, m, 3) box coordinates of the places (m, 3) in each of the cells (c,)."""
        return self.centres[leaves, None] + local * self.reach[leaves, None, None]

    def solve(self, leaves: Index, local: Array, samples_of: Callable[[Index], Samples], units: int, zoom: float) -> None:
        """Each by its own points and its samples at ``local`` places (m, 3), which are asked for a batch at a time."""
        sines = self.sines.part(units, zoom, self.settings.amplitude)
        places_ = torch.from_numpy(local.astype(np.float32)).to(self.device)

        @torch.no_grad()
        def work(batch: Index) -> None:
            if not self.progress(self.done / max(1, self.total)):
                raise Stopped
            rows = self._rows(leaves[batch], places_, samples_of(leaves[batch]), sines)
            self._write(leaves[batch], solve(*normal_equations(rows, sines), sines), units)
            self.done += int(self.count[leaves[batch]].sum()) + len(batch) * len(local)

        batches = list(self._batches(leaves, len(local)))
        if self.device.type == "cpu":
            list(thread_pool(torch.get_num_threads()).map(work, batches))
        else:
            for batch in batches:
                work(batch)

    def solve_alike(self, leaves: Index, local: Array, samples: Samples) -> None:
        """Cells without points, on one side of the surface: those of one size have one matrix."""
        units = self.settings.far_units
        sines = self.sines.part(units, self.prior.length / FAR_LENGTH, self.settings.amplitude)
        places_ = torch.from_numpy(local.astype(np.float32)).to(self.device)
        for reach in np.unique(self.reach[leaves]):
            own = np.flatnonzero(self.reach[leaves] == reach)
            values = np.concatenate([samples.distances[own] / reach, samples.directions[own].reshape(len(own), -1)], 1)
            weights = float(reach / samples.deviation[own[0], 0]), float(1 / samples.direction_deviation[own[0], 0])
            operator = solution_of_samples(places_, *weights, sines)
            self._write(leaves[own], torch.from_numpy(values).to(operator) @ operator.T, units)

    def _write(self, leaves: Index, heads: Tensor, units: int) -> None:
        """Heads (B, units + 4), in units of reach, into the network, in box units."""
        index = torch.from_numpy(leaves).to(self.device)
        heads = (heads * torch.from_numpy(self.reach[leaves])[:, None].to(heads)).float()
        self.net.heads[index, :units] = heads[:, :units]
        self.net.heads[index, -4:] = heads[:, units:]

    def _batches(self, leaves: Index, samples: int) -> Iterator[Index]:
        """Indices into ``leaves``, those with about as many points together."""
        order = np.argsort(self.count[leaves], kind="stable")
        rows, most, start = self.count[leaves[order]] + samples, ROWS.get(self.device.type, 1 << 17), 0
        while start < len(order):
            size = max(1, most // int(rows[start]))
            while size > 1 and size * rows[min(start + size, len(order)) - 1] > 1.2 * most:
                size -= 1
            yield order[start : start + size]
            start += size

    def _rows(self, leaves: Index, local: Tensor, samples: Samples, sines: Sines) -> Rows:
        count, reach = self.count[leaves], torch.from_numpy(self.reach[leaves].astype(np.float32)).to(self.device)[:, None]
        column = np.arange(count.max())
        place = np.minimum(self.cells.starts[leaves][:, None] + column, len(self.members) - 1)
        real = torch.from_numpy(column < count[:, None]).to(self.device)
        index = self.members[torch.from_numpy(place).to(self.device)]
        centres = torch.from_numpy(self.centres[leaves].astype(np.float32)).to(self.device)
        x = ((self.points[index] - centres[:, None]) / reach[..., None]) * real[..., None]
        # a point counts where its cell does, by the square root of the cell's weight there
        inside = (1 - x.square().clamp(max=1)).prod(-1).clamp(min=EDGE).sqrt() * real

        def told(array: Array) -> Tensor:
            return torch.from_numpy(array.astype(np.float32)).to(self.device)

        return Rows(
            points=x,
            normals=self.normals[index],
            value_weight=inside * reach * self.sureness[index],
            normal_weight=inside / self.prior.normals,
            samples=local,
            distances=told(samples.distances) / reach,
            sample_weight=reach / told(samples.deviation),
            directions=told(samples.directions),
            direction_weight=1 / told(samples.direction_deviation),
            seen=damping(sines, self.prior.blur / reach[:, 0]),
        )

"""What the cells of a local network are to fit: the rows of their least squares, for a batch of cells at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .cells import HALF, Cells, cut
from .heads import Rows, damping
from .samples import Samples
from .settings import LocalSettings, Prior
from .sines import Sines

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LARGEST = 0.07  # half side of a cell, box units: larger ones of those without points bend away from the distance
SMALLEST = 2.0  # the same in spacings
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
    tilt : standard deviation of given normals about each axis, radians
    """

    points: Array
    normals: Array
    deviation: Array
    spacing: float
    closed: bool
    given: bool = True
    tilt: float = 0.0

    @property
    def typical(self) -> float:
        """The median deviation."""
        return float(np.median(self.deviation))


class Problem:
    """Cells over a scan, and what each has to fit.

    Parameters
    ----------
    half : half the side of the cube that is cut into cells, round the origin. A scan may have points beyond it, for the
        supports of the cells at its border, where the cube is one of several
    largest : half side of a cell, at most
    """

    def __init__(
        self,
        scan: Scan,
        settings: LocalSettings,
        prior: Prior,
        device: torch.device,
        half: float = HALF,
        largest: float = LARGEST,
    ) -> None:
        self.scan, self.settings, self.prior, self.device, self.half = scan, settings, prior, device, half
        most = prior.points
        self.cells: Cells = cut(scan.points, half, prior.support, most, largest, SMALLEST * scan.spacing, prior.alone)
        self.count = np.diff(self.cells.starts)  # of points, of each cell
        self.own = np.zeros(len(self.count), bool)  # whether one of them lies in the cell itself
        within = scan.points if half == HALF else scan.points[np.abs(scan.points).max(1) <= half]  # some are of tiles beside it
        self.own[self.cells.octree.leaf_of(within)] = True
        self.centres, self.reach = self.cells.octree.centres, prior.support * self.cells.octree.halves
        clean = max(CLEAN_SPACINGS * scan.spacing, LEAST_DEVIATION)
        self.points, self.normals, self.sureness, self.members = (
            torch.from_numpy(a).to(device)
            for a in (
                scan.points.astype(np.float32),
                scan.normals.astype(np.float32),
                (1 / np.hypot(clean, scan.deviation)).astype(np.float32),
                self.cells.points,
            )
        )

    def at(self, leaves: Index, local: Array) -> Array:
        """(c, m, 3) box coordinates of the places (m, 3) in each of the cells (c,)."""
        return self.centres[leaves, None] + local * self.reach[leaves, None, None]

    def batches(self, leaves: Index, samples: int) -> Iterator[Index]:
        """Indices into ``leaves``, those with about as many points together; each cell has so many ``samples`` besides."""
        order = np.argsort(self.count[leaves], kind="stable")
        rows, most, start = self.count[leaves[order]] + samples, ROWS.get(self.device.type, 1 << 17), 0
        while start < len(order):
            size = max(1, most // int(rows[start]))
            while size > 1 and size * rows[min(start + size, len(order)) - 1] > 1.2 * most:
                size -= 1
            yield order[start : start + size]
            start += size

    def rows(self, leaves: Index, local: Tensor, samples: Samples, sines: Sines) -> Rows:
        """Of cells (B,): their points, and their samples at ``local`` places (m, 3)."""
        count = self.count[leaves]
        column = np.arange(count.max())
        place = np.minimum(self.cells.starts[leaves][:, None] + column, len(self.members) - 1)
        index = self.members[torch.from_numpy(place).to(self.device)]
        real = torch.from_numpy(column < count[:, None]).to(self.device)
        reach = torch.from_numpy(self.reach[leaves].astype(np.float32)).to(self.device)[:, None]
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

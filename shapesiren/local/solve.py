"""A local field of a scan: cells, samples away from the points, heads; nothing is descended, nothing depends on a start.

    shapesiren fit scan.ply --net local

ends here, in `solve_local`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nets.cpu.engine import thread_pool
from ..nets.cpu.local_evaluate import evaluate
from ..nets.local import Local
from ..runtime.kdtree import KDTree
from .heads import normal_equations, solution_of_samples, solve
from .problem import Problem, Scan
from .samples import Samples, Surface
from .settings import LocalSettings, Prior
from .sines import Sines, draw, places

Array = NDArray[np.float64]
Index = NDArray[np.int64]

NEAR_SAMPLES, FAR_SAMPLES = 128, 64  # of a cell with points, and of one without
NEAR_SHARE = 0.75  # of the time, for the cells with points: .68 to .76, for closed and open surfaces
FAR_LENGTH = 0.5  # of the prior where there are no points, half supports: a distance bends little there


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
    prior = Prior.of(settings, scan.typical, scan.spacing, scan.given, scan.tilt)
    problem = Problem(scan, settings, prior, device)
    surface = Surface(KDTree(scan.points), scan.normals, scan.spacing, scan.typical, scan.closed, seed)
    sines = draw(prior.units, prior.length, prior.smoothness, seed, device)
    count, octree = problem.count, problem.cells.octree
    net = _network(problem, sines, np.where(count == 0, prior.length / FAR_LENGTH, 1.0)).to(device)
    cells = _Cells(problem, net, sines, progress)
    _solve_near(cells, surface, seed)
    surface.settle(lambda x: evaluate(net, x, True))
    without = np.flatnonzero(count == 0)
    far = 2 * places(FAR_SAMPLES, 3, seed + 2) - 1
    samples, sure = surface.far(problem.at(without, far), octree, without)
    cells.begin_far(int((~sure).sum()))
    cells.solve_alike(without[sure], far, samples.of(sure))
    row = np.empty(len(count), np.int64)  # of each leaf without points among them
    row[without] = np.arange(len(without))
    cells.solve(without[~sure], far, lambda some: samples.of(row[some]), prior.far_units, prior.length / FAR_LENGTH)
    progress(1.0)
    return net


def solve_near(problem: Problem, surface: Surface, seed: int, progress: Callable[[float], bool] = lambda share: True) -> Local:
    """The cells of a problem that have points in their support, alone: for a cube that is one of several, whose cells know
    nothing of each other. Raises Stopped as `solve_local` does."""
    prior = problem.prior
    sines = draw(prior.units, prior.length, prior.smoothness, seed, problem.device)
    net = _network(problem, sines, np.ones(len(problem.count))).to(problem.device)
    _solve_near(_Cells(problem, net, sines, progress), surface, seed)
    return net


def _solve_near(cells: _Cells, surface: Surface, seed: int) -> None:
    """Those with points of their own, then those beside them."""
    problem = cells.problem
    near = 2 * places(NEAR_SAMPLES, 3, seed + 1) - 1
    for leaves, units in (
        (np.flatnonzero(problem.own), problem.prior.units),
        (np.flatnonzero(~problem.own & (problem.count > 0)), problem.prior.beside_units),
    ):
        cells.solve(leaves, near, lambda some: surface.near(problem.at(some, near)), units, 1.0)


def _network(problem: Problem, sines: Sines, zoom: Array) -> Local:
    """With all but its heads."""
    net = Local(sines.frequencies.shape[1], len(problem.count), problem.half, problem.prior.support)
    net.frequencies.copy_(sines.frequencies)
    net.phases.copy_(sines.phases)
    net.cells.copy_(torch.from_numpy(problem.cells.octree.cells))
    net.zoom.copy_(torch.from_numpy(zoom))
    return net


class _Cells:
    """Solves cells of a problem, many at a time, and writes their heads."""

    def __init__(self, problem: Problem, net: Local, sines: Sines, progress: Callable[[float], bool]) -> None:
        self.problem, self.net, self.sines, self.progress = problem, net, sines, progress
        with_points = problem.count > 0
        self.counting = Lock()
        self.done, self.total = 0, int(problem.count.sum()) + NEAR_SAMPLES * int(with_points.sum())  # rows of this stretch
        self.begins, self.ends = 0.0, NEAR_SHARE  # what that is of the whole

    def begin_far(self, count: int) -> None:
        """What is left are so many cells without points, each with a system of its own; how many shows only now."""
        self.done, self.total = 0, FAR_SAMPLES * count
        self.begins, self.ends = NEAR_SHARE, 1.0

    def share(self) -> float:
        """What is done of the whole, in [0, 1]."""
        return self.begins + (self.ends - self.begins) * self.done / max(1, self.total)

    def solve(self, leaves: Index, local: Array, samples_of: Callable[[Index], Samples], units: int, zoom: float) -> None:
        """Each by its own points and its samples at ``local`` places (m, 3), which are asked for a batch at a time."""
        problem = self.problem
        sines = self.sines.part(units, zoom, problem.settings.amplitude)
        places_ = torch.from_numpy(local.astype(np.float32)).to(problem.device)

        @torch.no_grad()
        def work(batch: Index) -> None:
            if not self.progress(self.share()):
                raise Stopped
            rows = problem.rows(leaves[batch], places_, samples_of(leaves[batch]), sines)
            self._write(leaves[batch], solve(*normal_equations(rows, sines), sines), units)
            with self.counting:
                self.done += int(problem.count[leaves[batch]].sum()) + len(batch) * len(local)

        batches = list(problem.batches(leaves, len(local)))
        if problem.device.type == "cpu":
            list(thread_pool(torch.get_num_threads()).map(work, batches))
        else:
            for batch in batches:
                work(batch)

    def solve_alike(self, leaves: Index, local: Array, samples: Samples) -> None:
        """Cells without points, on one side of the surface: those of one size have one matrix."""
        problem = self.problem
        units, reaches = problem.prior.far_units, problem.reach[leaves]
        sines = self.sines.part(units, problem.prior.length / FAR_LENGTH, problem.settings.amplitude)
        places_ = torch.from_numpy(local.astype(np.float32)).to(problem.device)
        for reach in np.unique(reaches):
            own = np.flatnonzero(reaches == reach)
            values = np.concatenate([samples.distances[own] / reach, samples.directions[own].reshape(len(own), -1)], 1)
            weights = float(reach / samples.deviation[own[0], 0]), float(1 / samples.direction_deviation[own[0], 0])
            operator = solution_of_samples(places_, *weights, sines)
            self._write(leaves[own], torch.from_numpy(values).to(operator) @ operator.T, units)

    def _write(self, leaves: Index, heads: Tensor, units: int) -> None:
        """Heads (B, units + 4), in units of reach, into the network, in box units."""
        index = torch.from_numpy(leaves).to(self.problem.device)
        heads = (heads * torch.from_numpy(self.problem.reach[leaves])[:, None].to(heads)).float()
        self.net.heads[index, :units] = heads[:, :units]
        self.net.heads[index, -4:] = heads[:, units:]

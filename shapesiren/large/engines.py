"""Tiles by several workers: processes of this machine or a Ray cluster, see `runtime.workers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ..runtime.workers import current, each
from .fit_tile import fit_tile
from .tile_mesh import mesh_tile
from .tiles import Tile

Each = Callable[[list[Tile]], Iterable[Tile | None]]


def fit_each(run: Path) -> Each | None:
    """What solves tiles of a run that is planned by the workers that are set; None where this process does."""
    return _by_workers(partial(fit_tile, run.resolve()))


def mesh_each(run: Path) -> Each | None:
    """The same for the meshes of tiles that are solved, by the run's `MeshPlan`."""
    return _by_workers(partial(mesh_tile, run.resolve()))


def _by_workers(work: Callable[[Tile], Any]) -> Each | None:
    workers = current()
    if workers.here:
        return None
    return lambda tiles: each(work, tiles, workers)

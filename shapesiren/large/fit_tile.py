"""One tile's cells, solved: all that is needed is in the run folder, and all that comes of it is one file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..local.problem import LARGEST, Problem, Scan
from ..local.samples import Surface
from ..local.settings import Prior
from ..local.solve import solve_near
from ..pointcloud.scan.local_spacing import local_spacing
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from ..runtime.kdtree import KDTree
from .prepare_tile import TileCloud, near_thinned, prepare_tile
from .settings import Plan
from .shard import BESIDE, NOTHING, OWN, Shard, told_of
from .tiles import FOLDER, Tile, Tiles

VERSION = 1  # raised when the code below changes what it makes
THINNED = "thinned.npy"
AROUND = 200_000  # points of the thinned cloud that stand for what is not near, for the winding number


def thinned_of(run: Path) -> NDArray[np.float32]:
    """(k, 6) Points and normals of the thinned cloud, box units."""
    found: NDArray[np.float32] = np.load(run / FOLDER / THINNED, mmap_mode="r", allow_pickle=False)
    return found


def key_of(tiles: Tiles, tile: Tile, plan: Plan, thinned: NDArray[np.float32]) -> str:
    """Of what a tile's cells depend on: its points, those beside it, the sides that are known there, the plan.

    Not of the thinned points far from it, by which a closed scan's winding number goes where the nearest points do not agree:
    with them each tile would be solved again whenever a point changed anywhere.
    """
    digest = hashlib.sha256(f"{VERSION} {plan.key} {tile} {tiles.level}".encode())
    for other in tiles.beside(tile):
        digest.update(f"{other} {tiles.digests[other]}".encode())
    if not plan.given or plan.turned:
        digest.update(near_thinned(tiles, tile, thinned).tobytes())
    return digest.hexdigest()


def fit_tile(run: Path, tile: Tile, progress: Callable[[float], bool] = lambda share: True) -> dict[str, Any]:
    """Solve the cells of one tile of a run and write them; what is there with the same key is kept.

    Returns
    -------
    facts : points, outliers, cells, noise and spacing (box units), seconds

    Raises
    ------
    Stopped : ``progress`` said so; nothing is written
    """
    tiles, plan, thinned = Tiles.open(run), Plan.open(run), thinned_of(run)
    key, path = key_of(tiles, tile, plan, thinned), tiles.path(tile, "field.safetensors")
    held, facts = told_of(path)
    if held == key:
        return facts
    begun = time.perf_counter()
    cloud = prepare_tile(tiles, tile, plan, thinned)
    shard = solved(tiles, tile, plan, thinned, cloud, key, progress)
    shard.facts["seconds"] = round(time.perf_counter() - begun, 3)
    shard.write(path)
    return shard.facts


def solved(
    tiles: Tiles,
    tile: Tile,
    plan: Plan,
    thinned: NDArray[np.float32],
    cloud: TileCloud,
    key: str,
    progress: Callable[[float], bool],
) -> Shard:
    """The cells of a tile whose points are ready."""
    noise = cloud.scatter.noise if plan.deviation and cloud.scatter.noise > CLEAN_NOISE else 0.0
    scan = Scan(
        cloud.points,
        cloud.normals,
        np.full(len(cloud.points), noise),
        max(cloud.scatter.spacing, 1e-9),
        plan.closed,
        plan.given,
    )
    prior: Prior = plan.prior
    largest = min(LARGEST, tiles.half / 2**plan.depth)
    problem = Problem(scan, plan.local, prior, torch.device("cpu"), tiles.half, largest * (1 + 1e-9))
    facts: dict[str, Any] = {
        "points": int(cloud.own.sum()),
        "outliers": int((~cloud.kept).sum()),
        "noise": noise,
        "spacing": cloud.scatter.spacing,
    }
    octree = problem.cells.octree
    cells = octree.cells.copy()
    cells[:, 1:] += np.array(tile) << cells[:, :1]
    cells[:, 0] += tiles.level
    state = np.where(problem.own, OWN, np.where(problem.count > 0, BESIDE, NOTHING)).astype(np.uint8)
    width = prior.units + 4
    if not (state != NOTHING).any():
        none = np.empty((0, width), np.float32)
        return Shard(
            cells,
            state,
            none,
            none[:, : prior.beside_units + 4],
            np.zeros(len(cells), np.float32),
            cloud.kept,
            key,
            facts,
        )
    tree = KDTree(cloud.points)
    around = None
    if plan.closed:
        far = thinned[:: max(1, len(thinned) // AROUND)].astype(np.float64)
        far[:, :3] -= tiles.centre(tile)
        far = far[np.abs(far[:, :3]).max(1) > tiles.half + tiles.margin]
        around = far[:, :3], far[:, 3:]
    surface = Surface(tree, cloud.normals, scan.spacing, scan.typical, plan.closed, plan.seed, len(cloud.points), around)
    net = solve_near(problem, surface, plan.seed, progress)
    heads = net.heads.detach().numpy()
    fewer = prior.beside_units
    beside = heads[state == BESIDE]
    spacing = np.zeros(len(cells), np.float32)
    at = octree.leaf_of(cloud.points[cloud.own])
    count = np.bincount(at, minlength=len(cells))
    total = np.bincount(at, local_spacing(tree)[cloud.own], minlength=len(cells))
    spacing[count > 0] = (total[count > 0] / count[count > 0]).astype(np.float32)
    facts |= {"cells": int((state == OWN).sum()), "beside": int((state == BESIDE).sum())}
    return Shard(
        cells,
        state,
        heads[state == OWN],
        np.concatenate([beside[:, :fewer], beside[:, -4:]], 1),
        spacing,
        cloud.kept,
        key,
        facts,
    )

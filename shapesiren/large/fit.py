"""The fit of a large run: its tiles, one after the other, each kept as soon as it is solved."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..local.settings import LocalSettings
from ..pointcloud.header import CloudHeader
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from ..pointcloud.settings import IngestSettings
from ..runtime.files import write_atomically
from ..runtime.working import working_at
from .build import depth_below
from .fit_tile import THINNED, VERSION, fit_tile, key_of, thinned_of
from .ingest import TILE_POINTS
from .settings import Plan
from .shard import told_of
from .tiles import FOLDER, Tile, Tiles, name_of

FIELD_INDEX = "field.json"  # tile -> key of its cells: what the stage has made


@dataclass(frozen=True)
class TilesSolved:
    """tiles : how many; kept : of them, those that were there already; cells : that hold points; outliers : left out"""

    tiles: int
    kept: int
    cells: int
    outliers: int

    def line(self) -> str:
        kept = f", {self.kept:,} of them kept" if self.kept else ""
        plural = "" if self.tiles == 1 else "s"
        return f"{self.tiles:,} tile{plural}{kept}, {self.cells:,} networks with points, {self.outliers:,} outliers left out"


def make_plan(
    run: Path,
    header: CloudHeader,
    local: LocalSettings,
    ingest: IngestSettings,
    seed: int,
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    noisy: bool = True,
) -> Plan:
    """Write what all tiles share into the run folder: the plan, and the thinned cloud (n, 3), (n, 3).

    ``noisy``: False ignores the noise of the points
    """
    given = header.normals != "estimated"
    noise = header.tile_noise if noisy and header.tile_noise > CLEAN_NOISE else 0.0
    settings: dict[str, Any] = {
        "local": local.model_dump(mode="json"),
        "seed": seed,
        "spacing": max(header.tile_spacing, 1e-9),
        "deviation": noise,
        "closed": not header.open,
        "given": given,
        "tilt": header.tile_tilt,
        "neighbours": ingest.neighbours,
        "outliers": ingest.outliers == "remove",
        "turned": header.turned,
        "depth": depth_below(ingest.tile_points or TILE_POINTS),
    }
    tiles, support = Tiles.open(run), Plan(**{**settings, "local": local, "key": ""}).prior.support
    while 1.25 * (support - 1) * tiles.half / 2 ** settings["depth"] > tiles.margin * (1 + 1e-9):
        settings["depth"] += 1  # supports so wide that those of large cells would reach beyond what a tile sees
    key = hashlib.sha256(json.dumps([VERSION, settings], sort_keys=True).encode()).hexdigest()
    plan = Plan(**{**settings, "local": local, "key": key})
    table = np.concatenate([points, normals], 1).astype(np.float32)
    write_atomically(run / FOLDER / THINNED, lambda file: np.save(file, table, allow_pickle=False))
    plan.save(run)
    return plan


def todo_of(run: Path) -> list[Tile]:
    """Tiles whose cells are not solved, or of other points or settings than they have now."""
    tiles, plan, thinned = Tiles.open(run), Plan.open(run), thinned_of(run)
    wanted = {tile: key_of(tiles, tile, plan, thinned) for tile in sorted(tiles.counts)}
    return [tile for tile, key in wanted.items() if told_of(tiles.path(tile, "field.safetensors"))[0] != key]


def fit_tiles(
    run: Path, progress: Callable[[float], bool], each: Callable[[list[Tile]], Iterable[Tile | None]] | None = None
) -> TilesSolved:
    """Solve what `todo_of` a planned run says, and write the index of the field.

    Parameters
    ----------
    progress : told what share is done; False stops, and what is done is kept
    each : solves tiles in an engine's way, each with `fit_tile`, and yields one when it is done, or None while none is;
        None: one after the other, here

    Raises
    ------
    Stopped : ``progress`` said so
    """
    from ..local.solve import Stopped

    tiles, todo = Tiles.open(run), todo_of(run)
    points = {tile: tiles.counts[tile] for tile in todo}
    total, done, begun = max(1, sum(points.values())), 0, time.perf_counter()

    def told(share: float, tile: Tile) -> bool:
        return progress(min(1.0, (done + share * points[tile]) / total))

    if each is not None:
        ended = 0
        for one in each(todo):
            if one is not None:
                done, ended = done + points[one], ended + 1
                left = (time.perf_counter() - begun) / done * (total - done)
                working_at(f"tile {ended} of {len(todo)}, {left:.0f} s left", done / total)
            if not progress(done / total):
                raise Stopped
    else:
        for i, tile in enumerate(todo):
            if not progress(done / total):
                raise Stopped
            fit_tile(run, tile, lambda share, tile=tile: told(share, tile))  # type: ignore[misc]
            done += points[tile]
            left = (time.perf_counter() - begun) / done * (total - done)
            working_at(f"tile {i + 1} of {len(todo)}, {left:.0f} s left", done / total)
    keys, cells, outliers = {}, 0, 0
    for tile in sorted(tiles.counts):
        keys[name_of(tile)], facts = told_of(tiles.path(tile, "field.safetensors"))
        cells += int(facts.get("cells", 0))
        outliers += int(facts.get("outliers", 0))
    write_atomically(run / FOLDER / FIELD_INDEX, json.dumps(keys, indent=1).encode())
    return TilesSolved(len(keys), len(keys) - len(todo), cells, outliers)

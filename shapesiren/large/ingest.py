"""Stage ``ingest`` of a large scan: its tiles, and the thinned cloud that decides all, which is ingested as any scan is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..pointcloud.header import CloudHeader
from ..pointcloud.ingest import IngestedCloud, ingest_shape
from ..pointcloud.normals.deviation import normals_deviation
from ..pointcloud.normals.estimate import unit_normals
from ..pointcloud.scan.noise import noise_across, scatter
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from ..pointcloud.settings import IngestSettings
from ..runtime.working import working_at
from .build import bare, check_disk, level_for, sources_of, thinned, without_selection
from .build import scatter as scatter_points
from .source import points_in
from .tiles import Tiles

Say = Callable[[str], None]

LARGE_FROM = 5_000_000  # points from which a scan is taken as large unasked
TILE_POINTS = 1_000_000  # of a tile, about: 2.5 GiB while it is solved
MEASURED_TILES, MEASURED_POINTS = 8, 200_000  # by which spacing and noise of all are known


def is_large(paths: Sequence[Path], settings: IngestSettings) -> bool:
    """Whether a scan is to be treated in tiles: as the settings say, else by the points that its files promise."""
    if settings.large is not None:
        return settings.large
    counts = [points_in(path) for path in paths]
    every = settings.every or 1
    return sum(c for c in counts if c) / every > LARGE_FROM


def ingest_large(
    run: Path, paths: Sequence[Path], settings: IngestSettings, seed: int, say: Say, key: str = ""
) -> IngestedCloud:
    """Tiles in the run folder, and the thinned cloud.

    Parameters
    ----------
    key : of the input, so that tiles of another one are not gone on with

    Raises
    ------
    InputError : the input holds no surface, or cannot be treated so
    RunError : there is not enough disk
    """
    if settings.normals == "unsigned":
        raise InputError(
            "a large scan needs normals with sides", where="ingest.normals", hint="--set ingest.large=false takes some points"
        )
    if settings.large is None:
        say("so many points: all of them are used, tile by tile (--set ingest.large=false takes some)")
    sources = sources_of(paths, settings)
    working_at("reading", 0.0)
    found = thinned(sources, seed, say)
    most = settings.tile_points or TILE_POINTS
    given = settings.normals in ("auto", "given") and found.cloud.normals is not None
    check_disk(run, found.count, 6 if given else 3, sum(p.stat().st_size for p in paths if p.is_file()), say)
    # no guide: what is solved needs none
    coarse = without_selection(settings).model_copy(update={"guide_samples": 0, "large": None})
    ingested = ingest_shape(bare(found.cloud), coarse, seed, say)
    header = ingested.header
    if header.units is None and found.cloud.units is not None:
        header = header.model_copy(update={"units": found.cloud.units})
    points = ingested.arrays["points"].astype(np.float64)
    level = level_for(points, found.count, most)
    given = given and header.normals != "estimated"
    tiles = scatter_points(
        run, sources, header.frame, found.count, level, most, given, f"{key} {seed} {level} {header.frame} {given}", say
    )
    turned = given and bool(ingested.facts.normals.turned or ingested.facts.normals.flipped)
    header = measured(tiles, header, given, turned)
    scale = header.frame.scale
    say(f"{len(tiles.counts):,} tiles of up to {max(tiles.counts.values()):,} points")
    facts = ingested.facts.model_copy(
        update={
            "points": sum(tiles.counts.values()),
            "read": tiles.read,
            "non_finite": found.read - found.count,
            "duplicates": tiles.dropped["duplicates"],
            "outliers": tiles.dropped["outside"],
            "spacing": header.tile_spacing * scale,
            "noise": header.tile_noise * scale,
            "tiles": len(tiles.counts),
        }
    )
    return IngestedCloud(ingested.arrays, header, facts)


def measured(tiles: Tiles, header: CloudHeader, given: bool, turned: bool) -> CloudHeader:
    """The header with spacing and noise of the points themselves, not of the thinned ones: the median over some tiles, the
    fullest of each eighth."""
    order = sorted(tiles.counts, key=lambda t: (-tiles.counts[t], t))
    chosen = order[:: max(1, len(order) // MEASURED_TILES)][:MEASURED_TILES]
    rows, weights = [], []
    for tile in chosen:
        stored = np.asarray(tiles.stored(tile), np.float64)
        # a run of the Morton order is a compact part
        first = max(0, (len(stored) - MEASURED_POINTS) // 2)
        some = stored[first : first + MEASURED_POINTS]
        if len(some) < 50:
            continue
        noise, spacing, _ = scatter(some[:, :3], 2000)
        tilt = 0.0
        if given:
            normals, valid = unit_normals(some[:, 3:])
            if noise > CLEAN_NOISE:
                noise = min(noise, noise_across(some[valid, :3], normals[valid], noise))
            tilt = normals_deviation(some[valid, :3], normals[valid])
        rows.append((noise, spacing, tilt))
        weights.append(len(stored))
    if not rows:
        rows, weights = [(header.noise, header.spacing, 0.0)], [1]
    order_by = np.argsort(np.array(rows), axis=0)
    middle = []
    for k in range(3):
        share = np.cumsum(np.array(weights)[order_by[:, k]]) / sum(weights)
        middle.append(float(np.array(rows)[order_by[np.searchsorted(share, 0.5), k], k]))
    noise, spacing, tilt = middle
    found = {"tile_spacing": spacing, "tile_noise": noise, "tile_tilt": tilt, "turned": turned}
    return header.model_copy(update={"tiles": len(tiles.counts), **found})

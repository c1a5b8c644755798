"""A cloud of any size -> tiles on disk, in two passes: a thinned cloud, which decides all; then every point to its tile."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..local.cells import HALF
from ..pointcloud.cloud import PointCloud, merge
from ..pointcloud.selection import Selection
from ..pointcloud.settings import IngestSettings
from ..runtime.files import write_atomically
from ..runtime.working import working_at
from ..similarity import Similarity
from .source import Source
from .tiles import DEEPEST, FILES, FOLDER, Tile, Tiles, morton63, name_of, tile_of

Say = Callable[[str], None]

THINNED_SHARE, LEAST_THINNED, MOST_THINNED = 0.01, 100_000, 1_000_000  # of the points, by which all is decided
CELL_POINTS = 200  # of a cell's own, about, where points are dense; margins of tiles are told by it
JOURNAL, JOURNAL_EVERY = "scatter.json", 8  # blocks between its entries
FIELD_BYTES, MESH_BYTES = 14, 81  # on disk for each point, of cells and of the mesh and its tiles: measured, see docs/design
PASSES = 0.35  # share of the time of ingest after which the second one begins


@dataclass(frozen=True)
class Thinned:
    """cloud : a random part of the points; count : of all, those that are finite; read : in the files
    low, high : corners of them all
    """

    cloud: PointCloud
    count: int
    read: int


def sources_of(paths: Sequence[Path], settings: IngestSettings) -> list[Source]:
    selection = Selection.of(settings)
    return [Source(path, selection, settings.columns) for path in paths]


def _blocks(sources: Sequence[Source]) -> Iterator[PointCloud]:
    for source in sources:
        yield from source.blocks()


def thinned(sources: Sequence[Source], seed: int, say: Say) -> Thinned:
    """Read all, and keep a random hundredth of it in memory, at least `LEAST_THINNED` points and at most `MOST_THINNED`.

    Each block is thinned by a generator of its own, of the seed and the block's number: files that are read in the same blocks
    give the same points, whatever is held of them.
    """
    kept: list[PointCloud] = []
    share, held, count, read = 1.0, 0, 0, 0
    begun = time.perf_counter()
    for number, block in enumerate(_blocks(sources)):
        rng = np.random.default_rng([seed, number])
        finite = np.isfinite(block.points).all(1)
        read += len(block.points)
        count += int(finite.sum())
        part = block.take(finite & (rng.random(len(block.points)) < share))
        kept.append(part)
        held += len(part.points)
        while held > 2 * MOST_THINNED:
            share /= 2
            kept = [c.take(np.random.default_rng([seed, i, held]).random(len(c.points)) < 0.5) for i, c in enumerate(kept)]
            held = sum(len(c.points) for c in kept)
        working_at(f"reading: {read / 1e6:.0f} M points, {read / 1e6 / (time.perf_counter() - begun):.1f} M/s", None)
    if not held:
        raise InputError("there are no points in it", where=sources[0].path)
    cloud = merge([c for c in kept if len(c.points)])
    wanted = int(min(max(THINNED_SHARE * count, LEAST_THINNED), MOST_THINNED))
    if held > wanted:
        rows = np.sort(np.random.default_rng(seed).choice(held, wanted, replace=False))
        cloud = cloud.take(rows)
    say(f"{read:,} points in it; {len(cloud.points):,} of them decide what all are treated by")
    return Thinned(cloud, count, read)


def level_for(points: NDArray[np.float64], count: int, most: int) -> int:
    """The level of an octree over the box at which no tile has more than ``most`` of ``count`` points, by a sample (n, 3) of
    them in box coordinates."""
    limit = max(1.0, most * len(points) / count)
    for level in range(DEEPEST + 1):
        at = np.floor((points + HALF) * (2**level / (2 * HALF))).astype(np.int64).clip(0, 2**level - 1)
        code = (at[:, 0] * 2**level + at[:, 1]) * 2**level + at[:, 2]
        if np.unique(code, return_counts=True)[1].max() <= limit:
            return level
    return DEEPEST


def depth_below(most: int) -> int:
    """Levels that a tile of ``most`` points is cut at least: so its largest cells are small, and it sees little beyond it."""
    levels = math.log(max(most, 1) / CELL_POINTS, 4)
    return max(1, math.floor(levels) - 2)


def margin_of(half: float, most: int, support: float = 2.0) -> float:
    """How far a tile has to see: what the supports of its largest cells, ``support`` cells wide, reach beyond it, and a quarter
    of them more for the nearest points of what lies there."""
    return 1.25 * (support - 1) * half / 2 ** depth_below(most)


def check_disk(folder: Path, count: int, columns: int, given: int, say: Say) -> None:
    """Say what disk will be needed; RunError if there is less."""
    needed = count * (4 * columns + FIELD_BYTES + MESH_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    say(f"disk: about {needed / 2**30:.1f} GiB will be needed of {free / 2**30:.1f} free (the input has {given / 2**30:.1f})")
    if needed > free:
        hint = "name a folder on a larger disk with --out, or take less: --box, --every"
        raise RunError(f"{needed / 2**30:.1f} GiB of disk are needed, {free / 2**30:.1f} are free", where=folder, hint=hint)


def scatter(
    run: Path,
    sources: Sequence[Source],
    frame: Similarity,
    count: int,
    level: int,
    most: int,
    with_normals: bool,
    key: str,
    say: Say,
) -> Tiles:
    """Every point to its tile's file, block by block; goes on where a kill broke it off.

    Parameters
    ----------
    run : folder; most : points of a tile, about
    key : of all that decides where points go: another one begins anew
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    columns = 6 if with_normals else 3
    done, sizes, outside = _resumed(folder, key, columns)
    if done:
        say(f"goes on after {done} blocks")
    half = HALF / 2**level
    begun, read = time.perf_counter(), 0
    for number, block in enumerate(_blocks(sources)):
        read += len(block.points)
        if number < done:
            continue
        finite = np.isfinite(block.points).all(1)
        points = frame.to_box(block.points[finite])
        at = np.floor((points + HALF) / (2 * half)).astype(np.int64)
        within = ((at >= 0) & (at < 2**level)).all(1)
        outside += int((~within).sum())
        points, at = points[within], at[within]
        rows = np.empty((len(points), columns), np.float32)
        largest = np.nextafter(np.float32(half), np.float32(0))
        rows[:, :3] = np.clip((points - ((2 * at + 1) * half - HALF)).astype(np.float32), -largest, largest)
        if with_normals:
            assert block.normals is not None
            rows[:, 3:] = block.normals[finite][within]
        _append(folder, rows, at, sizes)
        if (number + 1) % JOURNAL_EVERY == 0:
            _enter(folder, key, number + 1, sizes, outside)
        pace = max(read, 1) / (time.perf_counter() - begun)
        left = (count - read) / max(pace, 1)
        working_at(f"to tiles: {read / 1e6:.0f} of {count / 1e6:.0f} M points, {left:.0f} s left", PASSES)
    _enter(folder, key, number + 1, sizes, outside)
    counts: dict[Tile, int] = {}
    digests: dict[Tile, str] = {}
    for i, (name, size) in enumerate(sorted(sizes.items())):
        tile = tile_of(name)
        counts[tile], digests[tile] = _finish(folder, tile, size, columns, half)
        working_at(f"sorting tile {i + 1} of {len(sizes)}", 0.8)
    dropped = {"outside": outside, "duplicates": sum(sizes.values()) - sum(counts.values())}
    tiles = Tiles(folder, level, counts, digests, columns, margin_of(half, most), read, dropped)
    tiles.save()
    _forget(folder, counts)
    for name in sizes:
        (folder / f"{name}.raw").unlink(missing_ok=True)
    (folder / JOURNAL).unlink(missing_ok=True)
    return tiles


def _forget(folder: Path, kept: Collection[Tile]) -> None:
    """Remove what is left of tiles that are no longer: files of an ingest before this one."""
    names = {name_of(tile) for tile in kept}
    for what in FILES:
        for path in folder.glob(f"*.{what}"):
            if path.name.removesuffix(f".{what}") not in names:
                path.unlink()


def _append(folder: Path, rows: NDArray[np.float32], at: NDArray[np.int64], sizes: dict[str, int]) -> None:
    code = morton63(at)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for part in np.split(order, starts[1:]) if len(order) else []:
        x, y, z = at[part[0]].tolist()
        name = name_of((x, y, z))
        try:
            with open(folder / f"{name}.raw", "ab") as file:
                file.write(rows[part].tobytes())
        except OSError as e:
            raise RunError(f"cannot write ({e.strerror})", where=folder / f"{name}.raw") from None
        sizes[name] = sizes.get(name, 0) + len(part)


def _enter(folder: Path, key: str, blocks: int, sizes: dict[str, int], outside: int) -> None:
    entry = {"key": key, "blocks": blocks, "sizes": sizes, "outside": outside}
    write_atomically(folder / JOURNAL, json.dumps(entry).encode())


def _resumed(folder: Path, key: str, columns: int) -> tuple[int, dict[str, int], int]:
    """Blocks that are done, the points that each tile has of them, and those outside; files are cut to that."""
    try:
        entry = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        blocks, sizes, outside = int(entry["blocks"]), dict(entry["sizes"]), int(entry["outside"])
        width = 4 * columns
        whole = entry["key"] == key and all((folder / f"{n}.raw").stat().st_size >= width * k for n, k in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        for old in folder.glob("*.raw"):
            old.unlink()
        (folder / JOURNAL).unlink(missing_ok=True)
        return 0, {}, 0
    for old in folder.glob("*.raw"):
        if old.stem not in sizes:
            old.unlink()
            continue
        with open(old, "r+b") as file:
            file.truncate(width * sizes[old.stem])
    return blocks, sizes, outside


def _finish(folder: Path, tile: Tile, size: int, columns: int, half: float) -> tuple[int, str]:
    """A tile's points in Morton order, each once, under their final name: how many, and their digest."""
    rows = np.fromfile(folder / f"{name_of(tile)}.raw", np.float32, size * columns).reshape(-1, columns)
    fine = np.floor((rows[:, :3].astype(np.float64) + half) * (2**21 / (2 * half))).astype(np.int64).clip(0, 2**21 - 1)
    code = morton63(fine)
    order = np.argsort(code, kind="stable")
    rows, code = rows[order], code[order]
    again = np.zeros(len(rows), bool)  # equal points have one code, and hardly any other has it
    again[1:] = (code[1:] == code[:-1]) & (rows[1:, :3] == rows[:-1, :3]).all(1)
    rows = np.ascontiguousarray(rows[~again])
    write_atomically(folder / f"{name_of(tile)}.points.npy", lambda file: np.save(file, rows, allow_pickle=False))
    return len(rows), hashlib.sha256(rows.tobytes()).hexdigest()


def without_selection(settings: IngestSettings) -> IngestSettings:
    """Of points that are selected already."""
    return settings.model_copy(
        update={"box": None, "polygon": None, "classes": None, "every": None, "max_points": 2 * MOST_THINNED}
    )


def bare(cloud: PointCloud) -> PointCloud:
    """Without what tiles do not keep."""
    return replace(cloud, colours=None, intensity=None, classes=None, returns=None, scan=None, tallies={})

"""The tiles of a large cloud: nodes of one level of an octree over the box, and the files that each has in the run folder.

`tiles/index.json` says which there are; of tile X-Y-Z (its coordinates, in tiles) there are, as far as the run has come,

    X-Y-Z.points.npy           (n, 3) or (n, 6) float32, position and normal, in Morton order, from the tile's centre, box units
    X-Y-Z.field.safetensors    its cells and their heads, see `shard`
    X-Y-Z.mesh.safetensors     its part of the mesh, see `tile_mesh`
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..local.cells import HALF
from ..runtime.files import write_atomically

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Tile = tuple[int, int, int]

FOLDER, INDEX, FORMAT = "tiles", "index.json", 1
FILES = ("points.npy", "field.safetensors", "mesh.safetensors")  # of a tile
DEEPEST = 14  # level of tiles, at most
STEPS = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)], np.int64)


def name_of(tile: Tile) -> str:
    return "-".join(map(str, tile))


def tile_of(name: str) -> Tile:
    x, y, z = map(int, name.split("-"))
    return x, y, z


def morton63(at: Index) -> Index:
    """(n, 3) coordinates below 2^21 -> (n,) codes."""
    spread = at.astype(np.int64)
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        spread = (spread | (spread << shift)) & mask
    code: Index = (spread[:, 0] << 2) | (spread[:, 1] << 1) | spread[:, 2]
    return code


@dataclass(frozen=True)
class Tiles:
    """level : of the octree over the cube [-HALF, HALF]^3 whose nodes they are
    counts, digests : of the points of each, by its name
    columns : of its points' files, 3 or 6
    margin : how far beyond itself a tile has to see, box units
    """

    folder: Path
    level: int
    counts: dict[Tile, int]
    digests: dict[Tile, str]
    columns: int
    margin: float
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    # ---- Where they are ------------------------------------------------------------------------------
    @property
    def half(self) -> float:
        """Half a tile's side, box units."""
        return HALF / 2**self.level

    def centre(self, tile: Tile) -> Array:
        centre: Array = (2 * np.array(tile) + 1) * self.half - HALF
        return centre

    def beside(self, tile: Tile) -> list[Tile]:
        """The tile and those that touch it, if they hold points; the same order whatever the tile."""
        near = (np.array(tile) + STEPS).tolist()
        return [found for x, y, z in near if (found := (x, y, z)) in self.counts]

    def path(self, tile: Tile, what: str) -> Path:
        """``what``: points.npy, field.safetensors or mesh.safetensors."""
        return self.folder / f"{name_of(tile)}.{what}"

    # ---- Their points ---------------------------------------------------------------------------------
    def stored(self, tile: Tile) -> NDArray[np.float32]:
        """The tile's own points as they are stored, mapped."""
        try:
            found: NDArray[np.float32] = np.load(self.path(tile, "points.npy"), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as e:
            hint = "ingest it again with --force"
            raise InputError(
                f"points of a tile are missing or damaged ({e})", where=self.path(tile, "points.npy"), hint=hint
            ) from None
        return found

    def points(self, tile: Tile, margin: float | None = None) -> tuple[Array, NDArray[np.bool_]]:
        """Points (n, 3) or (n, 6) from the tile's centre, of the tile and, within ``margin``, of those beside it; and which of
        them (n,) are its own. The order is that of `beside`, so that all tiles see the same points in the same order."""
        reach = self.half + (self.margin if margin is None else margin)
        parts, own = [], []
        for other in self.beside(tile):
            stored = self.stored(other)
            offset = (self.centre(other) - self.centre(tile)).astype(np.float64)
            if other == tile:
                rows = np.arange(len(stored))
            else:
                rows = np.flatnonzero((np.abs(stored[:, :3] + offset.astype(np.float32)) <= reach).all(1))
            part = np.array(stored[rows], np.float64)
            part[:, :3] += offset
            parts.append(part)
            own.append(np.full(len(rows), other == tile))
        if not parts:
            return np.empty((0, self.columns)), np.empty(0, bool)
        return np.concatenate(parts), np.concatenate(own)

    # ---- The index ------------------------------------------------------------------------------------
    def tree(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "level": self.level,
            "half": HALF,
            "columns": self.columns,
            "margin": self.margin,
            "read": self.read,
            "dropped": self.dropped,
            "tiles": {name_of(t): {"points": n, "digest": self.digests[t]} for t, n in sorted(self.counts.items())},
        }

    def save(self) -> None:
        write_atomically(self.folder / INDEX, json.dumps(self.tree(), indent=1).encode())

    @classmethod
    def open(cls, run: Path) -> Self:
        """The tiles of a run folder. Raises InputError if there are none, or their index is damaged."""
        path = run / FOLDER / INDEX
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            if tree["format"] > FORMAT:
                raise InputError(f"tiles of a newer version (format {tree['format']})", where=path, hint="update shapesiren")
            held = {tile_of(name): entry for name, entry in tree["tiles"].items()}
            return cls(
                path.parent,
                int(tree["level"]),
                {t: int(e["points"]) for t, e in held.items()},
                {t: str(e["digest"]) for t, e in held.items()},
                int(tree["columns"]),
                float(tree["margin"]),
                int(tree["read"]),
                dict(tree["dropped"]),
            )
        except FileNotFoundError:
            raise InputError("no tiles here", where=path.parent, hint="fit the scan with --large") from None
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise InputError(
                f"the index of its tiles is damaged ({e})", where=path, hint="ingest it again with --force"
            ) from None

"""How good the tiles of a large run are: what their fits and meshes said, tile by tile, in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..similarity import Similarity
from .shard import told_of
from .tiles import Tiles, name_of


@dataclass(frozen=True)
class TileQuality:
    """name : of the tile; centre : of its cube; side : of the cube
    points, outliers : in it, and of them left out; spacing, noise : of its points
    faces : of its mesh
    mean, p95, most : distances of its points from its mesh; None where it has no points or no mesh
    """

    name: str
    centre: tuple[float, float, float]
    side: float
    points: int
    outliers: int
    spacing: float
    noise: float
    faces: int
    mean: float | None
    p95: float | None
    most: float | None


def qualities(run: Path, frame: Similarity) -> list[TileQuality]:
    """Of all tiles with points, in the order of their names' numbers."""
    tiles, found = Tiles.open(run), []
    for tile in sorted(tiles.counts):
        fit = told_of(tiles.path(tile, "field.safetensors"))[1]
        mesh = told_of(tiles.path(tile, "mesh.safetensors"))[1]
        x, y, z = frame.to_user(tiles.centre(tile)[None])[0].tolist()
        mean, p95, most = (None if name not in mesh else float(mesh[name]) * frame.scale for name in ("mean", "p95", "max"))
        found.append(
            TileQuality(
                name=name_of(tile),
                centre=(x, y, z),
                side=2 * tiles.half * frame.scale,
                points=tiles.counts[tile],
                outliers=int(fit.get("outliers", 0)),
                spacing=float(fit.get("spacing", 0.0)) * frame.scale,
                noise=float(fit.get("noise", 0.0)) * frame.scale,
                faces=int(mesh.get("faces", 0)),
                mean=mean,
                p95=p95,
                most=most,
            )
        )
    return found


def worst(tiles: Sequence[TileQuality], count: int = 10) -> list[TileQuality]:
    """The tiles from whose meshes their points are farthest, by the distance that 95 % of them are within; those without a mesh
    come first, the most points before."""
    without = sorted((t for t in tiles if t.p95 is None), key=lambda t: (-t.points, t.name))
    measured = sorted((t for t in tiles if t.p95 is not None), key=lambda t: (-(t.p95 or 0.0), t.name))
    return [*without, *measured][:count]

"""Sections of a large run's report: a map of its tiles by quality, and the worst of them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..large.quality import TileQuality, qualities, worst
from ..pointcloud.header import CloudHeader
from ..pointcloud.units import suffix
from ..tasks.base import FinishedRun
from . import page
from .figure_file import encoded, pyplot

WORST = 10
Value = Callable[[TileQuality], float | None]
MAPS: dict[str, Value] = {
    "95 % of the points are so near": lambda t: t.p95,
    "spacing of the points": lambda t: t.spacing,
    "noise of the points": lambda t: t.noise,
}


def tile_sections(run: FinishedRun, up: str) -> list[page.Section]:
    """None of a run that is not in tiles. ``up``: axis along which the map is looked at"""
    header = CloudHeader.of(run.field.header)
    if not header.tiles:
        return []
    tiles, unit = qualities(run.folder, run.field.frame), suffix(header.units)
    points = sum(t.points for t in tiles)
    note = (
        f"{len(tiles):,} tiles of {tiles[0].side:.4g}{unit} with {points:,} points. Each square is a tile, or the worst "
        "of those above each other."
    )
    blocks = [page.image(tile_map(tiles, "xyz".index(up)), "the tiles, by quality", note)]
    rows = [
        [
            t.name,
            ", ".join(f"{c:,.2f}" for c in t.centre),
            t.points,
            t.spacing,
            "no mesh" if t.mean is None else t.mean,
            "" if t.p95 is None else t.p95,
            "" if t.most is None else t.most,
        ]
        for t in worst(tiles, WORST)
    ]
    head = ["tile", f"middle{unit}", "points", f"spacing{unit}", f"mean distance{unit}", "95 % within", "farthest"]
    blocks.append(page.table(rows, head))
    blocks.append(page.text("The worst ten, by the distance that 95 % of their points are within.", quiet=True))
    return [page.Section("Tiles", blocks)]


def tile_map(tiles: Sequence[TileQuality], up: int) -> bytes:
    """The tiles seen along an axis, coloured by distance, spacing and noise, as PNG."""
    plt = pyplot()
    across = [axis for axis in range(3) if axis != up]
    centres = np.array([t.centre for t in tiles])[:, across]
    side = tiles[0].side
    low = centres.min(0) - side / 2
    at = np.floor((centres - low) / side).astype(int)
    shape = at.max(0) + 1
    extent = (low[0], low[0] + shape[0] * side, low[1], low[1] + shape[1] * side)
    known = {title: np.array([np.nan if (v := value(t)) is None else v for t in tiles]) for title, value in MAPS.items()}
    known = {title: values for title, values in known.items() if (values > 0).any()}  # clean points have no noise to show
    size = 4.2 * max(1, len(known)), 0.6 + 3.6 * min(1.6, shape[1] / shape[0])
    figure, axes = plt.subplots(1, max(1, len(known)), figsize=size, layout="constrained", squeeze=False)
    for axis, (title, values) in zip(axes[0], known.items(), strict=False):
        grid = np.full(shape, np.nan)
        order = np.argsort(np.where(np.isfinite(values), values, -np.inf), kind="stable")
        grid[at[order, 0], at[order, 1]] = values[order]  # the worst one is written last
        drawn = axis.imshow(grid.T, origin="lower", extent=extent, cmap="viridis", aspect="equal")
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.set_xlabel("xyz"[across[0]], fontsize=8)
        axis.set_ylabel("xyz"[across[1]], fontsize=8)
        figure.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize=7)
    return encoded(figure, "png")

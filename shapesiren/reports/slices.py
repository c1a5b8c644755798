"""Slices through a shape's distances, as a notebook plots them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..pointcloud.units import in_units, named, suffix
from .figure_file import encoded

NEAR = 0.01  # of the longest side: points shown with a slice


class Distances(Protocol):
    """distance : (nx, ny, nz); x, y, z : coordinates along each axis, in the user's units"""

    @property
    def distance(self) -> NDArray[np.float32]: ...
    @property
    def x(self) -> NDArray[np.float64]: ...
    @property
    def y(self) -> NDArray[np.float64]: ...
    @property
    def z(self) -> NDArray[np.float64]: ...


def slices_figure(grid: Distances, points: NDArray[np.float64], units: str | None = None) -> Any:
    """Slices through the middle, across z, y and x: distance in colour, its zero line, and points (n, 3) near the slice."""
    from matplotlib.figure import Figure

    class Shown(Figure):
        """Not one of pyplot's, which a notebook shows twice, or not at all before pyplot is imported."""

        def _repr_png_(self) -> bytes:
            return encoded(self, "png")

    axes = (grid.x, grid.y, grid.z)
    longest = max(float(a[-1] - a[0]) for a in axes)
    largest = float(np.abs(grid.distance).max()) or 1.0
    figure = Shown(figsize=(12, 4), layout="constrained")
    plots = figure.subplots(1, 3)
    for plot, across in zip(plots, (2, 1, 0), strict=True):
        a, b = (k for k in range(3) if k != across)
        middle = len(axes[across]) // 2
        values = np.take(grid.distance, middle, across).T  # (b, a)
        drawn = plot.pcolormesh(axes[a], axes[b], values, cmap="RdBu_r", vmin=-largest, vmax=largest, shading="nearest")
        if values.min() < 0 < values.max():
            plot.contour(axes[a], axes[b], values, levels=[0.0], colors="black", linewidths=1.2)
        near = np.abs(points[:, across] - axes[across][middle]) < NEAR * longest
        plot.plot(points[near, a], points[near, b], ".", color="#2a9d5c", markersize=1, zorder=1.5)
        plot.set(xlabel=named("xyz"[a], units), ylabel=named("xyz"[b], units), aspect="equal")
        plot.set_title(f"{'xyz'[across]} = {axes[across][middle]:.6g}{suffix(units)}")
    figure.colorbar(drawn, ax=plots, label=f"signed distance, {in_units(units)}", shrink=0.8)
    return figure

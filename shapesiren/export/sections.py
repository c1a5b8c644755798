"""Where a plane cuts a mesh: contour lines and cross-sections, as polylines in the user's coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..surface.mesh import TriangleMesh

AXES = "xyz"
MOST_PLANES = 5000  # more is a mistake in the interval's unit


@dataclass(frozen=True)
class Section:
    """What one plane cuts. axis : the plane's normal, 0 to 2; position : of the plane along it, in the user's units
    lines : (n, 3) float64 each, in the user's coordinates; a closed line ends with the point that it starts with"""

    axis: int
    position: float
    lines: tuple[NDArray[np.float64], ...]


def positions_every(low: float, high: float, interval: float) -> list[float]:
    """The multiples of ``interval`` between ``low`` and ``high``. Raises InputError if that is none, or too many."""
    if not (np.isfinite(interval) and interval > 0):
        raise InputError(f"{interval:g} is no interval", where="--every", hint="a length above 0 in the scan's units")
    if (high - low) / interval > MOST_PLANES:
        raise InputError(
            f"{(high - low) / interval:.0f} planes over a surface of {high - low:g}", where="--every", hint="a larger interval"
        )
    multiples = range(int(np.ceil(low / interval)), int(np.floor(high / interval)) + 1)
    if not multiples:
        raise InputError(
            f"no multiple of {interval:g} lies between {low:g} and {high:g}",
            where="--every",
            hint="a smaller interval, or --at",
        )
    return [float(np.round(i * interval, 9)) for i in multiples]


def sections(mesh: TriangleMesh, axis: int, positions: Sequence[float]) -> list[Section]:
    """The lines in which planes across ``axis`` cut a mesh.

    A vertex in the plane counts as above it, so that each face is cut in one segment between two of its edges or not at all,
    and lines are joined by the edges that they share, not by how close their ends are.
    """
    along = mesh.vertices[:, axis]
    corners = along[mesh.faces]
    low, high = corners.min(1), corners.max(1)
    return [Section(axis, p, _lines(mesh, axis, p, mesh.faces[(low < p) & (high >= p)])) for p in positions]


def _lines(mesh: TriangleMesh, axis: int, position: float, faces: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    if not len(faces):
        return ()
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], -1)  # (m, 3, 2)
    above = mesh.vertices[:, axis][edges] >= position
    cut = np.sort(edges[above[..., 0] != above[..., 1]], axis=-1)  # two of each face, in order: (2 m, 2)
    unique, number = np.unique(cut, axis=0, return_inverse=True)
    a, b = mesh.vertices[unique[:, 0]], mesh.vertices[unique[:, 1]]
    share = (position - a[:, axis]) / (b[:, axis] - a[:, axis])
    points = a + share[:, None] * (b - a)
    points[:, axis] = position
    lines = []
    for chain in _chains(number.reshape(-1, 2).tolist(), len(unique)):
        line = points[chain]
        line = line[np.concatenate([[True], (np.diff(line, axis=0) != 0).any(1)])]
        if len(line) > 1:
            lines.append(line)
    return tuple(lines)


def _chains(segments: list[list[int]], nodes: int) -> list[list[int]]:
    """Segments between nodes, joined: open chains from their ends first, then rings."""
    at: list[list[int]] = [[] for _ in range(nodes)]
    for i, (a, b) in enumerate(segments):
        at[a].append(i)
        at[b].append(i)
    left = [True] * len(segments)
    chains = []
    for start in sorted(range(nodes), key=lambda n: len(at[n]) == 2):
        while any(left[i] for i in at[start]):
            chain = [start]
            while (step := next((i for i in at[chain[-1]] if left[i]), None)) is not None:
                left[step] = False
                a, b = segments[step]
                chain.append(b if a == chain[-1] else a)
                if chain[-1] == start:
                    break
            chains.append(chain)
    return chains

"""Signed deviations of a surface: on which side of it things lie and how far, their statistics, and the worst places.

Positive is outside: the side that normals face, above a terrain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..facts import Facts
from .surface_distance import Surface

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ON_FEATURE = 1e-4  # barycentric weight below which the nearest point of a triangle lies on its border
WORST = 10  # places that are told
PLACE_SPACINGS = 10.0  # radius of a place, in the spacings of the scan there
BINS, MOST_BINS = 40, 120  # of a histogram; at most, where bins are to end at a tolerance
PERCENTILES = {"p50": 50.0, "p68_3": 68.3, "p95": 95.0, "p99": 99.0}
BARS = "▁▂▃▄▅▆▇█"


class Histogram(Facts):
    """Counts of signed deviations in bins of one width. first : where the first bin begins; below, above : beyond them all"""

    first: float
    width: float
    counts: list[int]
    below: int
    above: int

    @classmethod
    def counted(cls, deviation: Array, tolerance: float | None) -> Self:
        """Of deviations (n,). With a tolerance the bins end at it, so that each is within it or is not."""
        reach = float(np.quantile(np.abs(deviation), 0.995)) or 1e-12
        reach = max(reach, 1.2 * tolerance if tolerance is not None else 0.0)
        width = 2 * reach / BINS
        if tolerance is not None:
            aligned = tolerance / max(1, round(tolerance / width))
            width = aligned if 2 * reach / aligned <= MOST_BINS else width
        half = int(np.ceil(reach / width - 1e-9))
        # what lies on the edge between two bins is in the one nearer to zero, as what lies on the tolerance is within it
        place = np.sign(deviation) * np.maximum(np.ceil(np.abs(deviation) / width - 1e-9), 1)
        index = np.where(place > 0, place - 1, place).astype(np.int64) + half
        index = np.where(deviation == 0, half, index)
        inside = (index >= 0) & (index < 2 * half)
        counts = np.bincount(index[inside], minlength=2 * half)
        below, above = int((index < 0).sum()), int((index >= 2 * half).sum())
        return cls(first=-half * width, width=width, counts=counts.tolist(), below=below, above=above)

    @property
    def edges(self) -> Array:
        edges: Array = self.first + self.width * np.arange(len(self.counts) + 1, dtype=np.float64)
        return edges

    def line(self, columns: int = 24) -> str:
        """The same as a row of bars."""
        parts = np.array_split(np.array(self.counts), min(columns, len(self.counts)))
        heights = np.array([part.mean() for part in parts])
        bars = "".join(
            " " if h == 0 else BARS[min(int(h / max(heights.max(), 1e-12) * len(BARS)), len(BARS) - 1)] for h in heights
        )
        beyond = self.below + self.above
        return f"{self.first:.3g} |{bars}| {-self.first:+.3g}" + (f", {beyond:,} beyond" if beyond else "")


class Place(Facts):
    """One of the worst places. position : in the user's coordinates; deviation : there, signed
    radius : within which no second place is told; beyond : of what was measured within it, how many are out of tolerance, or
    deviate by half as much where there is no tolerance
    """

    position: tuple[float, float, float]
    deviation: float
    radius: float
    beyond: int

    def line(self, unit: str = "") -> str:
        return f"{self.deviation:+.4g}{unit} at {', '.join(self.coordinates)} ({self.beyond:,} there)"

    @property
    def coordinates(self) -> list[str]:
        """To a thousandth of the radius: digits enough to find the place again, in millimetres as in UTM metres."""
        digits = int(np.clip(3 - np.floor(np.log10(max(self.radius, 1e-12))), 0, 9))
        return [f"{v:.{digits}f}" for v in self.position]


class Deviations(Facts):
    """Signed deviations, in the user's units.

    measured : what was measured, in words; against : and from what; positive : what a positive one means
    count : how many were measured
    outside : of them, those that lie beyond an open edge of what they were measured from, and do not count
    mean, standard_deviation : signed; rms : their root mean square
    p50, p68_3, p95, p99 : percentiles of their absolute values
    lowest, highest : signed
    within : share within the tolerance; None where there is none
    histogram; places : the worst ones, farthest first
    """

    measured: str
    against: str
    positive: str
    count: int
    outside: int = 0
    mean: float
    standard_deviation: float
    rms: float
    p50: float
    p68_3: float
    p95: float
    p99: float
    lowest: float
    highest: float
    within: float | None = None
    histogram: Histogram
    places: list[Place] = []

    @property
    def what(self) -> str:
        return f"{self.measured} from {self.against}"

    def lines(self, unit: str = "") -> list[str]:
        beside = f" ({self.outside:,} of {self.count:,} lie beyond its edges and do not count)" if self.outside else ""
        return [
            f"{self.what}{beside}:",
            f"  mean {self.mean:+.4g}, standard deviation {self.standard_deviation:.4g}, RMS {self.rms:.4g}{unit}",
            f"  50 % within {self.p50:.4g}, 68.3 % {self.p68_3:.4g}, 95 % {self.p95:.4g}, 99 % {self.p99:.4g}{unit}",
        ]


@dataclass(frozen=True)
class Sided:
    """A mesh, which has two sides: deviations from it are signed. welded : whether no two of its vertices coincide"""

    surface: Surface
    welded: bool = False

    @cached_property
    def _merged(self) -> tuple[NDArray[np.int64], Array, Mask, Mask]:
        """Faces (m, 3) over vertices of which no two coincide; normals of these, weighted by angle (Baerentzen and Aanaes
        2005); (m, 3) whether the edge opposite to a corner is of one face alone; which vertices lie on such an edge."""
        import trimesh

        assert self.surface.faces is not None
        faces: NDArray[np.int64] = self.surface.faces.astype(np.int64)
        if not self.welded:  # STL has three vertices of its own for each face
            merged = np.unique(self.surface.vertices, axis=0, return_inverse=True)[1]
            faces = merged.reshape(-1)[faces]
        count = int(faces.max()) + 1
        vertices = np.zeros((count, 3))
        vertices[faces.reshape(-1)] = self.surface.vertices[self.surface.faces.reshape(-1)]
        opposite = np.sort(faces[:, [[1, 2], [2, 0], [0, 1]]], axis=2)
        key = opposite[..., 0] * count + opposite[..., 1]
        _, inverse, uses = np.unique(key, return_inverse=True, return_counts=True)
        alone: Mask = np.equal(uses, 1)
        border: Mask = alone[inverse].reshape(-1, 3)
        on_border = np.zeros(count, bool)
        on_border[opposite[border].reshape(-1)] = True
        normals = np.asarray(trimesh.Trimesh(vertices, faces, process=False).vertex_normals, np.float64)
        return faces, normals, border, on_border

    def deviation(self, points: Array) -> tuple[Array, Mask]:
        """Signed distances (n,) of points (n, 3), and whether each lies over the surface, and not beyond an open edge."""
        distance, corner, weight, away = self._nearest(points)
        faces, normals, border, on_border = self._merged
        at: Mask = np.greater(weight, ON_FEATURE)
        # inside a triangle its own normal tells the side, on an edge or a corner those of the corners do
        own = self.surface.face_normals[corner]
        smooth = (normals[faces[corner]] * weight[..., None]).sum(1)
        facing = np.where(np.all(at, axis=1, keepdims=True), own, smooth)
        side = np.where((away * facing).sum(1) < 0, -1.0, 1.0)
        on_edge = (at.sum(1) == 2) & (border[corner] & ~at).any(1)
        on_corner = (at.sum(1) == 1) & (on_border[faces[corner]] & at).any(1)
        return side * distance, ~(on_edge | on_corner)

    def _nearest(self, points: Array) -> tuple[Array, NDArray[np.int64], Array, Array]:
        """Of points (n, 3): distance, face, barycentric coordinates (n, 3) of the nearest point, and the way from it."""
        hit = self.surface.closest(points)
        weight = np.stack([1 - hit.uvs.sum(1), hit.uvs[:, 0], hit.uvs[:, 1]], 1)
        away = points - hit.points
        return np.linalg.norm(away, axis=1), hit.faces, weight, away


def statistics(
    deviation: Array,
    counts: Mask,
    positions: Array,
    scale: float,
    to_user: Callable[[Array], Array],
    radius_at: Callable[[Array], Array],
    tolerance: float | None,
    words: tuple[str, str, str],
) -> Deviations:
    """What deviations (n,) come to.

    Parameters
    ----------
    counts : (n,), which of them count
    positions : (n, 3) where they were measured; like ``deviation`` in box units, of which one is ``scale`` of the user's
    radius_at : of a place (1, 3), within which there is no second one, in box units, (1,)
    tolerance : in the user's units, or None
    words : ``measured``, ``against`` and ``positive`` of `Deviations`
    """
    there = positions[counts]
    d = deviation[counts] * scale
    size = np.abs(d)
    limit = tolerance
    places = []
    for k in worst(size, there, radius_at):
        radius = float(radius_at(there[k : k + 1])[0])
        near = ((there - there[k]) ** 2).sum(1) <= radius**2
        beyond = int((near & (size > (limit if limit is not None else size[k] / 2))).sum())
        x, y, z = to_user(there[k : k + 1])[0].tolist()
        places.append(Place(position=(x, y, z), deviation=float(d[k]), radius=radius * scale, beyond=beyond))
    known: dict[str, Any] = {} if limit is None else {"within": float((size <= limit).mean())}
    return Deviations(
        measured=words[0],
        against=words[1],
        positive=words[2],
        count=len(deviation),
        outside=int((~counts).sum()),
        mean=float(d.mean()),
        standard_deviation=float(d.std()),
        rms=float(np.sqrt((d**2).mean())),
        **{name: float(np.percentile(size, percent)) for name, percent in PERCENTILES.items()},
        lowest=float(d.min()),
        highest=float(d.max()),
        histogram=Histogram.counted(d, limit),
        places=places,
        **known,
    )


def worst(size: Array, positions: Array, radius_at: Callable[[Array], Array], count: int = WORST) -> list[int]:
    """Which of (n,) deviations are the largest at places apart from each other: the largest, then the largest beyond its
    radius, and so on (non-maximum suppression)."""
    left = size.copy()
    found: list[int] = []
    while len(found) < min(count, len(size)):
        k = int(np.argmax(left))
        if left[k] < 0:
            break
        found.append(k)
        radius = float(radius_at(positions[k : k + 1])[0])
        left[((positions - positions[k]) ** 2).sum(1) <= radius**2] = -1.0
    return found

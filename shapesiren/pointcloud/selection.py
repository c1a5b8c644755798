"""What of a scan is wanted: in a box, in a polygon, of some classes, every so many; all that is given must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import classes, polygon
from .cloud import PointCloud
from .region import Corners, NothingSelected, inside, spans
from .settings import IngestSettings


@dataclass(frozen=True)
class Selection:
    """box : two corners, in the file's units; polygons : a prism of any height each; classes : numbers of the ASPRS
    every : of the points that are left, each so many-th in the file's order
    """

    box: Corners | None = None
    polygons: polygon.Polygons | None = None
    classes: tuple[int, ...] | None = None
    every: int | None = None

    @classmethod
    def of(cls, settings: IngestSettings) -> Selection:
        """What the settings say. Raises InputError about a file of polygons that cannot be read."""
        from pathlib import Path

        polygons = None if settings.polygon is None else polygon.read_polygons(Path(settings.polygon))
        wanted = None if settings.classes is None else classes.numbers_of(settings.classes)
        return cls(settings.box, polygons, wanted, settings.every)

    @property
    def everything(self) -> bool:
        return self == ALL

    @property
    def by_place(self) -> bool:
        return self.box is not None or self.polygons is not None

    def tree(self) -> dict[str, Any]:
        """As plain data for JSON."""
        polygons = self.polygons and [[ring.tolist() for ring in part] for part in self.polygons]
        return {"box": self.box, "polygons": polygons, "classes": self.classes, "every": self.every}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Selection:
        polygons = tree["polygons"] and tuple(tuple(np.array(ring) for ring in part) for part in tree["polygons"])
        box, wanted = tree["box"], tree["classes"]
        return cls(box and tuple(box), polygons, None if wanted is None else tuple(wanted), tree["every"])

    def corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A box that nothing outside of is wanted, (3,) and (3,); infinite where it is not bounded."""
        low, high = np.full(3, -np.inf), np.full(3, np.inf)
        if self.box is not None:
            low, high = np.array(self.box[:3], np.float64), np.array(self.box[3:], np.float64)
        if self.polygons is not None:
            first, last = polygon.bounds(self.polygons)
            low[:2], high[:2] = np.maximum(low[:2], first), np.minimum(high[:2], last)
        return low, high

    def holds_place(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of (n, 3) points lie in the box and in a polygon."""
        if self.box is None and self.polygons is None:
            return np.ones(len(points), bool)
        kept = inside(points, self.box) if self.box is not None else np.ones(len(points), bool)
        if self.polygons is not None:
            rows = np.flatnonzero(kept)
            kept[rows] = polygon.inside(points[rows], self.polygons)
        return kept

    def holds_class(self, numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which of (n,) classes are wanted."""
        return np.ones(len(numbers), bool) if self.classes is None else np.isin(numbers, self.classes)

    def take(self, cloud: PointCloud, where: object, recount: bool = False) -> PointCloud:
        """The points of a cloud that are wanted, with a note.

        Parameters
        ----------
        recount : its tallies are of a whole file; those of the result are of what is wanted of it, before each Nth is taken

        Raises
        ------
        NothingSelected : there is none
        InputError : classes are wanted, and its points have none
        """
        if self.classes is not None and cloud.classes is None:
            hint = "LAS and LAZ have them, and tables with a column named classification"
            raise InputError("its points have no classes", where=where, hint=hint)
        kept = self.holds_place(cloud.points)
        there = kept.copy()
        if self.classes is not None and cloud.classes is not None:
            kept &= self.holds_class(cloud.classes)
        if not kept.any():
            finite = cloud.points[np.isfinite(cloud.points).all(1)]
            if not len(finite):
                return cloud  # of which there is something else to say
            found = {} if cloud.classes is None else tally(cloud.classes[there])
            raise self.nothing(where, finite.min(0), finite.max(0), found)
        rows = np.flatnonzero(kept)[:: self.every or 1]
        count = f"{len(rows):,} points {self.words()}"
        tallies = _recounted(cloud, kept) if recount else cloud.tallies
        return replace(cloud.take(rows), tallies=tallies, notes=(*cloud.notes, count))

    def words(self) -> str:
        """``lie in the box (ingest.box)``; ``lie in the polygon, of class ground (2) (ingest.polygon, ingest.classes)``"""
        names = [n for n in ("box", "polygons", "classes", "every") if getattr(self, n) is not None]
        keys = ", ".join(f"ingest.{n.removesuffix('s') if n == 'polygons' else n}" for n in names)
        place = " and ".join(f"the {n.removesuffix('s')}" for n in names if n in ("box", "polygons"))
        of = f"are of class {self._class_names()}" if self.classes is not None else ""
        each = f"are one of every {self.every}" if self.every is not None else ""
        return f"{', '.join(filter(None, (place and f'lie in {place}', of, each)))} ({keys})"

    def _class_names(self) -> str:
        return " or ".join(map(classes.name_of, self.classes or ()))

    def nothing(
        self, where: object, low: NDArray[np.float64], high: NDArray[np.float64], there: Mapping[int, int]
    ) -> NothingSelected:
        """The error about a selection that holds none of the points.

        Parameters
        ----------
        low, high : of all points, (3,)
        there : how many of each class lie in the box and the polygons
        """
        parts = [name for name, value in (("box", self.box), ("polygon", self.polygons)) if value is not None]
        place = f"in the {' and the '.join(parts)}" if parts else ""
        if there and self.classes is not None:
            what = f"no point of it {place + ' ' if place else ''}is of class {self._class_names()}"
            counts = ", ".join(f"{classes.name_of(k)}: {n:,}" for k, n in sorted(there.items()))
            return NothingSelected(what, where=where, hint=f"there are {counts}")
        hint = f"its points span {spans(low, high)}"
        if self.polygons is not None:
            first, last = polygon.bounds(self.polygons)
            hint += f"; the polygon {spans(first, last)}"
            if (np.abs(np.stack([first, last])) <= (180, 90)).all() and (
                np.abs(np.stack([low, high]))[:, :2] > (180, 90)
            ).any():
                hint += ": degrees? Project it to the scan's coordinate system"
        return NothingSelected(f"no point of it lies {place}", where=where, hint=hint)


ALL = Selection()


def _recounted(cloud: PointCloud, kept: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """The tallies of the points that are ``kept`` (n,); scans are those of `PointCloud.tallies`, in their order."""
    found: dict[str, dict[str, int]] = {}
    if cloud.classes is not None and "classes" in cloud.tallies:
        found["classes"] = {classes.name_of(k): n for k, n in tally(cloud.classes[kept]).items()}
    if cloud.scan is not None and "scans" in cloud.tallies:
        labels = list(cloud.tallies["scans"])
        found["scans"] = {labels[k]: n for k, n in tally(cloud.scan[kept]).items()}
    return cloud.tallies | found


def tally(numbers: NDArray[np.integer]) -> dict[int, int]:
    """How often each number occurs. (n,) -> {number: times}"""
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))

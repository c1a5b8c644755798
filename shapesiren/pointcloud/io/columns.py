"""Names of columns: which of a table are coordinates, normals, colours, intensity. All formats that have names ask here.

Names are compared without case, units, marks and ``scalar_``: X, //X, "x [m]" and x are one, as are NormalX and normal_x.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..classes import name_of
from ..cloud import PointCloud
from ..selection import tally
from . import degrees
from .colours import of_harmonics, to_uint8, unpack

# The table: what columns are together -> their names, the preferred ones first, as `plain` leaves them
FAMILIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "points": (
        *(("x", "y", "z"), ("px", "py", "pz"), ("posx", "posy", "posz"), ("positionx", "positiony", "positionz")),
        *(("xcoord", "ycoord", "zcoord"), ("xcoordinate", "ycoordinate", "zcoordinate"), ("coordx", "coordy", "coordz")),
        *(("pointx", "pointy", "pointz"), ("points0", "points1", "points2"), ("cartesianx", "cartesiany", "cartesianz")),
        *(("easting", "northing", vertical) for vertical in ("elevation", "height", "altitude", "z")),
        ("east", "north", "up"),
    ),
    "normals": (
        *(
            ("nx", "ny", "nz"),
            ("normalx", "normaly", "normalz"),
            ("xnormal", "ynormal", "znormal"),
            ("normx", "normy", "normz"),
        ),
        *(
            ("normalsx", "normalsy", "normalsz"),
            ("xn", "yn", "zn"),
            ("vnx", "vny", "vnz"),
            ("normals0", "normals1", "normals2"),
        ),
    ),
    "colours": (
        *(("diffusered", "diffusegreen", "diffuseblue"), ("red", "green", "blue"), ("r", "g", "b")),
        *(("colorred", "colorgreen", "colorblue"), ("colorr", "colorg", "colorb"), ("rgbr", "rgbg", "rgbb")),
        ("colors0", "colors1", "colors2"),
    ),
    "packed": (("rgb",), ("rgba",)),  # a colour in one number
    "harmonics": (("fdc0", "fdc1", "fdc2"),),  # of Gaussian splats
    "intensity": (("intensity",), ("reflectance",), ("reflectivity",), ("intensities",), ("amplitude",), ("i",)),
    "classes": (("classification",), ("class",)),
}
ARRAYS: dict[str, tuple[str, ...]] = {  # the same of arrays (n, k) in a file of several
    "points": ("points", "positions", "vertices", "xyz", "pos", "coords", "coordinates", "pointcloud"),
    "normals": ("normals", "normal", "vertexnormals"),
    "colours": ("colors", "colours", "rgb", "color", "colour"),
    "intensity": tuple(names[0] for names in FAMILIES["intensity"]),
    "faces": ("faces", "triangles"),
}
COLOURS = ("colours", "packed", "harmonics")  # of these, the first that there is
SKIP = "_"  # names a column that is of no interest
BY_HAND = "x y z nx ny nz r g b intensity, _ for one to skip"
MOST_NAMES = 6  # that are ignored, in a line


def plain(name: str) -> str:
    """A name without case, unit, marks and ``scalar_``."""
    return re.sub(r"[\W_]+", "", re.sub(r"[\[(].*", "", name.lower())).removeprefix("scalar")


@dataclass(frozen=True)
class Columns:
    """names : of all columns, as the file spells them
    used : what some of them are together -> which they are, in order
    """

    names: tuple[str, ...]
    used: dict[str, tuple[int, ...]]

    @property
    def ignored(self) -> list[str]:
        used = {i for group in self.used.values() for i in group}
        return [name for i, name in enumerate(self.names) if i not in used and name != SKIP]

    def line(self) -> str:
        """``columns: x y z, nx ny nz; curvature ignored``"""
        groups = ", ".join(" ".join(self.names[i] for i in group) for group in self.used.values())
        left = self.ignored
        more = f" and {len(left) - MOST_NAMES} more" if len(left) > MOST_NAMES else ""
        return "columns: " + "; ".join(filter(None, (groups, f"{' '.join(left[:MOST_NAMES])}{more} ignored" if left else "")))

    def notes(self) -> tuple[str, ...]:
        """The line, if something is ignored or is not what its name says."""
        return (self.line(),) if self.ignored or "harmonics" in self.used else ()


def find(names: Sequence[str]) -> Columns:
    """What the names say. Of a group (three of a normal) all must be there; of equal names the first counts."""
    at = {name: i for i, name in reversed(list(enumerate(map(plain, names))))}
    used: dict[str, tuple[int, ...]] = {}
    for kind, families in FAMILIES.items():
        if kind in COLOURS and any(other in used for other in COLOURS):
            continue
        family = next((family for family in families if all(name in at for name in family)), None)
        if family is not None:
            used[kind] = tuple(at[name] for name in family)
    return Columns(tuple(names), used)


def match(names: Sequence[str], where: object, what: str) -> Columns:
    """`find`, where points are wanted.

    Raises
    ------
    InputError : there are none, and these are the names; or the names are those of degrees
    """
    columns = find(names)
    if "points" not in columns.used:
        if is_geographic(names):
            raise degrees.refusal(where)
        missing = " ".join(a for a in "xyz" if a not in map(plain, names)) or "x y z"
        raise InputError(f"the {what} lack {missing}", where=where, hint=f"they have {' '.join(names)[:200]}")
    return columns


def is_geographic(names: Sequence[str]) -> bool:
    """Whether a longitude and a latitude are among the names."""
    return degrees.are_named({plain(name) for name in names})


def words_of(by_hand: str) -> tuple[str, ...]:
    """The setting ``ingest.columns`` -> names, none if it is empty. Raises InputError about one that means nothing."""
    words = tuple(by_hand.replace(",", " ").split())
    columns = find(words)
    known = {name for families in FAMILIES.values() for family in families for name in family}
    unknown = [word for word in columns.ignored if plain(word) not in known]
    if not unknown and words and "points" not in columns.used:
        raise InputError("x y z are not all among ingest.columns", where="--columns", hint="for example x,y,z,_,r,g,b")
    for word in unknown or columns.ignored:
        why = "means nothing" if unknown else "is there twice, or lacks those that belong to it"
        raise InputError(f"{word[:40]!r} of ingest.columns {why}", where="--columns", hint=f"known: {BY_HAND}")
    return words


def name_by_hand(words: Sequence[str], count: int, names: Sequence[str], where: object) -> Columns:
    """The columns of a table as the user names them.

    Parameters
    ----------
    words : from `words_of`
    count : of the table's columns
    names : that the file gives them, if it does

    Raises
    ------
    InputError : another number of them
    """
    if len(words) != count:
        own = f" ({' '.join(names)[:200]})" if names else ""
        raise InputError(f"ingest.columns names {len(words)} columns, but there are {count}{own}", where=where)
    return find(words)


def cloud_of(columns: Columns, column: Callable[[int], NDArray[Any]], notes: tuple[str, ...] = ()) -> PointCloud:
    """A table -> cloud. ``column(i)`` is its column i, (n,), of the type that the file has."""

    def together(kind: str) -> NDArray[Any] | None:
        return np.stack([column(i) for i in columns.used[kind]], 1) if kind in columns.used else None

    points, normals, rgb, harmonics = map(together, ("points", "normals", "colours", "harmonics"))
    assert points is not None
    colours = None
    if rgb is not None:
        whole = rgb.dtype.kind in "iu" or bool(np.nanmax(rgb, initial=0) > 1 and (np.isnan(rgb) | (rgb == np.rint(rgb))).all())
        colours = to_uint8(rgb, whole)
    elif "packed" in columns.used:
        colours = unpack(column(columns.used["packed"][0]))
    elif harmonics is not None:
        colours = of_harmonics(harmonics)
    intensity = None
    if "intensity" in columns.used:
        intensity, said = finite_intensity(column(columns.used["intensity"][0]))
        notes += said
    own = _classes(column(columns.used["classes"][0])) if "classes" in columns.used else None
    real, axes = points.astype(np.float64), None if normals is None else normals.astype(np.float64)
    tallies = {} if own is None else {"classes": {name_of(k): n for k, n in tally(own).items()}}
    return PointCloud(real, axes, colours, intensity=intensity, classes=own, tallies=tallies, notes=notes)


def _classes(values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Classes (n,), or None where the column holds anything but whole numbers from 0 to 255."""
    real = values.astype(np.float64)
    whole = np.isfinite(real).all() and (real == np.rint(real)).all() and real.min(initial=0) >= 0 and real.max(initial=0) < 256
    return real.astype(np.uint8) if whole else None


def finite_intensity(values: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Intensities (n,) of any type; 0 for those that are not finite, and a note about them."""
    with np.errstate(over="ignore"):
        intensity = values.astype(np.float32)
    bad = ~np.isfinite(intensity)
    intensity[bad] = 0
    return intensity, (f"{int(bad.sum()):,} points without an intensity: taken as 0",) if bad.any() else ()

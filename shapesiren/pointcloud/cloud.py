"""Point clouds and meshes as the user has them, and what is done to them before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .bodies import Bodies, Outside, bodies_of, outward

MIN_POINTS = 10
MIN_OUTSIDE_SHARE, DRAWN_MORE = 0.02, 1.01  # of a mesh's area on the outside of its bodies; times as many points as needed


@dataclass(frozen=True, repr=False)
class PointCloud:
    """What a file holds.

    points : (n, 3) float64, in the file's units
    normals : (n, 3) float64 or None; not necessarily unit
    sided : whether normals that agree look to one side; else they are axes, of either sign
    deviation : (n,) float64 or None: standard deviation of each position across its surface, where the file says so
    colours : (n, 3) uint8 or None
    faces : (m, 3) int64 or None; when given, the file is a mesh and points are its vertices
    intensity : (n,) float32 or None, in the file's own scale
    sensors : (k, 3) float64 or None: where the scanner stood
    sensor : (n,) int32 or None: which of the sensors saw each point, -1 for unknown
    depth_axis : 0, 1 or 2 of a depth frame, whose values along this axis are steps of a sensor; None else
    sure : whether the sensors are known, or only stand in a header that often names (0, 0, 0)
    closed : of points on a mesh, whether it is closed; None of other points
    classes : (n,) uint8 or None, numbers of the ASPRS, see `classes`
    returns : (n,) uint8 or None: which return of its pulse each point is
    scan : (n,) int32 or None: which scan or flight line it belongs to, in the file's own numbers
    tallies : of what is wanted of the file, before each Nth or a random part is taken: {"classes": {label: points}, "returns",
        "scans"}
    units : what its lengths are in, see `units`; None where nothing says so
    units_from : what says so
    crs : the coordinate reference system, as WKT, or its EPSG code; None where the file names none
    notes : facts found while reading, for the user
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64] | None = None
    colours: NDArray[np.uint8] | None = None
    faces: NDArray[np.int64] | None = None
    intensity: NDArray[np.float32] | None = None
    sensors: NDArray[np.float64] | None = None
    sensor: NDArray[np.int32] | None = None
    depth_axis: int | None = None
    sure: bool = True
    closed: bool | None = None
    sided: bool = True
    deviation: NDArray[np.float64] | None = None
    classes: NDArray[np.uint8] | None = None
    returns: NDArray[np.uint8] | None = None
    scan: NDArray[np.int32] | None = None
    tallies: dict[str, dict[str, int]] = field(default_factory=dict)
    units: str | None = None
    units_from: str = ""
    crs: str | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def __repr__(self) -> str:
        held = [name for name in ("normals", "colours", "intensity", "deviation", "sensors") if getattr(self, name) is not None]
        what = f"{len(self.points):,} points" + (f", {len(self.faces):,} faces" if self.faces is not None else "")
        return f"<PointCloud: {what}{'; with ' + ', '.join(held) if held else ''}>"

    def take(self, index: NDArray[Any]) -> PointCloud:
        """The points of ``index`` (integers or a mask), with all that belongs to them; faces are dropped."""
        return replace(
            self,
            points=self.points[index],
            normals=None if self.normals is None else self.normals[index],
            colours=None if self.colours is None else self.colours[index],
            intensity=None if self.intensity is None else self.intensity[index],
            sensor=None if self.sensor is None else self.sensor[index],
            deviation=None if self.deviation is None else self.deviation[index],
            classes=None if self.classes is None else self.classes[index],
            returns=None if self.returns is None else self.returns[index],
            scan=None if self.scan is None else self.scan[index],
            faces=None,
        )

    def seen_from(self, position: NDArray[np.float64], sure: bool = True) -> PointCloud:
        """The cloud with every point seen from one ``position`` (3,)."""
        sensor = np.zeros(len(self.points), np.int32)
        return replace(self, sensors=np.asarray(position, np.float64).reshape(1, 3), sensor=sensor, sure=sure)


def merge(clouds: Sequence[PointCloud]) -> PointCloud:
    """Registered scans as one. What one of them lacks is NaN (normals), unknown (sensor), or dropped for all (colours,
    intensity, deviation), with a note; what several of them have noted is noted once."""
    if len(clouds) == 1:
        return clouds[0]
    notes = list(dict.fromkeys(n for c in clouds for n in c.notes))
    normals = None
    if any(c.normals is not None for c in clouds):
        normals = np.concatenate([np.full_like(c.points, np.nan) if c.normals is None else c.normals for c in clouds])
    kept: dict[str, Any] = {}
    for name in ("colours", "intensity", "deviation", "classes", "returns", "scan"):
        values = [getattr(c, name) for c in clouds]
        if all(v is not None for v in values):
            kept[name] = np.concatenate(values)
        elif any(v is not None for v in values):
            notes.append(f"only some of the scans have {name}: left out")
    sensors: list[NDArray[np.float64]] = []
    sensor: list[NDArray[Any]] = []
    for c in clouds:
        if c.sensors is not None and c.sensor is not None and c.sure:
            sensor.append(np.where(c.sensor >= 0, c.sensor + sum(map(len, sensors)), -1))
            sensors.append(c.sensors)
        else:
            sensor.append(np.full(len(c.points), -1))
    points = np.concatenate([c.points for c in clouds])
    positions = np.concatenate(sensors) if sensors else None
    of_point = np.concatenate(sensor).astype(np.int32) if sensors else None
    sided = all(c.sided for c in clouds if c.normals is not None)
    axes = {c.depth_axis for c in clouds}
    kept["depth_axis"] = axes.pop() if len(axes) == 1 else None
    kept["tallies"] = _added([c.tallies for c in clouds])
    known = [c for c in clouds if c.units is not None]
    if len({c.units for c in known}) > 1:
        what = "the scans are in different units: " + ", ".join(dict.fromkeys(str(c.units) for c in known))
        raise InputError(what, where="ingest.units", hint="--units says what all of them are in")
    if known:
        kept |= {"units": known[0].units, "units_from": known[0].units_from}
    systems = list(dict.fromkeys(c.crs for c in clouds if c.crs is not None))
    if len(systems) == 1:
        kept["crs"] = systems[0]
    elif systems:
        notes.append(f"the scans name {len(systems)} different coordinate systems: none is kept")
    return PointCloud(points, normals, sensors=positions, sensor=of_point, sided=sided, notes=tuple(notes), **kept)


def _added(tallies: Sequence[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Tallies of several scans as one."""
    total: dict[str, dict[str, int]] = {}
    for kind, counts in (item for tally in tallies for item in tally.items()):
        for label, count in counts.items():
            of_kind = total.setdefault(kind, {})
            of_kind[label] = of_kind.get(label, 0) + count
    return total


class Counts(NamedTuple):
    """Of points: that were read, and of these the non-finite ones and the duplicates, which were dropped."""

    read: int
    non_finite: int
    duplicates: int


def clean(cloud: PointCloud, where: object) -> tuple[PointCloud, Counts]:
    """Drop non-finite and duplicate points; refuse what holds no surface.

    Returns
    -------
    cloud : without them
    counts : of what was dropped

    Raises
    ------
    InputError : fewer than 10 points are left, or all lie in one place or on one line
    """
    read = len(cloud.points)
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    if len(finite) and not finite.any():
        raise InputError("every point has a NaN or infinite coordinate", where=where)
    cloud = cloud.take(finite)
    first = _first_of_equals(cloud.points)
    counts = Counts(read, int((~finite).sum()), len(cloud.points) - len(first))
    cloud = cloud.take(first)
    n = len(cloud.points)
    if read and n == 1 and counts.duplicates:
        raise InputError(f"all {read} points are equal", where=where)
    if n < MIN_POINTS:
        raise InputError(f"{n} usable points; at least {MIN_POINTS} are needed", where=where)
    # a bounding box centre keeps UTM-sized clouds exact; their mean need not be
    low, high = cloud.points.min(0), cloud.points.max(0)
    with np.errstate(over="ignore"):
        size = high - low
    if not np.isfinite(size).all() or size.max() > 1e150:
        raise InputError("the coordinates span more than float64 can square", where=where, hint="check the units")
    centred = (cloud.points - (low + size / 2)) / size.max()
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred / n)[::-1], 0))
    resolution = np.abs(cloud.points).max() * 2.0**-52 / size.max()
    if spread[1] < max(1e-7, 4 * resolution) * max(spread[0], 1e-300):
        raise InputError("all points lie on one line", where=where)
    return cloud, counts


def _first_of_equals(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where each different point occurs first, in order. (n, 3) -> (m,)"""
    order = np.lexsort(points.T)
    same = (points[order[1:]] == points[order[:-1]]).all(1)
    new = np.concatenate([[True], ~same]) if len(points) else np.empty(0, bool)
    # lexsort is stable: the first of a group of equals is the one that came first
    return np.sort(order[new])


def subsample(cloud: PointCloud, count: int, seed: int) -> PointCloud:
    """At most ``count`` points, drawn at random without repetition, in their order."""
    if len(cloud.points) <= count:
        return cloud
    return cloud.take(random_rows(len(cloud.points), count, seed))


def random_rows(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """``count`` different numbers below ``total``, in order, in memory that grows with ``count`` alone."""
    if 3 * count >= total:
        return np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    rng = np.random.default_rng(seed)
    rows = np.empty(0, np.int64)
    while len(rows) < count:
        rows = np.unique(np.concatenate([rows, rng.integers(0, total, count)]))
    return rows[np.sort(rng.choice(len(rows), count, replace=False))]


def sample_mesh(cloud: PointCloud, count: int, seed: int, where: object) -> PointCloud:
    """Draw points uniformly by area from a mesh, with face normals and interpolated colours.

    Faces are first wound consistently, and outward where they are closed; of closed bodies that reach into each other the union
    is meant: see `bodies`.
    """
    import trimesh

    assert cloud.faces is not None
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    faces = cloud.faces[finite[cloud.faces].all(1)]
    # numbers near zero keep trimesh's float64 products exact for UTM-sized coordinates
    offset = cloud.points[finite].min(0) if finite.any() else np.zeros(3)
    mesh = trimesh.Trimesh(np.where(finite[:, None], cloud.points - offset, 0), faces, process=False)
    mesh.merge_vertices(merge_norm=True, merge_tex=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    if not len(mesh.faces) or not mesh.area > 0:
        raise InputError("the mesh has no face of non-zero area", where=where)
    notes = [*cloud.notes]
    left_out = len(cloud.faces) - len(mesh.faces)
    mesh.update_faces(mesh.unique_faces())
    twice = len(cloud.faces) - left_out - len(mesh.faces)
    for what, number in (("without area", left_out), ("that are there twice", twice)):
        if number:
            notes.append(f"{number:,} of its faces {what}: left out")
    bodies, found = _wound(mesh)
    points, face, share = _on_its_outside(mesh, bodies, count, seed)
    if share < 1:
        found.append(f"{1 - share:.1%} of its surface lies inside the rest of it: left out, the union of its bodies is meant")
    colours = None
    if cloud.colours is not None:
        # nearest original vertex of the sampled triangle: merging may have renumbered them
        from ..runtime.kdtree import KDTree

        colours = cloud.colours[KDTree(np.where(finite[:, None], cloud.points - offset, np.inf)[finite]).query(points)[1]]
    normals = mesh.face_normals[face]
    notes += [f"a mesh of {len(cloud.faces):,} faces: {len(points):,} points sampled from it", *found]
    whole = bool(bodies.closed.all())
    sampled = PointCloud(points + offset, np.asarray(normals), colours, notes=tuple(notes), closed=whole)
    return replace(sampled, units=cloud.units, units_from=cloud.units_from, crs=cloud.crs)


def _wound(mesh: Any) -> tuple[Bodies, list[str]]:
    """The bodies of a mesh whose faces were wound consistently, and outward where they are closed; and what was turned."""
    notes = []
    consistent = bool(mesh.is_winding_consistent)
    if not consistent:
        mesh.fix_normals()
        notes.append("its faces look to either side: turned to agree with their neighbours")
    bodies = bodies_of(np.asarray(mesh.faces, np.int64))
    faces, turned = outward(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64), bodies, consistent)
    if turned:
        mesh.faces = faces
        if consistent:
            many = f"{turned:,} of its {len(bodies.closed):,} bodies" if len(bodies.closed) > 1 else "its faces"
            notes.append(f"{many} looked inward: turned")
    return bodies, notes


def _on_its_outside(mesh: Any, bodies: Bodies, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """``count`` points on the union of a mesh's bodies, the face of each, and the share of the mesh's area that bounds it."""
    import trimesh

    drawn, outside = count, Outside(np.asarray(mesh.vertices), np.asarray(mesh.faces), bodies)
    while True:
        points, face = trimesh.sample.sample_surface(mesh, drawn, seed=seed)[:2]
        points, face = np.asarray(points), np.asarray(face, np.int64)
        kept = outside(points, mesh.face_normals[face], face)
        share = float(kept.mean())
        if share == 1 or share < MIN_OUTSIDE_SHARE:  # no union is left where bodies are turned inside out beyond repair
            return points[:count], face[:count], 1.0
        if kept.sum() >= count or drawn > count:
            return points[kept][:count], face[kept][:count], share
        drawn = int(np.ceil(count / share * DRAWN_MORE))

"""From what a file holds to clean, oriented points in the network's box; and what was found on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.kdtree import KDTree, points_of
from ..similarity import Similarity
from .cloud import Counts, PointCloud, clean, merge, sample_mesh, subsample
from .facts import NormalsFacts, ScanFacts, SensorsFacts
from .io.depth import SUFFIXES, read_depth
from .io.read import read_cloud
from .normals.estimate import MISSING_SHARE, Normals, make_normals, unit_normals
from .normals.given_sides import check_given
from .region import NothingSelected
from .scan.dimension import require_surface
from .scan.noise import scatter, smooth_steps, step_noise, support_distance
from .scan.outliers import find_outliers
from .scan.told_deviation import told_deviation
from .scan.viewpoint import believable, high_above, seen_from_above
from .scan.viewpoint_search import find_position
from .selection import Selection
from .settings import IngestSettings

Say = Callable[[str], None]
CloudSource = Path | Sequence[Path] | PointCloud

UNNOTICED_SHARE = 0.01  # of the points, or of an extent, that the law of density of all the others does not notice
MAX_OUTLIER_SHARE = 0.5  # a cloud of which more looks like noise is left as it is: the search has failed, not the scan


def ranges(cloud: PointCloud) -> NDArray[np.float64] | None:
    """(n,) distance of each point from the scanner that saw it, to which its spacing is proportional; None where unknown."""
    if cloud.sensors is None or cloud.sensor is None or (cloud.sensor < 0).any():
        return None
    return np.linalg.norm(cloud.points - cloud.sensors[cloud.sensor], axis=1)


@dataclass(frozen=True)
class MeasuredPoints:
    """Points in the box with the one tree over them, and how they scatter; lengths in box units.

    tree : over the points (n, 3)
    deviation : (n,) standard deviation of each point's position
    noise, floor, spacing, support : the median of the deviation; see `Scatter`, `support_distance`
    """

    tree: KDTree
    deviation: NDArray[np.float64]
    noise: float
    floor: float
    spacing: float
    support: float

    @property
    def points(self) -> NDArray[np.float64]:
        return points_of(self.tree)


@dataclass(frozen=True)
class Prepared:
    """cloud : cleaned, in the user's coordinates, with all that belongs to its points; its normals are (n, 3) unit
    measured : the same points in the box
    frame : between the two
    signed : whether the normals have sides that agree; else the fit finds them
    facts : counts, origins and choices, for the manifest and for `inspect`
    """

    cloud: PointCloud
    measured: MeasuredPoints
    frame: Similarity
    signed: bool
    facts: ScanFacts

    @property
    def normals(self) -> NDArray[np.float64]:
        assert self.cloud.normals is not None
        return self.cloud.normals

    @property
    def from_above(self) -> bool:
        """Whether it is taken as seen from above: then there is nothing below it, and its surface is open."""
        return self.facts.sensors.origin == "above"


def name_of(source: CloudSource) -> object:
    """What an error calls the input."""
    if isinstance(source, PointCloud):
        return "points"
    return source if isinstance(source, Path) else source[0] if len(source) == 1 else f"{source[0]} and {len(source) - 1} more"


def load(source: CloudSource, settings: IngestSettings, seed: int, say: Say) -> tuple[PointCloud, bool, str]:
    """Read one file or several registered ones, each with its own scanner, and sample what is a mesh.

    Returns the cloud, whether it was a mesh, and where its scanner positions are from: in the file, found, none.
    """
    selection = Selection.of(settings)
    if isinstance(source, PointCloud):
        whole = selection.everything or source.faces is not None
        clouds = [source if whole else selection.take(source, "points")]
    else:
        paths = [source] if isinstance(source, Path) else list(source)
        most = max(100, settings.max_points // len(paths))
        clouds = _read_all(paths, most, seed, settings, selection)
    clouds = [_in_units(c, settings) for c in clouds]
    meshes = [c.faces is not None for c in clouds]
    where = name_of(source)
    clouds = [
        _sampled(c, settings, selection, seed, where) if is_mesh else c for c, is_mesh in zip(clouds, meshes, strict=True)
    ]
    placed = [(c, "none") if is_mesh else _place(c, settings) for c, is_mesh in zip(clouds, meshes, strict=True)]
    cloud, origins = merge([c for c, _ in placed]), [origin for _, origin in placed]
    for note in cloud.notes:
        say(note)
    return cloud, all(meshes), next((origin for origin in ("in the file", "found") if origin in origins), "none")


def _in_units(cloud: PointCloud, settings: IngestSettings) -> PointCloud:
    """The cloud in the units that the user says, if he does; a coordinate system in others is then not the cloud's."""
    if settings.units is None:
        return cloud
    notes, system = cloud.notes, cloud.crs
    if cloud.units not in (None, settings.units):
        notes += (f"taken as {settings.units}, as asked, and not {cloud.units}, {cloud.units_from}",)
        system = None
    return replace(cloud, units=settings.units, units_from="as given", crs=system, notes=notes)


def _read_all(paths: Sequence[Path], most: int, seed: int, settings: IngestSettings, selection: Selection) -> list[PointCloud]:
    """What the files hold, those left out of which nothing is wanted. Raises NothingSelected if that is all of them."""
    clouds, empty = [], None
    for path in paths:
        try:
            if path.suffix.lower() in SUFFIXES:
                cloud = read_depth(path, settings.intrinsics, settings.depth_scale)
                clouds.append(cloud if selection.everything else selection.take(cloud, path))
            else:
                clouds.append(read_cloud(path, most, seed, settings.columns, selection))
        except NothingSelected as e:
            empty = empty or e
    if empty is not None and not clouds:
        raise empty
    return clouds


def _sampled(mesh: PointCloud, settings: IngestSettings, selection: Selection, seed: int, where: object) -> PointCloud:
    """Points drawn from a mesh, those that are wanted."""
    cloud = sample_mesh(mesh, settings.samples, seed, where)
    return cloud if selection.everything else selection.take(cloud, where)


def _place(cloud: PointCloud, settings: IngestSettings) -> tuple[PointCloud, str]:
    """The cloud with its file's scanner positions, if they are to be believed; or with one found, if its normals need it."""
    points = cloud.points[np.isfinite(cloud.points).all(1)]
    if cloud.sensors is not None and (cloud.sure or believable(points, cloud.sensors[0])):
        return replace(cloud, sure=True), "in the file"
    cloud = replace(cloud, sensors=None, sensor=None)
    if settings.viewpoint is not None or not _lacks_normals(cloud, settings):
        return cloud, "none"
    position = find_position(points)
    if position is None:
        return cloud, "none"
    digits = max(0, 2 - int(np.floor(np.log10(np.ptp(points, 0).max()))))
    at = " ".join(f"{v:.{digits}f}" for v in position + 0.0)
    note = f"its points lie as if a scanner had stood at {at}: taken as seen from there (--viewpoint says otherwise)"
    return replace(cloud.seen_from(position), notes=(*cloud.notes, note)), "found"


def _look_from_above(cloud: PointCloud, settings: IngestSettings, say: Say) -> tuple[PointCloud, str]:
    """The cloud as seen from above, if it looks like a terrain and its normals need it."""
    if not _lacks_normals(cloud, settings) or not seen_from_above(cloud.points):
        return cloud, "none"
    say("hardly anything lies under anything else: taken as seen from above (--viewpoint says otherwise)")
    return cloud.seen_from(high_above(cloud.points)), "above"


def _lacks_normals(cloud: PointCloud, settings: IngestSettings) -> bool:
    """Whether they will be estimated, and their sides are open."""
    if settings.normals == "unsigned":
        return False
    if settings.normals == "estimate" or cloud.normals is None or not cloud.sided:
        return True
    return float(1 - unit_normals(cloud.normals)[1].mean()) > MISSING_SHARE


def prepare(source: CloudSource, settings: IngestSettings, seed: int, say: Say) -> Prepared:
    """Read, clean, frame, and orient.

    Parameters
    ----------
    source : a file, several registered ones, or a cloud in memory
    say : gets one line about each thing that was done to the input

    Raises
    ------
    InputError : the input holds no surface; says what is wrong with it
    """
    where = name_of(source)
    cloud, is_mesh, sensors = load(source, settings, seed, say)
    cloud, counts = cleaned(cloud, settings, seed, where, say)
    if settings.dimension == "surface" and not is_mesh and cloud.depth_axis is None:
        require_surface(cloud.points, cloud.normals is None, where)
    cloud, sensors = placed(cloud, sensors, settings, say)
    outliers = 0
    if settings.outliers == "remove" and not is_mesh:  # before the frame: one of them would shrink all the rest
        cloud, sensors, outliers = without_outliers(cloud, sensors, settings, say)
    low, high = cloud.points.min(0), cloud.points.max(0)
    frame = Similarity.of_bounds(low, high, settings.extent)
    measured = measure(cloud, frame, settings, say)
    normals = oriented(cloud, is_mesh, frame, measured, settings, where, say)
    return Prepared(
        replace(cloud, normals=normals.normals),
        measured,
        frame,
        settings.normals != "unsigned",
        ScanFacts(
            points=len(cloud.points),
            read=counts.read,
            non_finite=counts.non_finite,
            duplicates=counts.duplicates,
            outliers=outliers,
            normals=normals.facts,
            sensors=SensorsFacts(origin=sensors, positions=0 if cloud.sensors is None else len(cloud.sensors)),
            colours=cloud.colours is not None,
            intensity=cloud.intensity is not None,
            low=low.tolist(),
            size=(high - low).tolist(),
            **told(cloud),
        ),
    )


def told(cloud: PointCloud) -> dict[str, Any]:
    """What a file tells of its units, its coordinate system and groups of its points, as fields of `ScanFacts`."""
    found: dict[str, Any] = {kind: counts for kind, counts in cloud.tallies.items() if counts}
    if cloud.units is not None:
        found |= {"length_units": cloud.units, "units_from": cloud.units_from}
    return found if cloud.crs is None else found | {"crs": cloud.crs}


def cleaned(cloud: PointCloud, settings: IngestSettings, seed: int, where: object, say: Say) -> tuple[PointCloud, Counts]:
    """Without points that are not finite or there twice, and at most ``max_points``; and how many were dropped."""
    cloud, counts = clean(cloud, where)
    if counts.non_finite or counts.duplicates:
        say(f"dropped {counts.non_finite:,} non-finite and {counts.duplicates:,} duplicate points")
    if len(cloud.points) > settings.max_points:
        say(f"{len(cloud.points):,} points: a random {settings.max_points:,} of them are used (ingest.max_points)")
        cloud = subsample(cloud, settings.max_points, seed)
    return cloud, counts


def placed(cloud: PointCloud, sensors: str, settings: IngestSettings, say: Say) -> tuple[PointCloud, str]:
    """With the scanner where the settings say, or above where nothing else is known and the scan looks like it; and how its
    position is known."""
    if settings.viewpoint is not None:
        return cloud.seen_from(np.array(settings.viewpoint)), "given"
    return _look_from_above(cloud, settings, say) if sensors == "none" else (cloud, sensors)


def without_outliers(cloud: PointCloud, sensors: str, settings: IngestSettings, say: Say) -> tuple[PointCloud, str, int]:
    """Without points that lie on no surface, how the scanner's position is known then, and how many they were."""
    bad = find_outliers(cloud.points - cloud.points[0], ranges(cloud))
    share = bad.mean()
    if share > MAX_OUTLIER_SHARE:
        say(f"{share:.0%} of the points look like outliers: none are removed")
        return cloud, sensors, 0
    if not bad.any():
        return cloud, sensors, 0
    count = int(bad.sum())
    say(f"removed {count:,} outliers ({share:.2%}; ingest.outliers=keep leaves them)")
    extent = np.ptp(cloud.points, 0)
    cloud = cloud.take(~bad)
    # they may have hidden where the scanner stood, if they were many or far
    if sensors == "none" and (share > UNNOTICED_SHARE or (np.ptp(cloud.points, 0) < (1 - UNNOTICED_SHARE) * extent).any()):
        cloud, sensors = _place(cloud, settings)
        if sensors == "found":
            say(cloud.notes[-1])
        else:
            cloud, sensors = _look_from_above(cloud, settings, say)
    return cloud, sensors, count


def measure(cloud: PointCloud, frame: Similarity, settings: IngestSettings, say: Say) -> MeasuredPoints:
    """The points in the box, and how they scatter; those of a depth frame smoothed within the steps that it measures in."""
    tree = KDTree(frame.to_box(cloud.points))
    noise, spacing, floor = scatter(tree)
    deviation = np.full(tree.n, noise)
    if cloud.deviation is not None:
        deviation = told_deviation(tree, cloud.deviation / frame.scale, noise)
        noise = float(np.median(deviation))
    if cloud.depth_axis is not None and settings.steps == "smooth":
        steps = step_noise(points_of(tree)[:, cloud.depth_axis])
        if np.median(steps) > 0:
            tree = KDTree(smooth_steps(tree, cloud.depth_axis, steps))
            deviation = np.maximum(scatter(tree).noise, steps / 2)
            noise = float(np.median(deviation))
            most = float(steps.max() * frame.scale * 12**0.5)
            say(f"a depth frame, measured in steps of up to {most:.2g}: smoothed within them (ingest.steps=keep leaves them)")
    return MeasuredPoints(tree, deviation, noise, floor, spacing, support_distance(tree, spacing))


def oriented(
    cloud: PointCloud,
    is_mesh: bool,
    frame: Similarity,
    measured: MeasuredPoints,
    settings: IngestSettings,
    where: object,
    say: Say,
) -> Normals:
    """Its normals, checked and mended, or estimated and turned to consistent sides. Raises InputError if some are asked for
    and there are none."""
    given = cloud.normals
    if settings.normals == "given" and given is None:
        raise InputError("there are no normals in it", where=where, hint="try --set ingest.normals=estimate")
    if given is None:
        say("no normals in it")
    elif settings.normals in ("estimate", "unsigned"):
        say("its normals are ignored, as asked")
        given = None
    sensors = None if cloud.sensors is None else frame.to_box(cloud.sensors)
    if is_mesh and given is not None:
        found = Normals(given, NormalsFacts(origin="faces"))
    else:
        found = make_normals(
            measured.tree,
            given,
            sensors,
            cloud.sensor,
            measured.deviation,
            measured.spacing,
            settings.neighbours,
            say,
            settings.normals != "unsigned",
            measured.floor,
            cloud.sided,
        )
    if settings.sides == "turn":
        say("all normals turned, as asked")
        return Normals(-found.normals, found.facts.model_copy(update={"turned": 1.0}))
    if settings.sides == "auto" and found.facts.origin == "given":
        noise, facts = measured.noise, found.facts
        args = measured.tree, found.normals, sensors, cloud.sensor, measured.spacing, noise, settings.surface, facts, say
        return Normals(*check_given(*args))
    return found

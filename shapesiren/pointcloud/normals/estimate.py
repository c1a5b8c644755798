"""Normals: checked and mended when the file has them, estimated and oriented when it has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree, Points, points_of, tree_of
from ...runtime.open3d_loader import open3d
from ..facts import NormalsFacts
from ..scan.noise import neighbours_for, reach_of
from ..scan.noise_weight import CLEAN_NOISE
from ..scan.viewpoint import towards
from .adaptive import adaptive_normals
from .orient import flipped, orient
from .spanning import IN_LINES, THIN, spanning_normals

Array = NDArray[np.float64]
Say = Callable[[str], None]

MISSING_SHARE = 0.9  # share of points without a valid normal from which the others are not believed either
MIXED_SIGNS, RANDOM_SIGNS = 0.01, 0.35  # share of flipped signs from which they are mended; from which they mean nothing
CLEAN_NEIGHBOURS = 16  # neighbours that the plane of a clean point is fitted to
NARROWEST_REACH = 4.3  # reach of the narrowest planes of noisy points, of the noise
TELLING_NOISE = 0.05  # noise, of the reach of a plane, from which its direction is off by some degrees
UNCHECKED = 0.99  # confidence, at most, of sides that only their neighbours agreed with
CONFIDENT_SHARE = 0.97  # below it the user is told what settles the sides
UNCERTAIN_HINT = (
    "their sides are uncertain; --viewpoint X,Y,Z (where the scanner stood) settles them,"
    " and --set ingest.normals=unsigned leaves them to the fit"
)
MIN_AXIS_COSINE = 0.7  # median |cosine| to the local plane's normal below which given normals are not believed


class Normals(NamedTuple):
    """normals : (n, 3) unit; facts : where they are from, and what was found on the way"""

    normals: Array
    facts: NormalsFacts


def unit_normals(normals: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Normals scaled to length 1, and which of them are valid (finite, not zero)."""
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(normals, axis=1)
    valid = np.isfinite(length) & (length > 1e-12)
    return np.where(valid[:, None], np.where(valid[:, None], normals, 0) / np.where(valid, length, 1)[:, None], 0), valid


def plane_normals(points: Array, neighbours: int) -> Array:
    """Unit normals, of either sign, of the planes through the ``neighbours`` nearest points (Hoppe et al. 1992)."""
    o3d = open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(min(neighbours, len(points))))
    return np.array(cloud.normals)


def make_normals(
    points: Points,
    given: Array | None,
    sensors: Array | None,
    sensor: NDArray[np.integer] | None,
    noise: float | Array,
    spacing: float,
    neighbours: int | None,
    say: Say,
    signed: bool = True,
    floor: float = 0.0,
    sided: bool = True,
) -> Normals:
    """Unit normals on consistent sides for every point, whatever the file had.

    Parameters
    ----------
    points : (n, 3) box coordinates, or their tree
    given : (n, 3), not necessarily unit, valid or consistent; None if there are none
    sensors, sensor : positions of the scanner (k, 3), and which of them saw each point (n,), -1 for unknown; or None
    noise, spacing : standard deviation of the positions, of all or of each (n,); median distance to the nearest; same unit
    neighbours : of the local planes; None: 16, and where there is noise as many as `adaptive_normals` finds
    signed : False leaves them on whatever side they are found
    floor : of the noise, see `Scatter`
    sided : False takes the given ones as axes: their sides are found as those of estimated ones are
    say : gets a line about each thing that was done
    """
    tree, points = tree_of(points), points_of(points)
    facts = NormalsFacts(origin="estimated")
    typical = float(np.median(noise))
    count = neighbours or neighbours_for(tree, typical, CLEAN_NEIGHBOURS)

    def estimate() -> tuple[Array, int]:
        return estimated_axes(tree, noise, count, neighbours, floor, say)

    axes = None
    if given is not None and not sided:
        axes = _filled_in(given, estimate)
    elif given is not None:
        mended, facts = _mend(tree, given, count, estimate, say)
        if mended is not None:
            return Normals(mended, facts)
    normals, used = estimate() if axes is None else (axes, None)
    how_found = f"estimated from {used} neighbours" if axes is None else "taken from the axes in it"
    facts = facts.model_copy(update={"origin": "estimated", "neighbours": used})
    if not signed:
        facts = facts.model_copy(update={"oriented": "left to the fit"})
        say(f"normals {how_found}; the fit finds their sides")
    elif sensors is not None and sensor is not None:
        clear = _clearness(points, normals, sensors, sensor)
        facts = facts.model_copy(update={"oriented": "towards the scanner", "checked": "scanner", "confidence": clear})
        known = sensor >= 0
        if not known.all():
            normals = orient(tree, normals, spacing, typical).normals
        normals = towards(points, normals, sensors, sensor)
        where = "position" if len(sensors) == 1 else f"{len(sensors)} positions"
        say(f"normals {how_found}, turned towards the scanner's {where}")
    else:
        normals, confidence, how, winding = orient(tree, normals, spacing, typical)
        by = "outside" if how == "from outside" else "winding number" if winding is not None and winding >= UNCHECKED else None
        confidence = confidence if by else min(confidence, UNCHECKED)
        facts = facts.model_copy(update={"oriented": how, "checked": by, "confidence": confidence, "winding": winding})
        say(f"normals {how_found}, oriented {how} (confidence {confidence:.1%})")
        if confidence < CONFIDENT_SHARE:
            say(UNCERTAIN_HINT)
    return Normals(normals, facts)


def estimated_axes(
    tree: KDTree, noise: float | Array, count: int, neighbours: int | None, floor: float, say: Say
) -> tuple[Array, int]:
    """Unit normals (n, 3) of either sign from the points alone, and of how many neighbours; parameters as of `make_normals`.

    ``count`` : neighbours of a local plane, by the noise
    """
    points, typical = points_of(tree), float(np.median(noise))
    # some noise tells in the directions of planes of so few points before they are too narrow for their sides
    noisy = count > CLEAN_NEIGHBOURS or (floor > CLEAN_NOISE and typical > TELLING_NOISE * reach_of(tree, CLEAN_NEIGHBOURS))
    if neighbours or not noisy:
        narrow = plane_normals(points, count)
        wide = None if neighbours else spanning_normals(tree, narrow, count)
        if wide is None:
            return narrow, count
        say(f"measured in lines: {wide.share:.0%} of its normals are of up to {wide.most} neighbours, which span a plane")
        return wide.normals, count
    found, used = adaptive_normals(points, noise, NARROWEST_REACH * typical)
    alone = np.isnan(found[:, 0])
    if alone.any():
        found[alone] = plane_normals(points, CLEAN_NEIGHBOURS)[alone]
    return found, used


def check_sides(facts: NormalsFacts, is_open: bool, say: Say) -> NormalsFacts:
    """The facts once it is known whether the scan is open: of a closed one the winding number has a say in the confidence."""
    winding, before = facts.winding, facts.confidence
    if winding is None or before is None or is_open or winding >= before:
        return facts
    if winding < CONFIDENT_SHARE <= before:
        say(f"{1 - winding:.0%} of the normals do not look out of a closed surface: {UNCERTAIN_HINT}")
    return facts.model_copy(update={"confidence": winding})


def _filled_in(axes: Array, estimate: Callable[[], tuple[Array, int]]) -> Array | None:
    """Axes (n, 3) as unit vectors, those that are missing estimated; None if that is nearly all."""
    normals, valid = unit_normals(axes)
    if 1 - valid.mean() > MISSING_SHARE:
        return None
    return normals if valid.all() else np.where(valid[:, None], normals, estimate()[0])


def _mend(
    tree: KDTree, given: Array, count: int, estimate: Callable[[], tuple[Array, int]], say: Say
) -> tuple[Array | None, NormalsFacts]:
    """Given normals (n, 3) with the missing ones filled in and flipped ones turned, None if they are not to be believed; and
    what was found in them."""
    points = points_of(tree)
    normals, valid = unit_normals(given)
    missing = float(1 - valid.mean())
    facts = NormalsFacts(origin="given", missing=missing)
    if missing == 1:
        say("all normals in it are zero or not finite: ignored")
        return None, facts
    if missing > MISSING_SHARE:
        say(f"{missing:.0%} of its normals are zero or not finite: all are ignored")
        return None, facts
    agreement = _agreement(tree, normals, np.flatnonzero(valid), count)
    facts = facts.model_copy(update={"agreement": agreement})
    if agreement < MIN_AXIS_COSINE:
        say(f"its normals do not fit its points (median cosine {agreement:.2f}): ignored")
        return None, facts
    if not valid.all():
        planes, _ = estimate()
        nearest = KDTree(points[valid]).query(points[~valid])[1]
        side = (planes[~valid] * normals[valid][nearest]).sum(1)
        normals = normals.copy()
        normals[~valid] = np.where(side[:, None] < 0, -planes[~valid], planes[~valid])
        say(f"{(~valid).sum():,} of its normals are zero or not finite: estimated, on their neighbours' side")
    wrong = flipped(tree, normals)
    share = float(wrong.mean())
    facts = facts.model_copy(update={"flipped": share if MIXED_SIGNS < share <= RANDOM_SIGNS else 0.0})
    if share > RANDOM_SIGNS:
        say(f"the signs of its normals are mixed ({share:.0%} against their neighbours): oriented anew")
        return None, facts
    if share > MIXED_SIGNS:
        for _ in range(5):
            normals = np.where(wrong[:, None], -normals, normals)
            wrong = flipped(tree, normals)
            if not wrong.any():
                break
        say(f"{share:.1%} of its normals looked the other way than their neighbours: turned")
    return normals, facts


def _agreement(tree: KDTree, normals: Array, index: NDArray[np.int64], count: int, sample: int = 2000) -> float:
    """Median |cosine| between the normals of some of the points of ``index`` and the local planes there; 1 if those have none,
    because the points were measured in lines."""
    some = np.random.default_rng(0).choice(index, min(len(index), sample), replace=False)
    points = points_of(tree)
    near = points[tree.query(points[some], min(count, len(points)))[1]]
    local = near - near.mean(1, keepdims=True)
    variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))
    plane = variance[:, 1] > THIN**2 * variance[:, 2]
    if plane.mean() < 1 - IN_LINES:
        axes, some = axes[plane], some[plane]
    return float(np.median(np.abs((axes[:, :, 0] * normals[some]).sum(1)))) if len(some) else 1.0


def _clearness(points: Array, normals: Array, sensors: Array, sensor: NDArray[np.integer]) -> float:
    """Share of points that were not seen so nearly edge-on that the side of a noisy normal is open."""
    ray = sensors[np.maximum(sensor, 0)] - points
    cosine = np.abs((normals * ray).sum(1)) / np.maximum(np.linalg.norm(ray, axis=1), 1e-300)
    return float(((cosine > 0.1) & (sensor >= 0)).mean())

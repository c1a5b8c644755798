"""Stage ``ingest`` of a shape: everything that `fit` will need, as plain arrays in box coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .frame import Frame
from .guide import make_guide, support_distance
from .normals import estimate_normals, noise_and_spacing, unit_normals
from .pointcloud import PointCloud, clean, sample_mesh, subsample
from .readers import read_cloud


def ingest_shape(
    source: Path | PointCloud, settings: Any, seed: int, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """Read, clean, orient, frame and sample.

    Parameters
    ----------
    source : a file, or a cloud in memory
    settings : `tasks.shape.IngestSettings`
    say : prints one line for the user

    Returns
    -------
    arrays : points and normals (n, 3) float32 in the box; colours (n, 3) uint8 if there are; guide samples
    header : frame, bounds, spacing, noise, openness: what a field of it needs to be meshed
    info : counts and choices, for the manifest

    Raises
    ------
    InputError : the input holds no surface; says what is wrong with it
    """
    where: object = source if isinstance(source, Path) else "points"
    cloud = read_cloud(source, settings.max_points, seed) if isinstance(source, Path) else source
    is_mesh = cloud.faces is not None
    if is_mesh:
        cloud = sample_mesh(cloud, settings.samples, seed, where)
    for note in cloud.notes:
        say(note)
    cloud, counts = clean(cloud, where)
    if counts["non_finite"] or counts["duplicates"]:
        say(f"dropped {counts['non_finite']:,} non-finite and {counts['duplicates']:,} duplicate points")
    if len(cloud.points) > settings.max_points:
        say(f"{len(cloud.points):,} points: a random {settings.max_points:,} of them are used (ingest.max_points)")
        cloud = subsample(cloud, settings.max_points, seed)

    # ---- Frame -------------------------------------------------------------------------------------
    low, high = cloud.points.min(0), cloud.points.max(0)
    frame = Frame.of_bounds(low, high, settings.extent)
    points = frame.to_box(cloud.points)

    # ---- Normals -----------------------------------------------------------------------------------
    origin = "given"
    normals = cloud.normals
    if settings.normals == "given" and normals is None:
        from ..errors import InputError

        raise InputError("there are no normals in it", where=where, hint="try --set ingest.normals=estimate")
    if normals is None or settings.normals == "estimate":
        origin = "estimated"
        normals = estimate_normals(points, settings.neighbours)
        reason = "no normals in it" if cloud.normals is None else "asked to ignore its normals"
        say(f"{reason}: estimated from {min(settings.neighbours, len(points))} neighbours and oriented consistently")
    normals, valid = unit_normals(normals, where)
    if not valid.all():
        counts["invalid_normals"] = int((~valid).sum())
        say(f"dropped {counts['invalid_normals']:,} points with zero or non-finite normals")
        cloud, points, normals = cloud.take(valid), points[valid], normals[valid]
    if is_mesh:
        origin = "faces"

    # ---- Guide -------------------------------------------------------------------------------------
    noise, spacing = noise_and_spacing(points)
    support = support_distance(points, spacing)
    guide, facts = make_guide(points, normals, settings.guide_samples, settings.guide_depth, support, seed, noise)
    arrays: dict[str, np.ndarray] = {"points": points.astype(np.float32), "normals": normals.astype(np.float32), **guide}
    if cloud.colours is not None:
        arrays["colours"] = cloud.colours
    header = {
        "frame": {"centre": list(frame.centre), "scale": frame.scale},
        "bounds": {"low": points.min(0).tolist(), "high": points.max(0).tolist()},
        "noise": noise,
        "spacing": spacing,
        "support": support,
        "open": facts["open"],
    }
    info = {
        "points": len(points),
        **counts,
        "normals": origin,
        "colours": cloud.colours is not None,
        "size": (high - low).tolist(),
        "spacing": spacing * frame.scale,
        "noise": noise * frame.scale,
        "guide": {"samples": len(guide["guide_points"]), **facts},
    }
    return arrays, header, info


def cloud_from_arrays(points: Any, normals: Any = None, colours: Any = None) -> PointCloud:
    """Arrays in memory -> cloud: points (n, 3) or (n, 6) with normals. Raises InputError for other shapes."""
    from ..errors import InputError
    from .readers import from_table, to_uint8

    cloud = from_table(np.asarray(points), "points")
    for name, value in (("normals", normals), ("colours", colours)):
        if value is not None and np.shape(value) != cloud.points.shape:
            raise InputError(f"shape {np.shape(value)} does not match points {cloud.points.shape}", where=name)
    if normals is not None:
        cloud = replace(cloud, normals=np.asarray(normals, np.float64))
    if colours is not None:
        colours = np.asarray(colours)
        cloud = replace(cloud, colours=to_uint8(colours, colours.dtype.kind in "iu"))
    return cloud

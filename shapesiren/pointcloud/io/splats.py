"""Gaussian splats (Kerbl et al. 2023) as scans: flat ones lie on a surface, and their shortest axes are its normals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud

Array = NDArray[np.float64]

OPACITY, SCALES, ROTATION = "opacity", ("scale_0", "scale_1", "scale_2"), ("rot_0", "rot_1", "rot_2", "rot_3")
LEAST_OPACITY = 0.5  # below it a splat is haze before or behind a surface
LARGEST, LONGEST = 10.0, 20.0  # longest axis, of the median one and of the splat's own middle one: floaters, needles
FLAT = 0.7  # shortest axis, of the middle one, below which it is a normal


def are_splats(names: Sequence[str]) -> bool:
    """Whether a table with these columns holds splats with three axes."""
    return {OPACITY, *SCALES, *ROTATION} <= set(names)


def of_splats(cloud: PointCloud, column: Callable[[str], NDArray[Any]], where: object) -> PointCloud:
    """The centres of those splats that are of a surface, with normals that have no sides yet, and how far off they may be.

    Opacities are stored as logits, scales as logarithms, rotations as quaternions w x y z of any length. Splats are dropped
    that are hardly opaque, far larger than others, or needles. Of round ones the axes say nothing: their normals are NaN.

    Parameters
    ----------
    cloud : of all centres (n, 3)
    column : a column of the table by its name, (n,)

    Raises
    ------
    InputError : none is left
    """
    logit = column(OPACITY).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        scales = np.exp(np.stack([column(name) for name in SCALES], 1).astype(np.float64))
        quaternions = np.stack([column(name) for name in ROTATION], 1).astype(np.float64)
        quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
        opaque = logit >= np.log(LEAST_OPACITY / (1 - LEAST_OPACITY))
    least, middle, most = np.sort(scales, 1).T
    sound = np.isfinite(scales).all(1) & np.isfinite(quaternions).all(1)
    usual = float(np.median(most[opaque & sound])) if (opaque & sound).any() else 0.0
    shaped = sound & (most <= LARGEST * usual) & (most <= LONGEST * middle)
    kept = opaque & shaped
    if not kept.any():
        raise InputError(f"none of its {len(kept):,} splats is of a surface: all are faint, huge or needles", where=where)
    normals = _axes(quaternions, np.argmin(scales, 1))
    normals[~(least <= FLAT * middle)] = np.nan
    faint, misshapen = f"{(~opaque).sum():,} fainter than {LEAST_OPACITY:.0%}", f"{(opaque & ~shaped).sum():,} huge or needles"
    note = f"{len(kept):,} Gaussian splats: {kept.sum():,} taken as points, {faint} and {misshapen} left out"
    whole = replace(cloud, normals=normals, sided=False, deviation=least, notes=(*cloud.notes, note))
    return whole.take(kept)


def _axes(quaternions: Array, which: NDArray[np.integer]) -> Array:
    """Column ``which`` (n,) of the rotation matrix of each unit quaternion w x y z (n, 4). -> (n, 3)"""
    w, x, y, z = quaternions.T
    columns = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray(columns[which, :, np.arange(len(which))])

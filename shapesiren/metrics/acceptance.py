"""Whether a mesh is accepted: what share of its signed deviations lies within a tolerance, and whether that is enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facts import Facts
from ..pointcloud.header import CloudHeader
from .deviations import PLACE_SPACINGS, Deviations, Sided, statistics
from .surface_distance import Surface, drawn

if TYPE_CHECKING:
    from ..field import Field

Array = NDArray[np.float64]

REQUIRED = 0.95  # share within the tolerance, as survey standards state accuracies: at 95 % confidence
ITSELF = "the input points"  # which are measured where there is no reference
FAR_DIAGONALS = 1.0  # median deviation, in diagonals of the reference, that only other coordinates explain


class Acceptance(Facts):
    """The verdict. tolerance : in the user's units; required : share that has to lie within it
    share : that does; the smaller one where a mesh and its reference are measured from each other
    passed : whether that is enough
    """

    tolerance: float
    required: float
    share: float
    passed: bool

    @property
    def verdict(self) -> str:
        return "PASS" if self.passed else "FAIL"


def percent(share: float) -> str:
    """A share, rounded down: 94.996 % is not 95 %."""
    return f"{math.floor(share * 1e4 + 1e-9) / 100:.2f} %"


def required_share(text: str | float) -> float:
    """``95%``, ``95`` and ``0.95`` -> .95. Raises ValueError for what is no share."""
    if not isinstance(text, str):
        return text / 100 if text > 1 else float(text)
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        raise ValueError("no share; for example 95% or 0.95") from None
    return value / 100 if text.strip().endswith("%") or value > 1 else value


def deviations_of(
    field: Field,
    points: Array,
    mesh: Surface,
    target: Surface,
    reference: str | None,
    tolerance: float | None,
    samples: int,
    seed: int,
    say: Callable[[str], None],
) -> list[Deviations]:
    """The signed deviations of a mesh: of the scan's points from it; or from a reference, and of the reference from it.

    Parameters
    ----------
    points : (k, 3) of the scan, whose spacing is the size of a place
    mesh, target : in box coordinates; ``target`` is the reference, if its name is given, or the scan's points
    samples, seed : of what is drawn on meshes, as by `compare_surfaces`

    Raises
    ------
    InputError : nothing of the reference lies over the mesh
    """
    from ..pointcloud.scan.local_spacing import local_spacing
    from ..runtime.kdtree import KDTree

    header, frame = CloudHeader.of(field.header), field.frame
    tree = KDTree(points)
    reach = PLACE_SPACINGS * np.maximum(local_spacing(tree), header.spacing)
    ours = Sided(mesh, welded=True)

    def found(deviation: Array, counts: NDArray[np.bool_], at: Array, *words: str) -> Deviations:
        return statistics(
            deviation,
            counts,
            at,
            frame.scale,
            frame.to_user,
            lambda x: reach[tree.query(x)[1]],
            tolerance,
            (words[0], words[1], words[2]),
        )

    if reference is None:
        deviation, _ = ours.deviation(target.vertices)
        everything = np.ones(len(deviation), bool)
        return [found(deviation, everything, target.vertices, ITSELF, "the mesh", "the point is outside the mesh")]
    above = f"the mesh is outside {reference}"
    at, normals, theirs, _ = drawn(mesh, target, samples, seed)
    deviation, over = ours.deviation(theirs)
    if not over.any():
        raise InputError("no part of it lies over the mesh", where=reference, hint="is it in the coordinates of the scan?")
    diagonal = float(np.linalg.norm(np.ptp(target.vertices, axis=0)))
    if len(theirs) > 1 and float(np.median(np.abs(deviation[over]))) > FAR_DIAGONALS * diagonal:
        say(f"warning: {reference} lies farther from the mesh than it is large; is it in the coordinates of the scan?")
    if target.faces is None:
        return [found(-deviation, over, theirs, f"the points of {reference}", "the mesh", above)]
    from_reference, counts = Sided(target).deviation(at)
    _, there = target.nearest(at)
    if normals is not None and there is not None and float((normals * there).sum(1).mean()) < 0:
        say(f"the faces of {reference} look the other way than those of the mesh; signs are by the mesh's")
        from_reference = -from_reference
    if not counts.any():
        raise InputError("no part of the mesh lies over it", where=reference, hint="is it in the coordinates of the scan?")
    return [
        found(from_reference, counts, at, "the mesh", reference, above),
        found(-deviation, over, theirs, reference, "the mesh", above),
    ]


def judged(found: list[Deviations], tolerance: float, required: float) -> Acceptance:
    """The verdict on deviations that were measured with this tolerance."""
    share = min(d.within for d in found if d.within is not None)
    return Acceptance(tolerance=tolerance, required=required, share=share, passed=share >= required)


def verdict_line(accepted: Acceptance, deviation: Deviations, reverse: Deviations | None, unit: str = "") -> str:
    """The verdict in a line: which share of what, and what was required; ``unit`` stands behind lengths."""
    both = [d for d in (deviation, reverse) if d is not None and d.within is not None]
    limit = f"{accepted.tolerance:.6g}{unit}"
    shares = " and ".join(f"{percent(d.within or 0.0)} of {d.measured} within {limit} of {d.against}" for d in both)
    each = " of each" if len(both) > 1 else ""
    return f"{accepted.verdict}: {shares}; {100 * accepted.required:.6g} %{each} required (--required)"

"""Stage ``evaluate`` of a shape: the mesh and the field against a reference, or against the input itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator
from pydantic import Field as Setting

from ..config import Settings
from ..facts import Facts
from ..pointcloud.header import CloudHeader
from ..pointcloud.io.read import read_cloud
from ..pointcloud.region import Corners, inside
from ..pointcloud.units import factor, suffix
from ..surface.io import error_bars_of
from .acceptance import ITSELF, REQUIRED, Acceptance, deviations_of, judged, required_share, verdict_line
from .deviations import Deviations
from .surface_distance import Surface, SurfaceDistances, SurfaceLengths, compare_surfaces

if TYPE_CHECKING:
    from ..field import Field


ALONE = "without a reference: the scan's noise is in these figures, and what the scan as a whole is off is not"
NINETY = 1.645  # standard deviations within which 90 % of a normal distribution lies


Share = Annotated[float, BeforeValidator(required_share)]  # .95 or "95%"


class EvaluateSettings(Settings):
    """Section ``[evaluate]`` of a shape: how its mesh is judged."""

    samples: int = Setting(200_000, ge=100, description="points drawn on each surface")
    threshold: float = Setting(0.5, gt=0, description="of the F-score, in percent of the bounding-box diagonal")
    tolerance: float | None = Setting(None, gt=0, description="accept the mesh by it, or not; in the scan's units")
    required: Share = Setting(REQUIRED, gt=0, le=1, description="share of the deviations that has to be within the tolerance")


class ReferenceUnits(Facts):
    """Lengths that others are measured by, in the user's units. diagonal : of the reference's bounding box
    threshold : within which a sample counts in the F-score
    """

    diagonal: float
    threshold: float


class FieldErrors(Facts):
    """How far a field is from a signed distance.

    eikonal : mean | |grad f| - 1 | over the box
    eikonal_surface : the same at the input points
    distance : mean |f - d| over the box against a closed reference's signed distance d, in the user's units; None without one
    distance_percent_of_box : the same in percent of the box's half side
    sign_agreement : share of points at which f and d have the same sign
    """

    eikonal: float
    eikonal_surface: float
    distance: float | None = None
    distance_percent_of_box: float | None = None
    sign_agreement: float | None = None


class WithinTolerance(Facts):
    """How many vertices of a mesh are within a tolerance, in the user's units. vertices : how many there are

    within : of them, within it of the reference; None without one
    sure : whose 90 % interval lies within it, by the mesh's error bars; expected : share that they let expect within it; None
        without error bars
    """

    tolerance: float
    vertices: int
    within: int | None = None
    sure: int | None = None
    expected: float | None = None

    def lines(self, unit: str = "") -> list[str]:
        """By the error bars; what is within it of a reference is said by the verdict, of the surface and not of vertices."""
        if self.sure is None or self.expected is None:
            return []
        share = self.sure / self.vertices
        return [
            f"error bars: {self.sure:,} of {self.vertices:,} vertices within {self.tolerance:.3g}{unit} of the true surface "
            f"with 90 % confidence ({share:.1%}), {self.expected:.1%} expected within it"
        ]


class ShapeMetrics(Facts):
    """What stage ``evaluate`` of a shape found.

    reference : the name of what was measured against
    surface : distances between mesh and reference, in the user's units
    percent : the same lengths in percent of the reference's bounding-box diagonal
    within : vertices within the tolerance that was asked for; acceptance : the verdict, where there is one
    deviation : signed, of the scan's points from the mesh, or of the mesh from a reference; None in older runs
    reverse : of a reference mesh from the mesh
    samples : drawn on each surface; None in older runs
    length_units : what lengths here are in, see `pointcloud.units`; None where nothing says so
    """

    reference: str
    units: ReferenceUnits
    surface: SurfaceDistances
    percent: SurfaceLengths
    field: FieldErrors
    within: WithinTolerance | None = None
    acceptance: Acceptance | None = None
    deviation: Deviations | None = None
    reverse: Deviations | None = None
    samples: int | None = None
    length_units: str | None = None

    @property
    def verdict_line(self) -> str | None:
        if self.acceptance is None or self.deviation is None:
            return None
        return verdict_line(self.acceptance, self.deviation, self.reverse, suffix(self.length_units))

    @property
    def whose(self) -> str:
        """A sentence on what the deviations are measured against."""
        if self.deviation is not None and self.deviation.measured == ITSELF:
            return f"{ALONE[0].upper()}{ALONE[1:]}."
        return f"Measured against {self.reference}."

    def deviation_lines(self) -> list[str]:
        """Verdict, statistics, histogram and the worst places; three of them where nothing is judged."""
        if self.deviation is None:
            return []
        verdict, unit = self.verdict_line, suffix(self.length_units)
        lines = [] if verdict is None else [verdict]
        if self.deviation.measured == ITSELF:
            lines.append(ALONE)
        lines += [line for d in (self.deviation, self.reverse) if d is not None for line in d.lines(unit)]
        lines.append(f"+ where {self.deviation.positive}: {self.deviation.histogram.line()}")
        shown = self.deviation.places[: 3 if verdict is None else None]
        return lines + [f"worst place {i}: {place.line(unit)}" for i, place in enumerate(shown, 1)]

    def lines(self) -> list[str]:
        return self.deviation_lines() + self.surface_lines()

    def brief_lines(self) -> list[str]:
        """Without statistics, histogram and places."""
        verdict = self.verdict_line
        return ([] if verdict is None else [verdict]) + self.surface_lines()

    def surface_lines(self) -> list[str]:
        """Without signs: how near mesh and reference are, and how near the field is to a distance."""
        surface, percent, field, unit = self.surface, self.percent.tree(), self.field, suffix(self.length_units)
        said = {"accuracy": f"mesh to {self.reference}, mean", "completeness": f"{self.reference} to mesh, mean"}
        said = {k: f"{k}, {said[k]}" if k in said else k for k in percent}
        lines = [f"{said[k]}: {getattr(surface, k):.4g}{unit} ({percent[k]:.3g} % of the diagonal)" for k in percent]
        if surface.normal_consistency is not None:
            lines.append(f"normal consistency: {surface.normal_consistency:.4f}")
        lines.append(f"F-score at {self.units.threshold:.3g}{unit}: {surface.f_score:.4f}")
        error = "" if field.distance is None else f", distance error {field.distance:.3g}{unit}"
        lines.append(f"field: Eikonal error {field.eikonal:.3f}{error}")
        return lines + (self.within.lines(unit) if self.within else [])


def evaluate_shape(
    field: Field,
    arrays: dict[str, NDArray[Any]],
    mesh_file: Path,
    reference: Path | None,
    settings: EvaluateSettings,
    seed: int,
    say: Callable[[str], None],
    box: Corners | None = None,
) -> ShapeMetrics:
    """The mesh and the field of a run against a reference.

    Parameters
    ----------
    arrays : the ingested cloud; stands in for the reference when there is none
    reference : mesh or cloud in the user's coordinates, or None
    box : the part of the scan whose surface the mesh is, in the user's coordinates, if not all

    Raises
    ------
    InputError : nothing of the reference lies over the mesh
    """
    tolerance = settings.tolerance
    bars = None if tolerance is None else error_bars_of(mesh_file)
    # Everything is measured in box coordinates, where float32 ray casting is exact enough, and scaled back.
    frame = field.frame
    written = read_cloud(mesh_file)
    mesh = Surface(frame.to_box(written.points), written.faces)
    target = surface_of(field, arrays, reference, box, say)
    units = units_of(field)
    name = reference.name if reference else "the input points"
    say(f"against {name}")
    diagonal = float(np.linalg.norm(np.ptp(target.vertices, axis=0)))
    threshold = settings.threshold / 100 * diagonal
    surface = compare_surfaces(mesh, target, settings.samples, threshold, seed)
    lengths = {k: getattr(surface, k) for k in SurfaceLengths.model_fields}
    points = arrays["points"].astype(np.float64)
    against = reference.name if reference else None
    found = deviations_of(field, points, mesh, target, against, tolerance, settings.samples, seed, say)
    optional: dict[str, Any] = {"reverse": found[1]} if len(found) > 1 else {}
    if tolerance is not None:
        optional["acceptance"] = judged(found, tolerance, settings.required)
        if reference is not None or bars is not None:
            optional["within"] = within(mesh, target, bars, tolerance, frame.scale, reference)
    return ShapeMetrics(
        reference=name,
        units=ReferenceUnits(diagonal=diagonal * frame.scale, threshold=threshold * frame.scale),
        surface=surface.model_copy(update={k: v * frame.scale for k, v in lengths.items()}),
        percent=SurfaceLengths(**{k: 100 * v / diagonal for k, v in lengths.items()}),
        field=field_errors(field, target, arrays["points"], seed),
        deviation=found[0],
        samples=settings.samples,
        **({} if units is None else {"length_units": units}),
        **optional,
    )


def within(
    mesh: Surface, target: Surface, bars: NDArray[np.floating] | None, tolerance: float, scale: float, reference: Path | None
) -> WithinTolerance:
    """How many vertices of a mesh are within ``tolerance``: of the target, if it is a ``reference``, and by error bars (n,), if
    there are any; both in the user's units, of which ``scale`` are a box unit."""
    from scipy.special import erf

    found: dict[str, Any] = {}
    if reference is not None:
        found["within"] = int((target.nearest(mesh.vertices)[0] * scale <= tolerance).sum())
    if bars is not None:
        found["sure"] = int((NINETY * bars <= tolerance).sum())
        found["expected"] = float(erf(tolerance / np.maximum(bars, 1e-30) / 2**0.5).mean())
    return WithinTolerance(tolerance=tolerance, vertices=len(mesh.vertices), **found)


def units_of(field: Field) -> str | None:
    """What the lengths of a field's scan are in, if that is known."""
    return CloudHeader.of(field.header).units


def surface_of(
    field: Field,
    arrays: dict[str, NDArray[Any]],
    reference: Path | None,
    box: Corners | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Surface:
    """What a run is measured against, in box coordinates: a mesh or cloud file, or what of the ingested cloud lies in ``box``,
    which is in the user's. A file in other units than the scan, where both are known, is converted."""
    if reference is None:
        points, normals = arrays["points"].astype(np.float64), arrays["normals"].astype(np.float64)
        if box is not None:
            kept = inside(field.frame.to_user(points), box)
            points, normals = points[kept], normals[kept]
        return Surface(points, None, normals)
    cloud, units = read_cloud(reference), units_of(field)
    if cloud.units is not None and units is not None and cloud.units != units:
        say(f"{reference.name} is in {cloud.units}: converted to {units}, which the scan is in")
        cloud = replace(cloud, points=cloud.points * factor(cloud.units, units))
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    vertices = field.frame.to_box(np.where(finite[:, None], cloud.points, 0))
    if cloud.faces is not None:
        return Surface(vertices, cloud.faces, cloud.normals)
    return Surface(vertices[finite], None, None if cloud.normals is None else cloud.normals[finite])


def field_errors(
    field: Field, reference: Surface, points: NDArray[np.floating], seed: int, samples: int = 50_000
) -> FieldErrors:
    """How far the field is from a signed distance, at uniform points of the box [-1, 1]^3 and at the input ``points`` (n, 3),
    in box coordinates like ``reference``."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (samples, 3))
    value, gradient = field.box_values_and_gradients(x)
    on = points[rng.integers(0, len(points), min(samples, len(points)))].astype(np.float64)
    _, on_gradient = field.box_values_and_gradients(on)
    against: dict[str, float] = {}
    if reference.closed:
        d = reference.signed_distance(x)
        error = float(np.abs(value - d).mean())
        against = {
            "distance": error * field.frame.scale,
            "distance_percent_of_box": 100 * error,
            "sign_agreement": float((np.sign(value) == np.sign(d)).mean()),
        }
    return FieldErrors(
        eikonal=float(np.abs(np.linalg.norm(gradient, axis=1) - 1).mean()),
        eikonal_surface=float(np.abs(np.linalg.norm(on_gradient, axis=1) - 1).mean()),
        **against,
    )

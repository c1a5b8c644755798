"""Stage ``evaluate`` of a shape: the mesh and the field against a reference, or against the input itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Setting

from ..config import Settings
from ..pointcloud.io.read import read_cloud
from .surface_distance import Surface, compare_surfaces

if TYPE_CHECKING:
    from ..field import Field

LENGTHS = ("accuracy", "completeness", "chamfer", "hausdorff", "hausdorff95")


class EvaluateSettings(Settings):
    """Section ``[evaluate]`` of a shape: how its mesh is judged."""

    samples: int = Setting(200_000, ge=100, description="points drawn on each surface")
    threshold: float = Setting(0.5, gt=0, description="of the F-score, in percent of the bounding-box diagonal")


def evaluate_shape(
    field: Field,
    arrays: dict[str, NDArray[Any]],
    mesh_file: Path,
    reference: Path | None,
    settings: EvaluateSettings,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Metrics of a run.

    Parameters
    ----------
    arrays : the ingested cloud; stands in for the reference when there is none
    reference : mesh or cloud in the user's coordinates, or None

    Returns
    -------
    dict with ``surface`` (see `metrics.surface_distance.compare_surfaces`), in the input's units, the same lengths in
    percent of the reference's bounding-box diagonal under ``percent``, and ``field`` (see `field_errors`)
    """
    # Everything is measured in box coordinates, where float32 ray casting is exact enough, and scaled back.
    frame = field.frame
    written = read_cloud(mesh_file)
    mesh = Surface(frame.to_box(written.points), written.faces)
    target = surface_of(field, arrays, reference)
    name = reference.name if reference else "the input points"
    say(f"against {name}")
    diagonal = float(np.linalg.norm(np.ptp(target.vertices, axis=0)))
    threshold = settings.threshold / 100 * diagonal
    surface = compare_surfaces(mesh, target, settings.samples, threshold, seed)
    percent = {k: 100 * surface[k] / diagonal for k in LENGTHS}
    surface |= {k: surface[k] * frame.scale for k in LENGTHS}
    errors = field_errors(field, target, arrays["points"], seed)
    return {
        "reference": name,
        "units": {"diagonal": diagonal * frame.scale, "threshold": threshold * frame.scale},
        "surface": surface,
        "percent": percent,
        "field": errors,
    }


def surface_of(field: Field, arrays: dict[str, NDArray[Any]], reference: Path | None) -> Surface:
    """What a run is measured against, in box coordinates: a mesh or cloud file, or the ingested cloud."""
    if reference is None:
        return Surface(arrays["points"].astype(np.float64), None, arrays["normals"].astype(np.float64))
    cloud = read_cloud(reference)
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    vertices = field.frame.to_box(np.where(finite[:, None], cloud.points, 0))
    if cloud.faces is not None:
        return Surface(vertices, cloud.faces, cloud.normals)
    return Surface(vertices[finite], None, None if cloud.normals is None else cloud.normals[finite])


def field_errors(
    field: Field, reference: Surface, points: NDArray[np.floating], seed: int, samples: int = 50_000
) -> dict[str, float]:
    """How far the field is from a signed distance, at uniform points of the box [-1, 1]^3 and on the surface.

    eikonal : mean | |grad f| - 1 | over the box
    eikonal_surface : the same at the input points
    distance : mean |f - d| over the box against a closed reference's signed distance d, in user units
    distance_percent_of_box : the same in percent of the box's half side
    sign_agreement : share of points at which f and d have the same sign
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (samples, 3))
    value, gradient = field.box_values_and_gradients(x)
    on = points[rng.integers(0, len(points), min(samples, len(points)))].astype(np.float64)
    _, on_gradient = field.box_values_and_gradients(on)
    out = {
        "eikonal": float(np.abs(np.linalg.norm(gradient, axis=1) - 1).mean()),
        "eikonal_surface": float(np.abs(np.linalg.norm(on_gradient, axis=1) - 1).mean()),
    }
    if reference.closed:
        d = reference.signed_distance(x)
        error = float(np.abs(value - d).mean())
        out["distance"] = error * field.frame.scale
        out["distance_percent_of_box"] = 100 * error
        out["sign_agreement"] = float((np.sign(value) == np.sign(d)).mean())
    return out

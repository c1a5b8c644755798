"""What each figure about a mesh means: one name and one definition each, for all pages that show it.

``docs/figures.md`` is written from this by a test, which also holds it against the facts: a figure without a definition fails.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """name : as pages say it; key : in the facts of its stage, ``run.json`` and ``metrics.json``; meaning : in a sentence"""

    name: str
    key: str
    meaning: str


DEFINITIONS = (
    Definition(
        "within the tolerance",
        "evaluate.acceptance.share",
        "Share of the deviations that are at most the tolerance, on either side; of mesh from reference and reference "
        "from mesh the smaller one. PASS if it is at least the required one.",
    ),
    Definition(
        "deviation",
        "evaluate.deviation",
        "Distance to the nearest point of the mesh with a sign. Without a reference, of every input point from the mesh: "
        "positive where the point is outside. With one, of the mesh from it, at samples even by area: positive where the "
        "mesh is outside. What lies beyond an open edge of the other surface does not count.",
    ),
    Definition(
        "mean, signed",
        "evaluate.deviation.mean",
        "Mean of the deviations: how far the mesh lies to one side as a whole.",
    ),
    Definition(
        "standard deviation",
        "evaluate.deviation.standard_deviation",
        "Of the deviations, round their mean. Not the error bars.",
    ),
    Definition(
        "RMS",
        "evaluate.deviation.rms",
        "Root of the mean square of the deviations; its square is mean² + deviation².",
    ),
    Definition(
        "50, 68.3, 95, 99 % within",
        "evaluate.deviation.p50, .p68_3, .p95, .p99",
        "Percentiles of the deviations without sign.",
    ),
    Definition(
        "worst places",
        "evaluate.deviation.places",
        "The largest deviation, then the largest that is farther than ten spacings of the scan from it, and so on.",
    ),
    Definition(
        "reverse",
        "evaluate.reverse",
        "The same of a reference mesh from the mesh, with the same sign: positive where the mesh is outside.",
    ),
    Definition(
        "accuracy",
        "evaluate.surface.accuracy",
        "Mean distance, without sign, from samples of the mesh, even by area, to the reference; without one to the input "
        "points, which stand for their tangent planes, so that it holds what is between and beyond the points. The "
        "report's row 'mesh to ...' is this figure.",
    ),
    Definition(
        "completeness",
        "evaluate.surface.completeness",
        "Mean distance, without sign, from samples of the reference to the mesh; without one from the input points (a "
        "random choice of at most evaluate.samples). The report's row '... to mesh' is this figure.",
    ),
    Definition(
        "chamfer",
        "evaluate.surface.chamfer",
        "Mean of accuracy and completeness.",
    ),
    Definition(
        "hausdorff, hausdorff95",
        "evaluate.surface.hausdorff, .hausdorff95",
        "The largest distance of both directions, and the larger of their 95th percentiles.",
    ),
    Definition(
        "precision, recall, F-score",
        "evaluate.surface.precision, .recall, .f_score",
        "Share of the mesh's samples within the threshold of the reference, of the reference's within it of the mesh, and "
        "the harmonic mean of the two. The threshold is evaluate.threshold percent of the diagonal, and not the "
        "tolerance.",
    ),
    Definition(
        "normal consistency",
        "evaluate.surface.normal_consistency",
        "Mean |cos| between the normals of a sample and of the nearest point, over both directions.",
    ),
    Definition(
        "of the diagonal",
        "evaluate.percent",
        "The same lengths in percent of the diagonal of the reference's bounding box.",
    ),
    Definition(
        "input points to mesh",
        "mesh.input_distance.mean, .p95, .max",
        "Distances, without sign, of all input points from the mesh, of a box those in it: its mean is completeness "
        "without a reference.",
    ),
    Definition(
        "spacings from it on average",
        "mesh.likeness.mean, .p95, .p99",
        "The same distances in spacings of the scan, likeness.spacing, or in its noise where that is more. The batch "
        "summary's spacings are these.",
    ),
    Definition(
        "far",
        "mesh.likeness.far_share",
        "Share of the input points farther than five spacings from the mesh.",
    ),
    Definition(
        "invented",
        "mesh.likeness.unsupported_share",
        "Share of the mesh's area that is farther from all points than five local spacings, or than holes between even "
        "points are large (the header's support): where the map of what is measured turns orange.",
    ),
    Definition(
        "field's distance from its points",
        "mesh.likeness.field_mean, .field_far_share",
        "What the field's values at the points tell of its own surface, in spacings: the fault of the fit and not of the mesh.",
    ),
    Definition(
        "against",
        "mesh.likeness.against_share",
        "Share of the points whose normals look against the field's gradient.",
    ),
    Definition(
        "error bars",
        "mesh.uncertainty.median, .p95",
        "Standard deviation of a vertex across the surface, measured on points that were held out of a second fit. What "
        "the scan as a whole is off is not in it.",
    ),
    Definition(
        "within it with 90 % confidence, expected within it",
        "evaluate.within.sure, .expected",
        "Vertices whose error bars times 1.645 are within the tolerance, and the share that normal errors of these bars "
        "let expect.",
    ),
    Definition(
        "vertices within",
        "evaluate.within.within",
        "Vertices, not area, within the tolerance of a reference, as of older runs.",
    ),
    Definition(
        "distance (viewer)",
        "view",
        "The field's own value at a place: negative inside, and a distance as far as the Eikonal error is small.",
    ),
    Definition(
        "Eikonal error",
        "evaluate.field.eikonal, .eikonal_surface",
        "Mean | |∇f| − 1 | of the field, over the box, and at the input points: 0 of a true distance.",
    ),
    Definition(
        "distance error",
        "evaluate.field.distance, .distance_percent_of_box, .sign_agreement",
        "Mean |f − d| over the box against a closed reference's signed distance d, the same in percent of half the box, "
        "and the share of points at which f and d have the same sign.",
    ),
    Definition(
        "residual",
        "mesh.residual",
        "Mean distance of the mesh's vertices from the field's level set: what extraction is off, not what the fit is.",
    ),
)


def rows() -> list[list[str]]:
    """Name, meaning and key of each."""
    return [[one.name, one.meaning, one.key] for one in DEFINITIONS]

"""A scan that a prior completes: what it adds is kept beside the points, and a fit takes both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..pointcloud.facts import CloudFacts, PriorFacts
from ..pointcloud.header import CloudHeader
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from .base import Arrays, Signal

MOST_SAMPLES = 30_000  # off the surface, for a network that is trained


def completed(signal: Signal, prior: str, seed: int, samples: int) -> Signal:
    """The ingested scan with what a prior adds.

    Parameters
    ----------
    prior : its file, or the name of the one that comes with the package; samples : off the surface, at most `MOST_SAMPLES`

    Arrays ``prior_points``, ``prior_normals`` (n, 3) and ``prior_deviation`` (n,), float32; the guide is the prior's. The
    scan counts as closed.

    Raises
    ------
    InputError : the scan's normals have no sides, or the prior is none
    """
    from ..pointcloud.scan.local_spacing import local_spacing
    from ..priors.shapes.completion import complete
    from ..priors.shapes.file import load

    header, arrays = CloudHeader.of(signal.header), dict(signal.arrays)
    if not header.signed:
        hint = "--viewpoint X,Y,Z finds them, or leave the prior out"
        raise InputError("a prior needs normals with sides", where="fit.prior", hint=hint)
    points, normals = (arrays[name].astype(np.float64) for name in ("points", "normals"))
    spacing = np.maximum(local_spacing(points), header.spacing)
    found = complete(load(prior), points, normals, spacing, seed, min(samples, MOST_SAMPLES))
    arrays |= {
        "prior_points": found.points.astype(np.float32),
        "prior_normals": found.normals.astype(np.float32),
        "prior_deviation": found.deviation.astype(np.float32),
    }
    if "deviation" not in arrays:  # of few points much of the noise that is measured is curvature, which the prior tells apart
        noise = min(header.noise, found.residual)
        arrays["deviation"] = np.full(len(points), noise if noise > CLEAN_NOISE else 0.0, np.float32)
    for name in ("guide_points", "guide_distances", "guide_directions"):
        arrays.pop(name, None)
    if len(found.places):
        arrays |= {
            "guide_points": found.places.astype(np.float32),
            "guide_distances": found.distances.astype(np.float32),
            "guide_directions": found.directions.astype(np.float32),
        }
    every = np.concatenate([points, found.points])
    bounds = header.bounds.model_copy(update={"low": tuple(every.min(0).tolist()), "high": tuple(every.max(0).tolist())})
    header = header.model_copy(update={"prior": prior, "open": False, "bounds": bounds})
    facts = signal.facts
    assert isinstance(facts, CloudFacts)
    scale = header.frame.scale
    added = PriorFacts(
        name=prior,
        points=len(found.points),
        samples=len(found.places),
        deviation=float(np.median(found.deviation)) * scale if len(found.points) else 0.0,
    )
    guide = facts.guide.model_copy(update={"open": False, "surface": "prior", "samples": len(found.places)})
    return Signal(arrays, header, facts.model_copy(update={"prior": added, "guide": guide}))


def with_prior(arrays: Arrays) -> Arrays:
    """What a fit is made of: points, normals and their deviations, the prior's behind the scan's; as they are without one."""
    if not len(arrays.get("prior_points", ())):
        return arrays
    return {
        **arrays,
        "points": np.concatenate([arrays["points"], arrays["prior_points"]]),
        "normals": np.concatenate([arrays["normals"], arrays["prior_normals"]]),
        "deviation": np.concatenate([arrays["deviation"], arrays["prior_deviation"]]),
    }


def spacing_of(points: NDArray[np.float64]) -> float:
    """Median distance from a point (n, 3) to the nearest other one."""
    from ..runtime.kdtree import KDTree

    return float(np.median(KDTree(points).query(points, [2])[0]))

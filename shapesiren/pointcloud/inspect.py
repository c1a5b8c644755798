"""What is in a scan, before any work, and the choices that follow from it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from .facts import Choice, GuideFacts, InspectFacts, SpacingFacts
from .guide.of_scan import guide_of
from .guide.samples import DEPTH
from .normals.estimate import CLEAN_NEIGHBOURS, check_sides
from .prepare import CloudSource, Prepared, Say, prepare
from .scan.noise_weight import CLEAN_NOISE, noise_weight
from .settings import IngestSettings

MAX_POINTS = 250_000  # points; of more than that the table hardly changes
LARGE_FILE, POINTS_OF_LARGE_FILE = (
    50 * 2**20,
    100_000,
)  # bytes of a file, millions of points, of which so many are looked at: 20 s are to be enough
AGREEMENT_POINTS = 50_000
FEW_POINTS = 3000  # below which a prior of shapes is worth a try
PROPOSED = f"--prior builtin: fewer than {FEW_POINTS:,} points, and a prior adds what they leave out"
GUIDE_SAMPLES = 100  # of the guide that tells open from closed; of what is not trained there are none, as in ingest
# Measured peaks of ingest, with the process that makes the guide, fit and mesh at 256, on two cores: 773 MiB at 100,000 points,
# 1,277 at 2 million of 10 million
BASE_MIB, POINT_BYTES = 750, 280


def preflight(source: CloudSource, settings: IngestSettings, seed: int, say: Say) -> InspectFacts:
    """Facts of a scan: counts, extent, spacing, normals, noise, openness, and what would be chosen because of them.

    Of a larger cloud than `MAX_POINTS` that many random points are looked at, of a `LARGE_FILE` `POINTS_OF_LARGE_FILE`; counts
    are then of those.

    Raises
    ------
    InputError : as `prepare`
    """
    begun = time.perf_counter()
    large = isinstance(source, Path) and source.is_file() and source.stat().st_size > LARGE_FILE
    looked = settings.model_copy(update={"max_points": min(settings.max_points, POINTS_OF_LARGE_FILE if large else MAX_POINTS)})
    p = prepare(source, looked, seed, say)
    some = np.random.default_rng(seed).choice(
        len(p.measured.points), min(len(p.measured.points), AGREEMENT_POINTS), replace=False
    )
    distance, near = p.measured.tree.query(p.measured.points[some], 2)
    scale = p.frame.scale
    (_, guide), is_open = guide_of(p, settings, GUIDE_SAMPLES if settings.guide_samples else 0, seed)
    median, q95, q99 = (float(v) * scale for v in np.quantile(distance[:, 1], (0.5, 0.95, 0.99)))
    return InspectFacts(
        **dict(p.facts.model_copy(update={"normals": check_sides(p.facts.normals, is_open, say)})),
        centre=list(p.frame.centre),
        spacing=SpacingFacts(median=median, q95=q95, q99=q99),
        neighbours_agree=float(((p.normals[some] * p.normals[near[:, 1]]).sum(1) > 0).mean()),
        noise=p.measured.noise * scale,
        open=is_open,
        unsupported=guide.unsupported,
        choices=choices(p, settings, guide, is_open),
        **({"proposed": PROPOSED} if len(p.measured.points) < FEW_POINTS and p.signed else {}),
        memory_mib=BASE_MIB + POINT_BYTES * min(len(p.measured.points), settings.max_points) // 2**20,
        **({"bytes": source.stat().st_size} if isinstance(source, Path) else {}),
        seconds=time.perf_counter() - begun,
    )


def choices(p: Prepared, settings: IngestSettings, guide: GuideFacts, is_open: bool) -> list[Choice]:
    """What follows from the facts; a setting that the user gave is left out."""
    scale = p.frame.scale
    out: list[Choice] = []

    def choose(setting: str, value: str, why: str) -> None:
        out.append(Choice(setting=setting, value=value, why=why))

    if settings.guide_depth is None and p.signed:
        choose("ingest.guide_depth", str(DEPTH), "as always; 7 is four times as fast")
    if settings.surface == "auto":
        why = why_open(p, guide, is_open)
        choose("ingest.surface", "open" if is_open else "closed", why)
        if is_open:
            choose("mesh.trim_distance", f"{p.measured.support * scale:.3g}", "from the points' density")
    normals = p.facts.normals
    if normals.neighbours is not None and settings.neighbours is None:
        many = normals.neighbours > CLEAN_NEIGHBOURS
        why = "the median: as wide as the surface is flat, for the noise" if many else "enough for this noise"
        choose("ingest.neighbours", str(normals.neighbours), why)
    if normals.origin == "estimated" and p.measured.floor > CLEAN_NOISE:
        share = p.measured.floor / settings.extent
        choose(
            "loss.fidelity",
            f"{noise_weight(p.measured.floor):.2g}",
            f"noise of {share:.2%} everywhere, and normals estimated from it",
        )
    return out


def why_open(p: Prepared, guide: GuideFacts, is_open: bool) -> str:
    """What a scan is taken as open or closed for, see `guide_of`."""
    if p.cloud.closed:
        return "the mesh is closed"
    if p.from_above:
        return "seen from above"
    if not p.signed:
        return f"a ball that comes from outside {'gets' if is_open else 'does not get'} in"
    if guide.unsupported is not None:
        near = p.measured.support * p.frame.scale
        return f"{guide.unsupported:.0%} of a closed surface would lie farther than {near:.3g} from any point"
    if guide.surface == "none":
        return f"the winding number at its points is {'not ' if is_open else ''}that of a closed surface"
    return "its points lie in one plane"

"""What is in a scan, before any work: the table of `shapesiren inspect`, and the choices that follow from it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.kdtree import KDTree
from .guide.samples import DEPTHS, NOISY, make_guide
from .guide.unsigned import make_unsigned_guide
from .normals.estimate import LEAST, check_sides
from .prepare import CloudSource, Prepared, Say, prepare
from .scan.noise_weight import CLEAN, fidelity
from .settings import IngestSettings

LOOK_AT = 250_000  # points; of more than that the table hardly changes
LARGE, FEWER = 50 * 2**20, 100_000  # bytes of a file, millions of points, of which so many are looked at: 20 s are to be enough
AGREEMENT_POINTS = 50_000
COARSE = 6  # depth of the Poisson surface that tells open from closed
# Measured peaks of ingest, with the process that makes the guide, fit and mesh at 256, on two cores: 773 MiB at 100,000 points,
# 1,277 at 2 million of 10 million
BASE_MIB, POINT_BYTES = 750, 280


def preflight(source: CloudSource, settings: IngestSettings, seed: int, say: Say) -> dict[str, Any]:
    """Facts of a scan: counts, extent, spacing, normals, noise, openness, and what would be chosen because of them.

    Of a larger cloud than `LOOK_AT` that many random points are looked at, of a `LARGE` file `FEWER`; counts are then of those.

    Raises
    ------
    InputError : as `prepare`
    """
    begun = time.perf_counter()
    large = isinstance(source, Path) and source.is_file() and source.stat().st_size > LARGE
    looked = settings.model_copy(update={"max_points": min(settings.max_points, FEWER if large else LOOK_AT)})
    p = prepare(source, looked, seed, say)
    some = np.random.default_rng(seed).choice(len(p.points), min(len(p.points), AGREEMENT_POINTS), replace=False)
    distance, near = KDTree(p.points).query(p.points[some], 2)
    scale = p.frame.scale
    if p.signed:
        _, guide = make_guide(p.points[some], p.normals[some], 100, COARSE, p.support, seed, p.noise)
    else:
        _, guide = make_unsigned_guide(p.points, p.normals, 100, p.spacing, p.noise, seed)
    is_open = settings.surface == "open" or (settings.surface == "auto" and (p.from_above or guide["open"]))
    check_sides(p.facts["normals"], bool(is_open), say)
    facts = {
        **p.facts,
        "centre": list(p.frame.centre),
        "spacing": {
            name: float(v) * scale
            for name, v in zip(("median", "q95", "q99"), np.quantile(distance[:, 1], (0.5, 0.95, 0.99)), strict=True)
        },
        "neighbours_agree": float(((p.normals[some] * p.normals[near[:, 1]]).sum(1) > 0).mean()),
        "noise": p.noise * scale,
        "open": bool(is_open),
        "unsupported": guide.get("unsupported", 1.0),
        "choices": choices(p, settings, is_open, guide.get("unsupported", 1.0)),
        "memory_mib": BASE_MIB + POINT_BYTES * min(len(p.points), settings.max_points) // 2**20,
    }
    if isinstance(source, Path):
        facts["bytes"] = source.stat().st_size
    return facts | {"seconds": time.perf_counter() - begun}


def choices(p: Prepared, settings: IngestSettings, is_open: bool, unsupported: float) -> list[dict[str, str]]:
    """What follows from the facts, as {setting, value, why}; a setting that the user gave is left out."""
    scale, out = p.frame.scale, []

    def choose(setting: str, value: str, why: str) -> None:
        out.append({"setting": setting, "value": value, "why": why})

    noisy = p.noise >= NOISY
    if settings.guide_depth is None and p.signed:
        relation = "at least" if noisy else "below"
        limit = f"{NOISY * scale:.3g} ({NOISY / settings.extent:.2%} of the longest side)"
        choose("ingest.guide_depth", str(DEPTHS[noisy]), f"noise {relation} {limit}")
    if settings.surface == "auto":
        why = (
            "seen from above"
            if p.from_above
            else f"a ball that comes from outside {'gets' if is_open else 'does not get'} in"
            if not p.signed
            else f"{unsupported:.0%} of a closed surface would lie farther than {p.support * scale:.3g} from any point"
        )
        choose("ingest.surface", "open" if is_open else "closed", why)
        if is_open:
            choose("mesh.trim_distance", f"{p.support * scale:.3g}", "from the points' density")
    origin = p.facts["normals"]
    if origin["origin"] == "estimated" and settings.neighbours is None:
        many = origin["neighbours"] > LEAST
        why = "the median: as wide as the surface is flat, for the noise" if many else "enough for this noise"
        choose("ingest.neighbours", str(origin["neighbours"]), why)
    if origin["origin"] == "estimated" and p.floor > CLEAN:
        share = p.floor / settings.extent
        choose("loss.fidelity", f"{fidelity(p.floor):.2g}", f"noise of {share:.2%} everywhere, and normals estimated from it")
    return out


def table(facts: dict[str, Any]) -> list[str]:
    """The facts as lines of ``name  value``."""
    normals, spacing, sensors = facts["normals"], facts["spacing"], facts["sensors"]

    def triple(values: list[float], form: str) -> str:
        return " x ".join(form.format(v) for v in values)

    rows = [
        ("points", f"{facts['read']:,} read, {facts['points']:,} usable"),
        ("dropped", f"{facts['non_finite']:,} non-finite, {facts['duplicates']:,} duplicate, {facts['outliers']:,} outliers"),
        ("size", triple(facts["size"], "{:.5g}")),
        ("lowest corner", ", ".join(f"{v:.10g}" for v in facts["low"])),
        ("spacing", f"median {spacing['median']:.3g}, 95 % {spacing['q95']:.3g}, 99 % {spacing['q99']:.3g}"),
        ("noise", f"about {facts['noise']:.2g} ({facts['noise'] / max(facts['size']):.2%} of the longest side)"),
    ]
    if normals["origin"] == "estimated":
        sure = f", confidence {normals['confidence']:.1%}" if "confidence" in normals else ", which finds their sides"
        how = f"estimated, {normals['oriented']}{sure}"
    elif normals["origin"] == "faces":
        how = "of the faces"
    else:
        how = f"given; {normals['missing']:.1%} missing, {normals['flipped']:.1%} flipped"
    rows.append(("normals", f"{how}; neighbours agree: {facts['neighbours_agree']:.1%}"))
    extras = [name for name in ("colours", "intensity") if facts[name]]
    rows.append(("also in it", ", ".join(extras) or "nothing"))
    rows.append(("scanner", f"{sensors['positions']} position(s), {sensors['origin']}" if sensors["positions"] else "unknown"))
    rows.append(("surface", "open" if facts["open"] else "closed"))
    rows += [("choice", f"{c['setting']} = {c['value']}: {c['why']}") for c in facts["choices"]]
    rows.append(("memory", f"about {facts['memory_mib']:,} MiB"))
    if "fit_seconds" in facts:
        rows.append(("time", f"about {facts['fit_seconds']:.0f} s to fit on this machine ({facts['fit_rate']:.0f} steps/s)"))
    return [f"{name:<14}{value}" for name, value in rows]

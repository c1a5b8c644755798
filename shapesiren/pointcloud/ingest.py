"""Stage ``ingest`` of a shape: everything that `fit` will need, as plain arrays in box coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .guide.process import guide_maker
from .guide.unsigned import make_unsigned_guide
from .normals.estimate import check_sides
from .prepare import CloudSource, prepare


def ingest_shape(
    source: CloudSource, settings: Any, seed: int, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """Read, clean, orient, frame and sample.

    Parameters
    ----------
    source : a file, several registered ones, or a cloud in memory
    settings : `tasks.shape.IngestSettings`
    say : prints one line for the user

    Returns
    -------
    arrays : points and normals (n, 3) float32 in the box; colours (n, 3) uint8 and intensity (n,) float32 if there are;
        deviation (n,) float32, where points differ in it; guide samples
    header : frame, bounds, spacing, noise, openness: what a field of it needs to be meshed
    info : counts and choices, for the manifest

    Raises
    ------
    InputError : the input holds no surface; says what is wrong with it
    """
    count = settings.guide_samples
    with guide_maker(settings.normals != "unsigned") as make:
        p = prepare(source, settings, seed, say)
        points, scale = p.points, p.frame.scale
        if p.signed:
            guide, facts = make(points, p.normals, count, settings.guide_depth, p.support, seed, p.noise)
    if not p.signed:
        guide, facts = make_unsigned_guide(points, p.normals, count, p.spacing, p.noise, seed)
        if facts["open"]:
            say("a ball that comes from outside gets in everywhere: nothing tells the fit which side is which")
    if settings.surface != "auto":
        facts["open"] = settings.surface == "open"
    elif p.from_above:
        facts["open"] = True
    check_sides(p.facts["normals"], facts["open"], say)
    arrays: dict[str, np.ndarray] = {"points": points.astype(np.float32), "normals": p.normals.astype(np.float32), **guide}
    if p.deviation.max() > p.deviation.min():
        arrays["deviation"] = p.deviation.astype(np.float32)
    for name in ("colours", "intensity"):
        values = getattr(p.cloud, name)
        if values is not None:
            arrays[name] = values
    header = {
        "frame": {"centre": list(p.frame.centre), "scale": scale},
        "bounds": {"low": points.min(0).tolist(), "high": points.max(0).tolist()},
        "noise": p.noise,
        "noise_floor": p.floor,
        "spacing": p.spacing,
        "support": p.support,
        "open": facts["open"],
        "normals": p.facts["normals"]["origin"],
        "signed": p.signed,
    }
    info = {
        **p.facts,
        "spacing": p.spacing * scale,
        "noise": p.noise * scale,
        "support": p.support * scale,
        "guide": {"samples": len(guide["guide_points"]), **facts},
    }
    return arrays, header, info

"""Stage ``ingest`` of a shape: everything that `fit` will need, as plain arrays in box coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..header import BoxBounds
from .facts import CloudFacts
from .guide.of_scan import guide_of
from .guide.process import guide_maker
from .header import CloudHeader
from .normals.estimate import check_sides
from .prepare import CloudSource, prepare
from .scan.dimension import sparse
from .settings import IngestSettings


class IngestedCloud(NamedTuple):
    """arrays : points and normals (n, 3) float32 in the box; colours (n, 3) uint8 and intensity (n,) float32 if there are;
        deviation (n,) float32, where points differ in it; guide samples, see `guide.samples.Guide`
    header : what a field of it needs to be meshed
    facts : counts and choices, for the manifest
    """

    arrays: dict[str, NDArray[Any]]
    header: CloudHeader
    facts: CloudFacts


def ingest_shape(
    source: CloudSource,
    settings: IngestSettings,
    seed: int,
    say: Callable[[str], None],
    meanwhile: Callable[[], None] | None = None,
) -> IngestedCloud:
    """Read, clean, orient, frame and sample.

    Parameters
    ----------
    source : a file, several registered ones, or a cloud in memory
    say : prints one line for the user
    meanwhile : what this process has to do while another one makes the guide; None: the guide is made here

    Raises
    ------
    InputError : the input holds no surface; says what is wrong with it
    """
    count = settings.guide_samples
    beside = meanwhile if count and settings.normals != "unsigned" else None
    with guide_maker(beside) as make:
        p = prepare(source, settings, seed, say)
        points, scale = p.measured.points, p.frame.scale
        (guide, found), is_open = guide_of(p, settings, count, seed, make)
    if not p.signed and found.open:
        say("a ball that comes from outside gets in everywhere: nothing tells the fit which side is which")
    facts = found.model_copy(update={"open": is_open})
    if facts.open and (few := sparse(p.measured.tree, p.measured.support)) is not None:
        (share, reach), near = few, p.measured.support * scale
        say(
            f"{share:.0%} of its points have their neighbours farther than {near:.3g}: the mesh will be in pieces there"
            f" (--set mesh.trim_distance={reach * scale:.3g} keeps nearly all, and closes gaps elsewhere)"
        )
    normals = check_sides(p.facts.normals, facts.open, say)
    arrays: dict[str, NDArray[Any]] = {"points": points.astype(np.float32), "normals": p.normals.astype(np.float32), **guide}
    if p.measured.deviation.max() > p.measured.deviation.min():
        arrays["deviation"] = p.measured.deviation.astype(np.float32)
    for name in ("colours", "intensity"):
        values = getattr(p.cloud, name)
        if values is not None:
            arrays[name] = values
    header = CloudHeader(
        frame=p.frame,
        bounds=BoxBounds(low=tuple(points.min(0).tolist()), high=tuple(points.max(0).tolist())),
        noise=p.measured.noise,
        noise_floor=p.measured.floor,
        spacing=p.measured.spacing,
        support=p.measured.support,
        open=facts.open,
        normals=normals.origin,
        signed=p.signed,
        **{name: value for name in ("units", "crs") if (value := getattr(p.cloud, name)) is not None},
    )
    cloud_facts = CloudFacts(
        **dict(p.facts.model_copy(update={"normals": normals})),
        spacing=p.measured.spacing * scale,
        noise=p.measured.noise * scale,
        support=p.measured.support * scale,
        guide=facts,
    )
    return IngestedCloud(arrays, header, cloud_facts)

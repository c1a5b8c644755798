"""The guide of a scan that is prepared, and whether it is taken as open: one decision, for `ingest` and for `inspect`."""

from __future__ import annotations

from collections.abc import Callable

from ..header import known_well
from ..prepare import Prepared
from ..settings import IngestSettings
from .samples import Guide, make_guide
from .unsigned import make_unsigned_guide


def guide_of(
    p: Prepared, settings: IngestSettings, count: int, seed: int, make: Callable[..., Guide] = make_guide
) -> tuple[Guide, bool]:
    """The guide of all points, and whether the scan is open by the settings, by where it was seen from, or by its points.

    Parameters
    ----------
    count : samples. How many makes no difference to what is open, but none may: see `make_guide`
    make : `make_guide`, or the same in another process

    Returns
    -------
    guide : its facts as they were found
    open : what counts
    """
    measured = p.measured
    if p.signed:
        solved = known_well(measured.spacing, measured.noise, p.facts.normals.origin != "estimated")
        needed = settings.guide == "always" or settings.surface == "open" or not solved
        rest = settings.guide_depth, measured.support, seed, measured.noise, needed
        guide = make(measured.points, p.normals, count, *rest)
    else:
        guide = make_unsigned_guide(measured.tree, p.normals, count, measured.spacing, measured.noise, seed)
    if settings.surface != "auto":
        return guide, settings.surface == "open"
    return guide, not p.cloud.closed and (p.from_above or guide.facts.open)

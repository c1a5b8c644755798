"""Units of length: what a scan's coordinates are in, where its format or the user says so, and how figures show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from ..errors import InputError
from ..lengths import millimetres

Unit = Literal["mm", "cm", "m", "in", "ft", "us-ft"]
UNITS: tuple[str, ...] = get_args(Unit)
# metres in each. us-ft: the survey foot of older maps of the USA, 1200/3937 m; two parts in a million longer, which is a metre
# in the coordinates of a whole state (NIST, Federal Register 2020-21902)
METRES: Mapping[str, float] = {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "in": 0.0254, "ft": 0.3048, "us-ft": 1200 / 3937}

DEVIATIONS = ("mean", "standard_deviation", "rms", "p50", "p68_3", "p95", "p99", "lowest", "highest")
# Figures that are lengths, by stage, as they are flattened: 1 for a length, 2 for an area, 3 for a volume. A name stands for
# all that begin with it.
FIGURES: Mapping[str, Mapping[str, int]] = {
    "mesh": {
        "cell": 1,
        "residual": 1,
        "moved_vertices": 1,
        "trimmed.distance": 1,
        "trimmed.sparse_distance": 1,
        "post.farthest": 1,
        "uncertainty.": 1,
        "input_distance.": 1,
        "likeness.spacing": 1,
        "verification.area": 2,
        "verification.volume": 3,
    },
    "evaluate": {
        "units.": 1,
        "surface.accuracy": 1,
        "surface.completeness": 1,
        "surface.chamfer": 1,
        "surface.hausdorff": 1,
        "field.distance": 1,
        "within.tolerance": 1,
        "acceptance.tolerance": 1,
        **{f"{side}.{name}": 1 for side in ("deviation", "reverse") for name in DEVIATIONS},
    },
}
POWERS = {1: "", 2: "²", 3: "³"}
NO_LENGTHS = ("field.distance_percent_of_box",)


def suffix(units: str | None, power: int = 1) -> str:
    """What stands behind a number: `` mm``, `` m²``; nothing where the units are not known."""
    return "" if units is None else f" {units}{POWERS[power]}"


def in_units(units: str | None) -> str:
    """What a length is in, for the title of an axis: ``mm``, or ``the scan's units``."""
    return units or "the scan's units"


def named(name: str, units: str | None) -> str:
    """A name with what it is in: ``distance, mm``."""
    return name if units is None else f"{name}, {units}"


def of_figure(stage: str, name: str, units: str | None) -> str:
    """The units of a stage's figure, by its flattened name: ``mm``, ``mm²``; empty where it has none, or they are not known."""
    if units is None or name in NO_LENGTHS:
        return ""
    table = FIGURES.get(stage, {})
    power = table.get(name) or next((power for start, power in table.items() if name.startswith(start)), None)
    return f"{units}{POWERS[power]}" if power else ""


def in_scan_units(text: str, units: str | None, where: str) -> float:
    """A length as people write it, ``0.5`` or ``50cm``, in the scan's ``units``, which a bare number is in already.

    Raises InputError if it is no length, or names a unit and the scan's is not known.
    """
    try:
        return float(text)
    except ValueError:
        length = millimetres(text, where)
    if units is None:
        hint = "a bare number is in the scan's units; fit --units says which"
        raise InputError("what the scan's lengths are in is not known", where=where, hint=hint)
    return length / 1000 / METRES[units]


def factor(source: str, target: str) -> float:
    """What lengths in ``source`` are multiplied by, to be in ``target``."""
    return METRES[source] / METRES[target]

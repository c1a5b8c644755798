"""Longitude and latitude in degrees, which are no lengths: of files that name them or their reference system, never guessed."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

NAMES = ({"lon", "long", "lng", "longitude"}, {"lat", "latitude"})
GEOGRAPHIC, PROJECTED = ("GEOGCS", "GEOGCRS", "GEODCRS"), ("PROJCS", "PROJCRS")  # in the text of a reference system (WKT)
MODEL_TYPE, GEOGRAPHIC_MODEL = 1024, 2  # of the keys of GeoTIFF


def refusal(where: object) -> InputError:
    """What is said of them."""
    what = "its coordinates are longitude and latitude, in degrees"
    return InputError(what, where=where, hint="project them to metres first, for example to UTM")


def are_named(words: Set[str]) -> bool:
    """Whether both are among the names of columns, as `columns.plain` leaves them."""
    return all(words & those for those in NAMES)


def of_system(text: str) -> bool:
    """Whether the text of a reference system names degrees, and no projection of them."""
    return any(word in text for word in GEOGRAPHIC) and not any(word in text for word in PROJECTED)


def of_las(header: Any) -> bool:
    """Whether the records of a LAS file (laspy's header) name such a system, as text or by its keys."""
    for record in (*header.vlrs, *(header.evlrs or ())):
        if of_system(str(getattr(record, "string", ""))):
            return True
        if any(k.id == MODEL_TYPE and k.value_offset == GEOGRAPHIC_MODEL for k in getattr(record, "geo_keys", ())):
            return True
    return False


def fit(points: NDArray[np.float64]) -> bool:
    """Whether (n, 3) can be degrees: many writers name such a system and store metres."""
    return bool((np.abs(points[:, 0]) <= 180).all() and (np.abs(points[:, 1]) <= 90).all())

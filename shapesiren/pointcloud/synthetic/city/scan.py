"""A scan of a city in chunks: terrestrial stations at the crossings, around which points get fewer, and a flight over all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..samples import Samples
from .ground import PITCH
from .layout import City
from .patches import Patches, draw, patches_of

Array = NDArray[np.float64]

EYE = 2.0  # metres above the ground at which a station's scanner stands
HALF, RANGE = 6.0, 50.0  # metres: distance at which its points are half as dense as beside it, and beyond which it has none
FLIGHT = 0.2  # share of the points that come from the air, evenly


def stations(city: City) -> Array:
    """(k, 3) where the scanner stood: in the middle of each crossing of streets, those at the rim included."""
    nx, ny = city.ground.level.shape
    u = np.stack(np.meshgrid(np.arange(nx + 1), np.arange(ny + 1), indexing="ij"), -1).reshape(-1, 2) * PITCH
    return np.column_stack([u, city.ground.height(u) + EYE])


def chunks(city: City, points: int, at_once: int, rng: np.random.Generator) -> Iterator[Samples]:
    """Exactly ``points`` points on the surface with normals, classes and number of their scan, at most ``at_once`` at a time.

    Station by station, then the flight (scan 0). Density falls as ``1 / (1 + (d / HALF)^2)`` with the distance to the station;
    nothing hides anything, so that every part of the surface is in the scan.
    """
    patches = patches_of(city)
    eyes = stations(city)
    reach = [_falloff(patches, eye) for eye in eyes]
    share = np.array([weight.sum() for _, weight in reach])
    counts = _shares(points - round(points * FLIGHT), share)
    for number, ((near, weight), count) in enumerate(zip(reach, counts, strict=True), 1):
        yield from _of_one(city, patches, near, weight, int(count), number, at_once, rng)
    everywhere = np.arange(len(patches.area))
    yield from _of_one(city, patches, everywhere, patches.area, points - int(counts.sum()), 0, at_once, rng)


def _falloff(patches: Patches, eye: Array) -> tuple[NDArray[np.int64], Array]:
    """Pieces in range of a station, and what share of its points each has."""
    flat = patches.centre[:, :2] - eye[:2]
    near = np.flatnonzero((flat**2).sum(1) < RANGE**2)
    squared = ((patches.centre[near] - eye) ** 2).sum(1)
    return near, patches.area[near] / (1 + squared / HALF**2)


def _shares(total: int, weight: Array) -> NDArray[np.int64]:
    """Whole numbers in proportion to the weights, with the sum ``total``."""
    ends = np.round(np.cumsum(weight) / weight.sum() * total).astype(np.int64)
    return np.diff(ends, prepend=0)


def _of_one(
    city: City,
    patches: Patches,
    near: NDArray[np.int64],
    weight: Array,
    count: int,
    number: int,
    at_once: int,
    rng: np.random.Generator,
) -> Iterator[Samples]:
    for start in range(0, count, at_once):
        n = min(at_once, count - start)
        which = np.repeat(near, rng.multinomial(n, weight / weight.sum()))
        points, normals = draw(city, patches, which, rng)
        yield Samples(points, normals, patches.label[which], np.full(n, number, np.uint16))

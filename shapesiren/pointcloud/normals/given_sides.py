"""Which side given normals look to: checked by the scanner that saw the points, or by what the points enclose."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree, points_of, some_of
from ..facts import NormalsFacts
from ..guide.samples import is_flat
from ..scan.noise_weight import CLEAN_NOISE
from ..winding_number import of_surface
from .alpha_ball import RADII_IN_SPACINGS, from_outside
from .orient import GAP_SPACINGS, components, side_of_nearest, turned_outward
from .winding import SURE_SHARE, WRONG_DIFFERENCE, by_winding_number

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Say = Callable[[str], None]

CLEAR_COSINE = 0.3  # to the ray from the scanner, from which no error of a normal puts it on the other side
FEW, ALL = 0.01, 0.9  # share of clear normals that look away from the scanner: up to which it is noise; from which it is all
POINTS, LOOKS = 20_000, 500  # that stand for all; of a body, at which the winding number is taken
BODIES, BODY_POINTS = 100, 100  # the largest parts that lie apart are looked at, of at least so many of the points
# Measured on the points of closed surfaces, of the number's size: medians .44 to .50, of thin plates .42; within .2 of 1/2 at
# .96 to 1 of the points, with noise of .5 % of the longest side .87 to .998 (two small spheres, a torus)
CLOSED_MEDIAN, SCATTER = 0.4, 0.2
CLOSED_SHARE, NOISY_SHARE = 0.95, 0.85
SAID_MEDIAN, SAID_SHARE = 0.3, 0.7  # the same where the user says that the surface is closed
BALLS = RADII_IN_SPACINGS[:2]  # a wider one does not get through the doors of a room either
REVERSE = "ingest.sides=keep leaves them, turn turns all"


class Sides(NamedTuple):
    """normals : (n, 3); facts : with what was turned, and by what the sides were checked"""

    normals: Array
    facts: NormalsFacts


def check_given(
    tree: KDTree,
    normals: Array,
    sensors: Array | None,
    sensor: NDArray[np.integer] | None,
    spacing: float,
    noise: float,
    surface: str,
    facts: NormalsFacts,
    say: Say,
) -> Sides:
    """Given unit normals (n, 3), those that plainly look to the wrong side turned.

    What was seen faces the scanner, so where its position is known that settles it: unless the points are a closed surface
    that looks outward, most of which such a position cannot have seen. Where no position is known only closed surfaces have
    a right side. A room scanned from inside looks into itself too, and rightly; so a body is turned only if it is closed for
    the winding number, which is -1/2 nearly everywhere on it, and for a ball that comes from outside. A room without any
    opening is the one that is turned for nothing: its surface is the same, and its faces look the other way.

    Parameters
    ----------
    tree : of the points (n, 3), box coordinates
    sensors, sensor : positions of the scanner (k, 3), and which of them saw each point (n,), -1 for unknown; or None
    spacing, noise : median distance to the nearest point; standard deviation of the positions
    surface : "closed" or "open" where the user says so: bodies of an open one have no outside
    """
    if sensors is not None and sensor is not None:
        seen = _by_scanner(points_of(tree), normals, sensors, sensor)
        if seen.away <= FEW or seen.away >= ALL:
            return _turned(normals, seen.turn, "scanner", seen.clear, facts, say, "looked away from the scanner")
    else:
        seen = None
    enclosed = None if surface == "open" or is_flat(points_of(tree)) else _by_enclosure(tree, normals, spacing, noise, surface)
    if enclosed is not None and enclosed.sure:
        if seen is not None:
            say(f"{seen.away:.0%} of its normals look away from the scanner's position, which closed surfaces do: not heeded")
        what = "looked into the bodies that they enclose"
        return _turned(normals, enclosed.turn, "winding number", enclosed.share, facts, say, what)
    if seen is not None:
        return _turned(normals, seen.turn, "scanner", seen.clear, facts, say, "looked away from the scanner")
    if enclosed is not None and enclosed.turn.any():
        return _turned(normals, enclosed.turn, None, None, facts, say, "looked into the bodies that they enclose")
    if enclosed is not None and enclosed.median < -SAID_MEDIAN:
        say("its normals look into what they enclose, as in a room scanned from inside: left (ingest.sides=turn turns them)")
    return Sides(normals, facts)


def _turned(
    normals: Array, turn: Mask, by: str | None, confidence: float | None, facts: NormalsFacts, say: Say, what: str
) -> Sides:
    """Normals turned where ``turn`` (n,) says so, and the user told."""
    share = float(turn.mean())
    found = {"checked": by, "confidence": confidence, "turned": share}
    if share:
        say(f"{'all' if share == 1 else f'{share:.1%}'} of its normals {what}: turned ({REVERSE})")
    return Sides(np.where(turn[:, None], -normals, normals), facts.model_copy(update=found))


class _Seen(NamedTuple):
    """away : share of the clear normals that look away from the scanner; clear : share of normals that are; turn : (n,)"""

    away: float
    clear: float
    turn: Mask


def _by_scanner(points: Array, normals: Array, sensors: Array, sensor: NDArray[np.integer]) -> _Seen:
    """Which normals look away from the scanner; those that it saw edge-on go with the nearest clear one."""
    ray = sensors[np.maximum(sensor, 0)] - points
    cosine = (normals * ray).sum(1) / np.maximum(np.linalg.norm(ray, axis=1), 1e-300)
    known = sensor >= 0
    clear = (np.abs(cosine) > CLEAR_COSINE) & known
    away = clear & (cosine < 0)
    share = float(away.sum() / max(clear.sum(), 1))
    turn = away if share > FEW else np.zeros(len(points), bool)
    edge_on = known & ~clear
    if turn.any() and edge_on.any():
        turn[edge_on] = away[clear][KDTree(points[clear]).query(points[edge_on])[1]]
    return _Seen(share, float(clear.mean()), turn)


class _Enclosed(NamedTuple):
    """median : of the winding number on the points as they came
    turn : (n,) which normals look into closed bodies
    sure : whether the sides are plainly those of closed bodies then
    share : of the points at which the winding number is that of a closed surface then
    """

    median: float
    turn: Mask
    sure: bool
    share: float


def _by_enclosure(tree: KDTree, normals: Array, spacing: float, noise: float, surface: str) -> _Enclosed:
    """Which normals look into the bodies that they enclose: body by body, else piece by piece."""
    points = points_of(tree)
    rng = np.random.default_rng(0)
    some = np.sort(rng.permutation(len(points))[:POINTS])
    apart = spacing * (len(points) / len(some)) ** 0.5
    part, n = some_of(tree, some), normals[some]
    label = components(part, GAP_SPACINGS * apart)
    sizes = np.bincount(label)
    bodies = [b for b in np.argsort(-sizes)[:BODIES] if sizes[b] >= BODY_POINTS]
    looks = [rng.permutation(np.flatnonzero(label == b))[:LOOKS] for b in bodies]
    if not bodies:
        return _Enclosed(0.0, np.zeros(len(points), bool), False, 0.0)
    at = np.concatenate(looks)
    weights = np.repeat([sizes[b] / len(w) for b, w in zip(bodies, looks, strict=True)], [len(w) for w in looks])

    def numbers(signed: Array) -> Array:
        winding, places = of_surface(points_of(part), signed, noise)
        return winding(places[at])

    def share_of(condition: Mask) -> float:
        return float((condition * weights).sum() / weights.sum())

    before = numbers(n)
    of_body = np.split(before, np.cumsum([len(w) for w in looks])[:-1])
    inward = [
        b
        for b, number in zip(bodies, of_body, strict=True)
        if _is_closed(-number, noise, surface)
        and (surface == "closed" or _keeps_a_ball_out(points_of(part)[label == b], n[label == b], apart, noise))
    ]
    signed = np.where(np.isin(label, inward)[:, None], -n, n)
    after = numbers(signed) if inward else before
    nested = share_of(after > 0.5 + WRONG_DIFFERENCE) > SURE_SHARE  # solids in solids, whose sides are right
    if not nested and not _is_closed(after, noise, surface) and _keeps_a_ball_out(points_of(part), signed, apart, noise):
        # closed, and its sides are not: pieces of it look the other way
        pieces, _ = by_winding_number(part, signed, apart, noise)
        for pieced in (pieces, turned_outward(points_of(part), signed, apart, noise)[0]):
            if pieced is not None and _is_closed(again := numbers(pieced), noise, surface):
                signed, after = pieced, again
                break
    out = side_of_nearest(points, normals, part, signed) if (signed != n).any() else normals
    share = share_of(np.abs(after - 0.5) < WRONG_DIFFERENCE)
    sure = share > 1 - SURE_SHARE and bool(np.median(after) > CLOSED_MEDIAN)
    return _Enclosed(float(np.median(before)), (out * normals).sum(1) < 0, sure, share)


def _is_closed(numbers: Array, noise: float, surface: str) -> bool:
    """Whether winding numbers on a surface are those of a closed one that looks outward."""
    middle, most = CLOSED_MEDIAN, NOISY_SHARE if noise > CLEAN_NOISE else CLOSED_SHARE
    if surface == "closed":
        middle, most = SAID_MEDIAN, SAID_SHARE
    return bool(np.median(numbers) > middle and (np.abs(numbers - 0.5) < SCATTER).mean() > most)


def _keeps_a_ball_out(points: Array, normals: Array, spacing: float, noise: float) -> bool:
    return from_outside(points, normals, spacing, noise, BALLS) is not None

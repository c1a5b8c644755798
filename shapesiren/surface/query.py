"""Questions to a fitted shape, in the user's coordinates: curvature, closest point, where a ray meets it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..field import Field
from ..nets import evaluate

Array = NDArray[np.float64]
CLOSEST_STEPS, CLOSEST_TOLERANCE = 40, 1e-6  # box units
MARCH_STEPS, MARCH_TOLERANCE = 200, 2e-5  # box units
SHORT = 0.9  # of the distance that the field promises: a step in sphere tracing


def curvatures(field: Field, points: ArrayLike) -> tuple[Array, Array]:
    """Mean and Gaussian curvature of the level set through each point (Goldman 2005, eq. 4.1 and 4.2).

    Parameters
    ----------
    points : (n, 3) user coordinates

    Returns
    -------
    mean : (n,) per user unit; 1/r on a sphere of radius r, whose normal points outward
    gaussian : (n,) per squared user unit
    """
    x = _points(field, points)
    _, gradient, hessian = evaluate.values_gradients_hessians(field.net, field.frame.to_box(x))
    g, h = gradient[:, 0].astype(np.float64), hessian[:, 0].astype(np.float64)
    size = np.maximum(np.linalg.norm(g, axis=1), 1e-30)
    trace = np.trace(h, axis1=1, axis2=2)
    mean = (size**2 * trace - np.einsum("ni,nij,nj->n", g, h, g)) / (2 * size**3)
    # the adjugate of a symmetric 3 x 3 matrix, by cross products of its rows
    rows = [np.cross(h[:, (k + 1) % 3], h[:, (k + 2) % 3]) for k in range(3)]
    gaussian = np.einsum("ni,nij,nj->n", g, np.stack(rows, 1), g) / size**4
    return mean / field.frame.scale, gaussian / field.frame.scale**2


def closest_points(field: Field, points: ArrayLike) -> tuple[Array, Array]:
    """The nearest point of the surface to each of ``points``, found from the field alone.

    A Newton step brings a guess onto the surface; then it slides along the tangent plane towards the point asked about,
    until the line between them is normal to the surface. Exact where the field is a distance; near the medial axis it may
    be another of the nearly nearest points.

    Returns
    -------
    closest : (n, 3) user coordinates
    distance : (n,) from ``points`` to them, not negative
    """
    x = field.frame.to_box(_points(field, points))
    inside = np.clip(x, -1, 1)
    at, best, least = _onto(field, inside), inside.copy(), np.full(len(x), np.inf)
    for _ in range(CLOSEST_STEPS):
        value, gradient = field.box_values_and_gradients(at)
        n = _unit(gradient)
        reached = np.abs(value) < 1e-3
        length = np.where(reached, np.linalg.norm(x - at, axis=1), np.inf)
        better = length < least - CLOSEST_TOLERANCE
        if not better.any():
            break
        best[better], least = at[better], np.where(better, length, least)
        away = x - at
        along = away - (away * n).sum(1, keepdims=True) * n
        at = _onto(field, np.clip(at + 0.7 * along, -1, 1))
    best = np.where(np.isfinite(least)[:, None], best, at)
    user = field.frame.to_user(best)
    return user, np.linalg.norm(user - np.asarray(points, np.float64), axis=1)


def _onto(field: Field, at: Array, steps: int = 4) -> Array:
    """Newton steps onto the level set, box coordinates."""
    for _ in range(steps):
        value, gradient = field.box_values_and_gradients(at)
        g = gradient.astype(np.float64)
        at = at - value[:, None] * g / np.maximum((g * g).sum(1, keepdims=True), 1e-6)
        at = np.clip(at, -1.05, 1.05)
    return at


def intersect_rays(field: Field, origins: ArrayLike, directions: ArrayLike) -> tuple[Array, Array, Array]:
    """Where rays first meet the surface, by sphere tracing (Hart 1996) inside the field's box.

    Parameters
    ----------
    origins, directions : (n, 3) user coordinates; directions need not be unit vectors

    Returns
    -------
    distance : (n,) user units along each ray, inf where it meets nothing
    points : (n, 3) where, NaN where it meets nothing
    normals : (n, 3) outward unit normals there, NaN likewise
    """
    start = field.frame.to_box(_points(field, origins))
    toward = np.asarray(directions, np.float64)
    if toward.shape != start.shape:
        raise InputError(f"directions must have shape {start.shape}, not {toward.shape}")
    toward = _unit(toward)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (-1 - start) / toward, (1 - start) / toward
    enter = np.nanmax(np.where(np.isfinite(a) & np.isfinite(b), np.minimum(a, b), -np.inf), 1).clip(0)
    leave = np.nanmin(np.where(np.isfinite(a) & np.isfinite(b), np.maximum(a, b), np.inf), 1)
    flat = ((toward == 0) & (np.abs(start) > 1)).any(1)
    t, found = enter.copy(), np.zeros(len(start), bool)
    live = np.flatnonzero((enter < leave) & ~flat)
    side = np.zeros(len(start))
    before = t.copy()
    for _ in range(MARCH_STEPS):
        if not len(live):
            break
        value = field.box_values(start[live] + t[live, None] * toward[live]).astype(np.float64)
        side[live] = np.where(side[live] == 0, np.sign(value), side[live])
        crossed = np.sign(value) != side[live]
        near = np.abs(value) < MARCH_TOLERANCE
        found[live[near | crossed]] = True
        t[live[crossed]] = _bisect(field, start[live[crossed]], toward[live[crossed]], before[live[crossed]], t[live[crossed]])
        going = ~(near | crossed)
        live, value = live[going], value[going]
        before[live] = t[live]
        t[live] += SHORT * np.maximum(np.abs(value), MARCH_TOLERANCE)
        live = live[t[live] < leave[live]]
    hit = start + t[:, None] * toward
    normals = np.full_like(start, np.nan)
    if found.any():
        normals[found] = field.normal(field.frame.to_user(hit[found]))
    points = np.where(found[:, None], field.frame.to_user(hit), np.nan)
    return np.where(found, t * field.frame.scale, np.inf), points, normals


def _bisect(field: Field, start: Array, toward: Array, low: Array, high: Array) -> Array:
    """Where the sign changes between ``low`` and ``high`` along rays: (n,) distances in the box."""
    if not len(start):
        return high
    below = np.sign(field.box_values(start + low[:, None] * toward))
    for _ in range(16):
        middle = (low + high) / 2
        same = np.sign(field.box_values(start + middle[:, None] * toward)) == below
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2


def _points(field: Field, points: ArrayLike) -> Array:
    x = np.asarray(points, np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or field.net.in_features != 3:
        raise InputError(f"points must have shape (n, 3), not {x.shape}")
    return x


def _unit(v: NDArray[np.floating]) -> Array:
    w = v.astype(np.float64)
    return w / np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-30)

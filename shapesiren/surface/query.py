"""Questions to a fitted shape, in the user's coordinates: curvature, closest point, where a ray meets it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..field import Field
from ..nets import evaluate

Array = NDArray[np.float64]
CLOSEST_STEPS, PROJECTION_STEPS, CLOSEST_TOLERANCE = 24, 20, 3e-6  # box units
MARCH_STEPS, MARCH_TOLERANCE = 120, 2e-5  # box units
RAY_MARGIN = 0.05  # round the scan, of the box that rays are followed in, as a share of its longest side
MARCH_SHARE = 0.9  # of the distance that the field promises: a step in sphere tracing


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

    Steps along the gradient lead onto the surface; then the point slides along it towards the one asked about, until the
    line between them is normal to the surface. That is a local minimum of the distance: near the medial axis it may be
    another of the nearly nearest points.

    Returns
    -------
    closest : (n, 3) user coordinates
    distance : (n,) from ``points`` to them, not negative
    """
    x = field.frame.to_box(_points(field, points))
    best, normals = _onto(field, np.clip(x, -1, 1))
    least = np.linalg.norm(x - best, axis=1)
    share = np.full(len(x), 0.5)  # of the way along the tangent plane that is tried; it falls where that overshoots
    live = np.arange(len(x))
    for _ in range(CLOSEST_STEPS):
        away = x[live] - best[live]
        along = away - (away * normals[live]).sum(1, keepdims=True) * normals[live]
        step = share[live, None] * along
        going = np.linalg.norm(step, axis=1) > CLOSEST_TOLERANCE
        live, step = live[going], step[going]
        if not len(live):
            break
        at, facing = _onto(field, np.clip(best[live] + step, -1, 1))
        length = np.linalg.norm(x[live] - at, axis=1)
        better = length < least[live]
        share[live] = np.where(better, np.minimum(1.5 * share[live], 1), share[live] / 3)
        won = live[better]
        best[won], normals[won], least[won] = at[better], facing[better], length[better]
    user = field.frame.to_user(best)
    return user, np.linalg.norm(user - np.asarray(points, np.float64), axis=1)


def _onto(field: Field, start: Array) -> tuple[Array, Array]:
    """The zero level set along the gradient from (n, 3) box points, and the unit normals there.

    A step is never longer than the field's value: a Newton step from near the medial axis, where the slope is small, would
    land anywhere.
    """
    at, normals = start.copy(), np.zeros_like(start)
    live = np.arange(len(at))
    for i in range(PROJECTION_STEPS):
        value, gradient = field.box_values_and_gradients(at[live])
        slope = np.linalg.norm(gradient.astype(np.float64), axis=1)
        normals[live] = gradient / np.maximum(slope, 1e-30)[:, None]
        far = np.abs(value) > CLOSEST_TOLERANCE
        if i + 1 == PROJECTION_STEPS or not far.any():
            break
        live = live[far]
        at[live] -= (value[far] / np.maximum(slope[far], 1))[:, None] * normals[live]
        at[live] = np.clip(at[live], -1, 1)
    return at, normals


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
    enter, leave = _crossing(start, toward, *field.bounds(RAY_MARGIN))
    t, found = enter.copy(), np.zeros(len(start), bool)
    live = np.flatnonzero(enter < leave)
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
        t[live] += MARCH_SHARE * np.maximum(np.abs(value), MARCH_TOLERANCE)
        live = live[t[live] < leave[live]]
    hit = start + t[:, None] * toward
    normals = np.full_like(start, np.nan)
    if found.any():
        normals[found] = field.normal(field.frame.to_user(hit[found]))
    points = np.where(found[:, None], field.frame.to_user(hit), np.nan)
    return np.where(found, t * field.frame.scale, np.inf), points, normals


def _crossing(start: Array, toward: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where rays enter and leave a box (slabs): (n,) and (n,); leave < enter for those that miss it."""
    safe = np.where(np.abs(toward) < 1e-12, 1e-12, toward)
    a, b = (low - start) / safe, (high - start) / safe
    return np.minimum(a, b).max(1).clip(0), np.maximum(a, b).min(1)


def plane(field: Field, axis: int, at: float, samples: int, margin: float) -> tuple[Array, Array, Array]:
    """The field on a plane across an axis.

    Parameters
    ----------
    axis : 0, 1 or 2; at : the plane's place on it, box coordinates
    samples : along the longer side; margin : round the scan, as a share of its longest side

    Returns
    -------
    values (n, m) user units; u (m,), v (n,) box coordinates on the next axis, cyclically, and the one after it
    """
    low, high = field.bounds(margin)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    sides = (high - low)[[i, j]]
    u, v = (np.linspace(low[k], high[k], max(8, round(samples * s / sides.max()))) for k, s in zip((i, j), sides, strict=True))
    x = np.empty((len(v), len(u), 3))
    x[..., axis], x[..., i], x[..., j] = at, u[None, :], v[:, None]
    return field.box_values(x.reshape(-1, 3)).reshape(len(v), len(u)) * np.float64(field.frame.scale), u, v


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

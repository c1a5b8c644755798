"""The wave equation as equations of points, and the plane waves that solve it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..header import ValueScale
from ..similarity import Similarity
from .equation import Array, Assembled, Equation
from .facts import WaveFacts
from .finite_differences import DifferenceGrid
from .headers import WaveHeader, described
from .problems import Domain, Wave, slowness, speeds
from .sampling import SOURCE_REACH, quadrature, refined, sobol
from .settings import IngestSettings

QUADRATURE_ORDER = 2  # quadrature points along a cell's side; 3 are no better
PULSE_REACH = 4.0  # widths of a pulse beyond which it is nothing: 3e-4 of its peak
CELLS_TO_UNITS = 1.7  # fewer cells let the equation slip between them, more are hardly better


def wave(problem: Wave, frame: Similarity, folder: Path, settings: IngestSettings, seed: int) -> Assembled:
    """The equations of a wave: inside, at the start, and at the border, earliest first."""
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    span = problem.duration / frame.scale  # of time, in box units: speeds stay what they are
    narrow = min(p.width for p in problem.pulse) / frame.scale
    rate = 1 / narrow  # of change
    slowest, fastest = problem.medium.range()
    area = float(np.prod(high - low))
    if settings.cells is None or slowest == fastest:
        inside = sobol(settings.points, [*low, -span / 2], [*high, span / 2], seed)
        inside = inside[np.argsort(inside[:, 2], kind="stable")]
        share, weight, steps = np.ones(len(inside)), np.full(len(inside), area * span / len(inside)), np.zeros(2)
    else:
        inside, share, weight, steps = boxes(np.array([*low, -span / 2]), np.array([*high, span / 2]), settings.cells)
    # u_tt / c^2 - lap u, whose means over cells stay what they are where the speed jumps; c^2 lap u would jump
    inverse = slowness(problem.medium, frame.to_user(inside[:, :2]), steps * frame.scale, problem.domain, folder)
    zero, one = np.zeros(len(inside)), np.ones(len(inside))
    operator = np.column_stack([zero, zero, zero, zero, -one, -one, inverse]) * (fastest / rate) ** 2
    arrays = Equation(inside, operator * share[:, None], np.zeros((len(weight), 1)), weight).arrays("interior")

    spots = [(frame.to_box(np.array([p.position]))[0], SOURCE_REACH * p.width / frame.scale) for p in problem.pulse]
    at, weight = refined(low, high, settings.points, spots, seed + 7)
    size = float(np.abs(pulses(problem, frame.to_user(at))).max())
    values, still = start(problem, frame, at, weight, size)
    arrays |= values.arrays("start") | still.arrays("rest")

    parts: list[Equation] = []
    for axis in (0, 1):
        for bound, sign in ((low, -1.0), (high, 1.0)):
            count = settings.points // 8
            other = 1 - axis
            rest = sobol(count, [low[other], -span / 2], [high[other], span / 2], seed + 11 + len(parts))
            points = np.empty((count, 3))
            points[:, axis], points[:, other], points[:, 2] = bound[axis], rest[:, 0], rest[:, 1]
            speed = speeds(problem.medium, frame.to_user(points[:, :2]), problem.domain, folder)
            leaving = np.zeros((count, 7))
            leaving[:, 3], leaving[:, 1 + axis] = 1 / rate, sign * speed / rate  # Engquist and Majda 1977, first order
            covered = float((high - low)[other]) * span / count
            parts.append(Equation(points, leaving, np.zeros((count, 1)), np.full(count, covered)))
    order = np.argsort(np.concatenate([p.points[:, 2] for p in parts]), kind="stable")
    fields = ("points", "operator", "target", "weight")
    arrays |= Equation(*(np.concatenate([getattr(p, f) for p in parts])[order] for f in fields)).arrays("border")

    highest = settings.reach / narrow
    period = periods(problem, frame)
    # so many wave vectors of a lattice, two phases of each; in other media, by trial, or by what the cells can tell
    needed = int(highest**2 / (2 * np.pi) * (period.prod() if slowest == fastest else 12 * area))
    units = needed if slowest == fastest or settings.cells is None else int(len(arrays["interior.weight"]) / CELLS_TO_UNITS)
    samples = (len(arrays["interior.weight"]) / (area * span)) ** (1 / 3) * 2 * np.pi * narrow
    uniform = slowest == fastest
    facts = WaveFacts(
        points=sum(len(arrays[f"{n}.weight"]) for n in ("interior", "start", "rest", "border")),
        units=units,
        slowest=slowest,
        fastest=fastest,
        crossing=float(problem.duration * fastest),
        notes=[],
        **({} if uniform else {"points_to_a_wave": float(samples)}),
    )
    in_time = Similarity((*frame.centre, problem.duration / 2), frame.scale)
    header = WaveHeader(
        **described(problem, in_time, folder),
        values=ValueScale(offset=0.0, scale=size),
        fields=1,
        complex=False,
        highest=highest,
        speeds=(slowest, fastest),
        period=tuple(period.tolist()),
        units=units,
        needed=needed,
    )
    return Assembled(arrays, header, facts)


def boxes(low: Array, high: Array, along: int) -> tuple[Array, Array, Array, Array]:
    """Quadrature points of the nearly cubic cells of a box of space and time, earliest first, ``along`` cells to its longer
    side in space; shares of the points, volumes of the cells, and sides in space (2,) of the part that a point stands for."""
    counts = np.maximum(2, np.rint((high - low) / ((high - low)[:2].max() / along)).astype(int))
    step = (high - low) / counts
    axes = [low[k] + step[k] * (np.arange(counts[k]) + 0.5) for k in (2, 0, 1)]
    centres = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)[:, [1, 2, 0]]
    points, share = quadrature(centres, step, QUADRATURE_ORDER)
    return points, share, np.full(len(centres), float(np.prod(step))), step[:2] / QUADRATURE_ORDER


def pulses(problem: Wave, points: Array, period: Array | None = None) -> Array:
    """The field at the start, (n,), at points in the user's coordinates; repeated after a ``period`` (2,), if given."""
    total = np.zeros(len(points))
    for p in problem.pulse:
        away = points - np.array(p.position)
        if period is not None:
            away -= period * np.rint(away / period)
        total += p.amplitude * np.exp(-(away**2).sum(1) / (2 * p.width**2))
    return total


def start(
    problem: Wave, frame: Similarity, at: Array, weight: Array, size: float, period: Array | None = None
) -> tuple[Equation, Equation]:
    """Values, relative to ``size``, and no velocity, at points (n, 2) of the box at time 0."""
    points = np.column_stack([at, np.full(len(at), -problem.duration / frame.scale / 2)])
    rate = frame.scale / min(p.width for p in problem.pulse)
    values, rates = np.zeros((2, len(at), 7))
    values[:, 0], rates[:, 3] = 1, 1 / rate
    known = pulses(problem, frame.to_user(at), None if period is None else period * frame.scale)
    return Equation(points, values, known[:, None] / size, weight), Equation(points, rates, np.zeros((len(at), 1)), weight)


# ---- a uniform medium -----------------------------------------------------------------------------------
def periods(problem: Wave, frame: Similarity) -> Array:
    """Sides (2,), in box units, of a rectangle after which the plane may repeat itself without the domain taking notice: in the
    time given nothing reaches it from the pulses' images. So waves leave the domain, as far as it can tell."""
    low, high = np.array(problem.domain.low), np.array(problem.domain.high)
    far = problem.medium.range()[1] * problem.duration
    needed = [np.maximum(p.position - low, high - p.position) + far + PULSE_REACH * p.width for p in problem.pulse]
    return np.asarray(np.maximum(np.max(needed, 0), high - low) / frame.scale)


def lattice(period: Array, highest: float) -> Array:
    """Wave vectors (n, 2), shortest first, of what repeats after a ``period`` (2,), up to a wave number: each followed by its
    negative, without zero."""
    step = 2 * np.pi / period
    count = np.floor(highest / step).astype(int)
    axes = [np.arange(-c, c + 1) * s for c, s in zip(count, step, strict=True)]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    length = np.linalg.norm(k, axis=1)
    upper = (k[:, 1] > 0) | ((k[:, 1] == 0) & (k[:, 0] > 0))
    kept = np.flatnonzero(upper & (length <= highest))
    half = k[kept[np.argsort(length[kept], kind="stable")]]
    return np.stack([half, -half], 1).reshape(-1, 2)


def plane_waves(period: Array, speed: float, count: int) -> tuple[Array, Array]:
    """Frequencies (count, 3) over x, y and t and phases (count,) of the longest waves that solve the wave equation and repeat
    after a ``period``: sine and cosine of each, both ways in time."""
    highest, k = 2 * np.pi * np.sqrt(count / 2 / np.pi / np.prod(period)), np.empty((0, 2))
    while len(k) < count / 2:
        highest *= 1.1
        k = lattice(period, highest)
    k = np.repeat(k[: -(-count // 2)], 2, 0)[:count]
    rate = -speed * np.linalg.norm(k, axis=1)
    phase = np.where(np.arange(count) % 2 == 0, 0.0, np.pi / 2)
    return np.column_stack([k, rate]), phase


def repeated_start(problem: Wave, frame: Similarity, period: Array, highest: float, size: float) -> tuple[Equation, Equation]:
    """`start` on a whole period, at cells that tell all waves up to a wave number apart: there the waves are orthogonal."""
    centre = frame.to_box((np.array([problem.domain.low]) + problem.domain.high) / 2)[0]
    low, high = centre - period / 2, centre + period / 2
    grid = DifferenceGrid(
        Domain(low=(low[0], low[1]), high=(high[0], high[1])), int(np.ceil(1.05 * period.max() * highest / np.pi)) + 1
    )
    at = grid.points()
    return start(problem, frame, at, np.full(len(at), float(np.prod(grid.steps))), size, period)

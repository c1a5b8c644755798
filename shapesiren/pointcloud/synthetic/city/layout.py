"""What stands in a city, block by block, from a seed: houses with gables, towers with flat roofs, trees, lamp posts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from .ground import LEVEL, PITCH, Ground

Array = NDArray[np.float64]

CLEARANCE = 0.6  # metres between things
BLOCK_AREA = 2660.0  # square metres of surface for each block, about; its ground is 1600
MOST_BLOCKS = 10_000


@dataclass(frozen=True)
class Buildings:
    """Prisms that stand on level ground: a rectangle drawn up to the eaves, and a gable on it. Each array is (n,), in metres.

    x, y : middle; base : height of the ground; cos, sin : of the direction of the ridge; length, width : half of them, along
    and across the ridge; eaves : height of the walls; ridge : of the gable above them, 0 for a flat roof
    """

    x: Array
    y: Array
    base: Array
    cos: Array
    sin: Array
    length: Array
    width: Array
    eaves: Array
    ridge: Array


@dataclass(frozen=True)
class Trees:
    """Spheres on vertical cylinders that stand on level ground; with small spheres they are lamp posts. Each array is (n,).

    x, y : of the axis; base : height of the ground; trunk, crown : radii; top : height of the crown's middle above the ground
    """

    x: Array
    y: Array
    base: Array
    trunk: Array
    crown: Array
    top: Array

    @property
    def reach(self) -> Array:
        """(n,) height above the ground at which the trunk meets the crown."""
        return self.top - np.sqrt(self.crown**2 - self.trunk**2)


@dataclass(frozen=True)
class City:
    """Ground and what stands on it. ``lamps`` : (m,) which of the trees are lamp posts"""

    ground: Ground
    buildings: Buildings
    trees: Trees
    lamps: NDArray[np.bool_]

    def bounds(self) -> tuple[Array, Array]:
        """The corners (3,) of the box round it."""
        b, t = self.buildings, self.trees
        tops = np.concatenate(
            [b.base + b.eaves + b.ridge, t.base + t.top + t.crown, (self.ground.level + self.ground.hill).ravel()]
        )
        low = np.array([0.0, 0.0, self.ground.level.min()])
        return low, np.array([*self.ground.size, tops.max()])


def blocks_for(points: int, spacing: float) -> tuple[int, int]:
    """How many blocks along x and y give ``points`` points about ``spacing`` metres from each other.

    Raises
    ------
    InputError : more than 10,000 blocks, 400 ha
    """
    wanted = max(1.0, points * spacing**2 / BLOCK_AREA)
    if wanted > MOST_BLOCKS:
        raise InputError(
            f"that would be a city of {wanted:,.0f} blocks", where="--spacing", hint="fewer points, or a smaller spacing"
        )
    nx = max(1, round(wanted**0.5))
    return nx, max(1, round(wanted / nx))


def build_city(nx: int, ny: int, seed: int = 0) -> City:
    """A city of ``nx`` by ``ny`` blocks; of the same seed, a larger one has the blocks of a smaller one."""
    level = np.zeros((nx, ny))
    hill = np.zeros((nx, ny))
    buildings: list[tuple[float, ...]] = []
    trees: list[tuple[float, ...]] = []
    for i in range(nx):
        for j in range(ny):
            rng = np.random.default_rng([seed, i, j])
            level[i, j] = 2.5 * np.sin(0.35 * i + 0.2 * j) + 2.0 * np.cos(0.3 * j - 0.1 * i) + rng.uniform(-0.4, 0.4)
            kind = "houses" if i == j == 0 else rng.choice(["houses", "tower", "park"], p=[0.6, 0.25, 0.15])
            x, y, base = (i + 0.5) * PITCH, (j + 0.5) * PITCH, level[i, j]
            if kind == "park":
                hill[i, j] = rng.uniform(1.5, 4.0)
            for b in _buildings(kind, rng):
                buildings.append((x + b[0], y + b[1], base, *b[2:]))
            trees += [(x + t[0], y + t[1], base, *t[2:]) for t in _trees(kind, rng, hill[i, j] > 0, buildings, x, y)]
    houses, plants = np.array(buildings).reshape(-1, 9), np.array(trees).reshape(-1, 7)
    return City(Ground(level, hill), Buildings(*houses.T), Trees(*plants[:, :6].T), plants[:, 6] > 0)


def _buildings(kind: str, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """x, y, cos, sin, length, width, eaves, ridge of the buildings in a block, its middle at the origin."""
    if kind == "tower":
        turn = rng.uniform(-0.1, 0.1)
        return [(0.0, 0.0, np.cos(turn), np.sin(turn), rng.uniform(8, 10), rng.uniform(7, 9), rng.uniform(12, 35), 0.0)]
    found: list[tuple[float, ...]] = []
    for sx in (-6.5, 6.5) if kind == "houses" else ():
        for sy in (-6.5, 6.5):
            turn = rng.uniform(-0.15, 0.15) + (np.pi / 2 if rng.random() < 0.5 else 0.0)
            flat = rng.random() < 0.25
            at = (sx + rng.uniform(-0.5, 0.5), sy + rng.uniform(-0.5, 0.5), np.cos(turn), np.sin(turn))
            size = (rng.uniform(3.8, 4.8), rng.uniform(2.8, 3.8), rng.uniform(3, 9), 0.0 if flat else rng.uniform(1.5, 3))
            found.append((*at, *size))
    return found


def _trees(
    kind: str, rng: np.random.Generator, on_hill: bool, buildings: list[tuple[float, ...]], x: float, y: float
) -> list[tuple[float, ...]]:
    """x, y, trunk, crown, top, and whether it is a lamp post, of what finds a free place in the block at (x, y)."""
    own = [b for b in buildings if abs(b[0] - x) < PITCH / 2 and abs(b[1] - y) < PITCH / 2]
    found: list[tuple[float, ...]] = []
    for place in range(60 if kind == "park" else 30):
        lamp = place < 4
        crown = rng.uniform(0.2, 0.3) if lamp else rng.uniform(0.9, 1.6)
        trunk = 0.08 if lamp else rng.uniform(0.12, 0.25)
        top = rng.uniform(5, 7) if lamp else crown + rng.uniform(1.2, 3.0)
        px, py = rng.uniform(-(LEVEL - 0.7), LEVEL - 0.7, 2)
        if lamp:  # along the rim
            side = (-1.0) ** place * (LEVEL - 0.7)
            px, py = (side, py) if place < 2 else (px, side)
        if on_hill and max(abs(px), abs(py)) < 10.0 + 2 * trunk:
            continue
        near_house = any(_gap(b, px + x, py + y) < crown + CLEARANCE for b in own)
        if near_house or any(np.hypot(px - f[0], py - f[1]) < crown + f[3] + CLEARANCE for f in found):
            continue
        found.append((px, py, trunk, crown, top, float(lamp)))
    return found


def _gap(b: tuple[float, ...], x: float, y: float) -> float:
    """Metres from a place to the rectangle of a building, 0 in it."""
    dx, dy = x - b[0], y - b[1]
    along, across = abs(b[3] * dx + b[4] * dy) - b[5], abs(b[3] * dy - b[4] * dx) - b[6]
    return float(np.hypot(max(along, 0.0), max(across, 0.0)))

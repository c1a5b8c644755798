"""Training a `ShapePrior`: on virtual scans of solids, whose signed distances are known."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .network import ShapePrior, Surroundings, farthest_points

HALF_SIDE = 0.9  # of the bounding box of a cloud, box units, as ingest sets the frame
REACH = 1.3  # places farther out than this are none that a field is asked for
EVEN, ONE_VIEW = 0.55, 0.3  # shares of the scans: of points all over; of what one position sees; the rest of what two see
FEWEST, MOST = 40, 1500  # points of a scan
NOISY, LEAST_NOISE, MOST_NOISE = 0.25, 0.001, 0.015  # share of noisy scans; their deviation, box units
TILT, MOST_TILT = 15.0, 0.3  # of normals: radians a box unit of noise; and at most
TURNED = 0.5  # share of scans in any direction; the others have their axes exchanged
NEAR_ERROR = 0.02  # box units: an error counts in proportion to the distance from the surface, and from this on up
SURENESS = 0.1  # weight of the loss by which it learns how far it may be off


@dataclass(frozen=True)
class SolidSamples:
    """What is known of s solids, in box units.

    points, normals : (s, n, 3) on the surface; seen : (s, v, n) bool, what each of v positions sees of them
    places, distances : (s, m, 3), (s, m) signed distances from the surface; ``near`` leading ones are close to it
    """

    points: Tensor
    normals: Tensor
    seen: Tensor
    places: Tensor
    distances: Tensor
    near: int

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class TrainingSettings:
    """clouds, places : of a step; minutes, steps : how long, whichever ends first; rate : the highest learning rate"""

    clouds: int = 8
    places: int = 64
    minutes: float = 35.0
    steps: int | None = None
    rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class VirtualScan:
    """points, normals : (n, 3) in a box of its own; ``(x @ turn.T - centre) * zoom`` takes the solid's places there"""

    points: Tensor
    normals: Tensor
    turn: Tensor
    centre: Tensor
    zoom: float

    def to_box(self, places: Tensor) -> Tensor:
        return (places @ self.turn.T - self.centre) * self.zoom


def virtual_scan(
    solids: SolidSamples,
    which: int,
    generator: torch.Generator,
    kind: str | None = None,
    points: int | None = None,
    noise: float | None = None,
    turned: bool = True,
) -> VirtualScan:
    """A scan of a solid. What is None is drawn: kind ("even", "view", "two views"), number of points, noise in box units."""

    def uniform() -> float:
        return float(torch.rand(1, generator=generator))

    chance = uniform()
    kind = kind or ("even" if chance < EVEN else "view" if chance < EVEN + ONE_VIEW else "two views")
    pool = torch.arange(solids.points.shape[1])
    if kind != "even":
        positions = torch.randperm(solids.seen.shape[1], generator=generator)[: 1 if kind == "view" else 2]
        seen = solids.seen[which, positions].any(0).nonzero()[:, 0]
        pool = seen if len(seen) else pool
    count = points or int(FEWEST * (MOST / FEWEST) ** uniform())
    some = pool[torch.randint(len(pool), (count,), generator=generator)]
    x, n = solids.points[which, some], solids.normals[which, some]
    if noise is None:
        noise = 0.0 if uniform() >= NOISY else LEAST_NOISE * (MOST_NOISE / LEAST_NOISE) ** uniform()
    if noise:
        x = x + noise * torch.randn(x.shape, generator=generator)
        n = n + min(MOST_TILT, TILT * noise) * torch.randn(x.shape, generator=generator)
        n = n / n.norm(dim=1, keepdim=True)
    turn = torch.eye(3)
    if turned:
        turn = rotation(generator) if uniform() < TURNED else symmetry(generator)
    x, n = x @ turn.T, n @ turn.T
    low, high = x.amin(0), x.amax(0)
    centre, zoom = (low + high) / 2, HALF_SIDE / max(float((high - low).max()) / 2, 1e-6)
    return VirtualScan((x - centre) * zoom, n, turn, centre, zoom)


def rotation(generator: torch.Generator) -> Tensor:
    """(3, 3) a random rotation, of a random quaternion."""
    q = torch.randn(4, generator=generator)
    w, x, y, z = (q / q.norm()).tolist()
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def symmetry(generator: torch.Generator) -> Tensor:
    """(3, 3) one of the 48 symmetries of a cube."""
    signs = torch.randint(0, 2, (3,), generator=generator) * 2.0 - 1
    return torch.eye(3)[torch.randperm(3, generator=generator)] * signs


def surroundings(points: Tensor, normals: Tensor, places: Tensor, near: int, coarse: int) -> Surroundings:
    """Of places (q, 3) beside a cloud of points (n, 3), by the plain table of distances; its twin with a tree is in
    `completion`."""
    distance, index = torch.cdist(places, points).topk(min(near, len(points)), dim=1, largest=False)
    some = farthest_points(points, coarse)
    scale = distance.mean(1).clamp_min(1e-3)
    return Surroundings(places, points[index], normals[index], points[some][None], normals[some][None], scale)


def draw(
    solids: SolidSamples, prior: ShapePrior, settings: TrainingSettings, generator: torch.Generator
) -> tuple[Surroundings, Tensor]:
    """What one step sees: surroundings, and the distances (b, q) that are true there."""
    near = settings.places * 5 // 8
    rows, truth = [], []
    for which in torch.randint(len(solids), (settings.clouds,), generator=generator).tolist():
        scan = virtual_scan(solids, which, generator)
        index = torch.cat(
            [
                torch.randint(0, solids.near, (near,), generator=generator),
                torch.randint(solids.near, solids.places.shape[1], (settings.places - near,), generator=generator),
            ]
        )
        at = scan.to_box(solids.places[which, index])
        within = (at.abs().amax(1) < REACH).nonzero()[:, 0]
        if len(within) == 0:
            within = torch.zeros(1, dtype=torch.long)
        if len(within) < settings.places:
            within = within[torch.randint(len(within), (settings.places,), generator=generator)]
        rows.append(surroundings(scan.points, scan.normals, at[within], prior.sizes.near, prior.sizes.coarse))
        truth.append(solids.distances[which, index][within] * scan.zoom)
    return Surroundings(*(torch.stack(parts) for parts in zip(*rows, strict=True))), torch.stack(truth)


def losses(prior: ShapePrior, at: Surroundings, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted mean of absolute errors of the distance, and what a Laplace distribution says of its expected error; the
    second teaches nothing to the first."""
    distance, deviation = prior(at)
    error = (distance - truth).abs()
    weighted = (error * NEAR_ERROR / (NEAR_ERROR + truth.abs())).mean()
    relative = error.detach() / at.scale
    return 2.5 * weighted, (relative * torch.exp(-deviation) + deviation).mean()


def train(
    prior: ShapePrior,
    solids: SolidSamples,
    settings: TrainingSettings,
    told: Callable[[int, float, float], None] = lambda step, seconds, loss: None,
) -> int:
    """Train it in place; returns the steps. ``told`` after each step: step, seconds, mean loss of the last steps."""
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.Adam(prior.parameters(), lr=settings.rate)
    begun, step, average = time.perf_counter(), 0, math.nan
    while True:
        seconds = time.perf_counter() - begun
        share = max(seconds / (60 * settings.minutes), step / settings.steps if settings.steps else 0.0)
        if share >= 1:
            return step
        decay = 1.0 if share < 0.3 else 0.5 * (1 + math.cos(math.pi * (share - 0.3) / 0.7))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * max(decay * min(1.0, (step + 1) / 200), 1e-3)
        error, sureness = losses(prior, *draw(solids, prior, settings, generator))
        optimizer.zero_grad(set_to_none=True)
        (error + SURENESS * sureness).backward()
        torch.nn.utils.clip_grad_norm_(prior.parameters(), 1.0)
        optimizer.step()
        step += 1
        value = float(error.detach())
        average = value if math.isnan(average) else 0.98 * average + 0.02 * value
        told(step, seconds, average)

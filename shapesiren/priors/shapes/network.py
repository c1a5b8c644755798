"""A signed distance from the oriented points round a place, and from a few of the whole scan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from ...nets.network import linear_layers

FEATURES = 10  # of a point as it is seen from a place, see `seen_from`
LENGTH = 6  # which of them is its distance
COARSE_REACH = 0.5  # box units that stand for 1 in what is told of the coarse points
NEARER, FREE_SHARE = 3.0, 0.1  # attention falls off with exp(-3 distance^2) at first, and what is free of planes is small
PLANES_FIRST = 3.0  # so much the tangent planes count for more than the free part when training begins, as a logit


@dataclass(frozen=True)
class ShapePriorSizes:
    """units : of the layers that see single points; width : of those that see all of them together
    heads : of the attention; near : points round a place that are seen; coarse : points of the whole scan that are
    """

    units: int = 32
    width: int = 96
    heads: int = 4
    near: int = 12
    coarse: int = 16

    @classmethod
    def of(cls, tree: dict[str, Any]) -> Self:
        """Raises TypeError or ValueError where it makes no network."""
        sizes = cls(**{name: int(value) for name, value in tree.items()})
        if min(asdict(sizes).values()) < 1 or sizes.units % sizes.heads:
            raise ValueError(f"sizes {tree} make no network")
        return sizes


class Surroundings(NamedTuple):
    """What is told of places: b clouds, q places of each.

    places : (b, q, 3) box coordinates
    near, near_normals : (b, q, k, 3) the nearest points, and their unit normals
    coarse, coarse_normals : (b, 1, m, 3) points spread over the whole cloud, the same for all of its places
    scale : (b, q) mean distance from a place to its nearest points
    """

    places: Tensor
    near: Tensor
    near_normals: Tensor
    coarse: Tensor
    coarse_normals: Tensor
    scale: Tensor


class ShapePrior(nn.Module):
    """Signed distances, and how far they may be off, of places beside a scan.

    Two sets are seen from each place: its nearest points, in units of their distance, so that what is learned of an edge holds
    at all densities; and points spread over the whole cloud, which tell where the other side must be. Each point is taken
    through small layers that are the same for all (Qi et al. 2017, PointNet), twice with the maximum over the set beside it,
    and attention pools the set (Lee et al. 2019). One more head of it picks among the tangent planes of the nearest points,
    ``sum_i w_i (x - p_i) . n_i``: an edge is the place where the choice changes, so that it can be sharp between points.
    """

    def __init__(self, sizes: ShapePriorSizes, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.sizes = sizes
        u, w = sizes.units, sizes.width

        def linear(inputs: int, outputs: int) -> nn.Linear:
            (layer,) = linear_layers([inputs, outputs])
            assert isinstance(layer, nn.Linear)
            bound = inputs**-0.5  # as torch draws them, from a generator of ours
            with torch.no_grad():
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.uniform_(-bound, bound, generator=generator)
            return layer

        self.near = nn.ModuleList([linear(FEATURES, u), linear(2 * u, u), linear(2 * u, u)])
        self.near_attention = linear(u, sizes.heads + 1)
        self.coarse = nn.ModuleList([linear(FEATURES, u), linear(u, u)])
        self.coarse_attention = linear(u, sizes.heads)
        self.head = nn.ModuleList([linear(4 * u + 2, w), linear(w, w), linear(w, 3)])
        self.nearer = nn.Parameter(torch.full((sizes.heads + 1,), NEARER))
        with torch.no_grad():
            last = self.head[2]
            assert isinstance(last, nn.Linear)
            last.weight.mul_(FREE_SHARE)
            last.bias.zero_()

    def forward(self, at: Surroundings) -> tuple[Tensor, Tensor]:
        """Signed distance (b, q) in box units, negative inside, and the logarithm of its expected error in units of
        ``scale``."""
        act = nn.functional.silu
        seen, plane_distance = seen_from(at.places, at.near, at.near_normals, at.scale)
        x = act(self.near[0](seen))
        for layer in list(self.near)[1:]:
            most = x.amax(-2, keepdim=True)
            x = act(layer(torch.cat([x, most.expand_as(x)], -1)))
        near = seen[..., LENGTH, None].square() * self.nearer
        attention = torch.softmax(self.near_attention(x) - near, -2)
        plane = (attention[..., -1:] * plane_distance).sum(-2)
        y, _ = seen_from(at.places, at.coarse, at.coarse_normals, torch.full_like(at.scale, COARSE_REACH))
        for layer in self.coarse:
            y = act(layer(y))
        coarse_attention = torch.softmax(self.coarse_attention(y), -2)
        told = [
            *(self.pooled(attention[..., :-1], x), x.amax(-2)),
            *(self.pooled(coarse_attention, y), y.amax(-2)),
            *(torch.log(at.scale)[..., None], plane),
        ]
        z = torch.cat(told, -1)
        z = act(self.head[1](act(self.head[0](z))))
        free, deviation, doubt = self.head[2](z).unbind(-1)
        distance = (plane[..., 0] * torch.sigmoid(PLANES_FIRST - doubt) + free) * at.scale
        return distance, deviation

    def pooled(self, attention: Tensor, x: Tensor) -> Tensor:
        """(b, q, u): each head's mean of its own part of ``x`` (b, q, k, u), weighted by ``attention`` (b, q, k, heads)."""
        parts = x.unflatten(-1, (self.sizes.heads, -1))
        return (attention[..., None] * parts).sum(-3).flatten(-2)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device


def seen_from(places: Tensor, points: Tensor, normals: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """What a place (b, q, 3) sees of points (b, q or 1, k, 3) in units of ``scale`` (b, q): features (b, q, k, `FEATURES`),
    and its signed distance from their tangent planes (b, q, k, 1)."""
    offset = (places.unsqueeze(-2) - points) / scale[..., None, None]
    length = offset.norm(dim=-1, keepdim=True)
    height = (offset * normals).sum(-1, keepdim=True)
    angle, log = height / (length + 1e-3), torch.log(length + 1e-2)
    return torch.cat([offset, normals.expand_as(offset), length, height, angle, log], -1), height


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Indices (count,) of points (n, 3) that are spread over all of them: each the farthest from those before; repeated if
    there are fewer."""
    if len(points) <= count:
        return torch.arange(count, device=points.device) % len(points)
    chosen = torch.zeros(count, dtype=torch.long, device=points.device)
    distance = (points - points[0]).square().sum(1)
    for i in range(1, count):
        chosen[i] = distance.argmax()
        distance = torch.minimum(distance, (points - points[chosen[i]]).square().sum(1))
    return chosen

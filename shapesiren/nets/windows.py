"""Several networks side by side on a line: each has its own window, and neighbours blend where windows overlap.

One network holds only so much sound. A longer sound gets more networks and not a wider one, so that the cost of a sample stays
the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from .activations import Activation
from .network import Network


class PartAt(NamedTuple):
    """One of the networks, and the k of the points asked for that it has to do with.

    rows : (k,) which of the points
    local : (k, 1) their coordinates in its window
    weight, slope : (k, 1) its weight in the sum over networks, and the derivative of that along the line
    """

    network: Network
    rows: Tensor
    local: Tensor
    weight: Tensor
    slope: Tensor


class Windows(Network):
    """``count`` networks of one input. Window k is [2 reach k, 2 reach (k + 1)] - reach count, wider by ``overlap`` each way.

    A network sees its own window as [-reach, reach]. In an overlap the weights of the two go linearly from one to the other
    and add up to one, so a decoded sound has no step where windows meet.

    Parameters
    ----------
    parts : the networks, one output shape
    reach : half a window
    overlap : half of what two neighbours share, in the same unit
    """

    kind = "windows"

    def __init__(self, parts: list[Network], reach: float, overlap: float) -> None:
        first = parts[0]
        super().__init__(1, first.out_features, first.width, first.hidden_layers)
        self.parts = nn.ModuleList(parts)
        self.reach, self.overlap = float(reach), float(overlap)

    @property
    def networks(self) -> list[Network]:
        return cast(list[Network], list(self.parts))

    @property
    def linears(self) -> list[nn.Linear]:
        """Of all the networks, one after the other."""
        return [layer for part in self.networks for layer in part.linears]

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        raise NotImplementedError("windows are evaluated one by one: see `parts_at`")

    def centre(self, k: int) -> float:
        """Of window k, on the line."""
        return self.reach * (2 * k + 1 - len(self.parts))

    def parts_at(self, x: Tensor) -> Iterator[PartAt]:
        """Each network in whose window, overlaps included, any of ``x`` (n, 1) lies."""
        last = len(self.parts) - 1
        for k, part in enumerate(self.networks):
            local = x - self.centre(k)
            near = torch.ones(len(x), dtype=torch.bool, device=x.device)
            if k > 0:
                near &= local[:, 0] > -self.reach - self.overlap
            if k < last:
                near &= local[:, 0] < self.reach + self.overlap
            index = near.nonzero()[:, 0]
            if not len(index):
                continue
            at = local[index]
            weight, slope, steep = torch.ones_like(at), torch.zeros_like(at), 0.5 / self.overlap
            if k > 0:
                rising = at < self.overlap - self.reach
                weight = torch.where(rising, (at + self.reach) * steep + 0.5, weight)
                slope = torch.where(rising, steep, slope)
            if k < last:
                falling = at > self.reach - self.overlap
                weight = torch.where(falling, (self.reach - at) * steep + 0.5, weight)
                slope = torch.where(falling, -steep, slope)
            yield PartAt(part, index, at, weight, slope)

    def forward(self, x: Tensor) -> Tensor:
        out = x.new_zeros((len(x), self.out_features))
        for part, index, at, weight, _ in self.parts_at(x):
            out = out.index_add(0, index, weight * part(at))
        return out

    def spec(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "count": len(self.parts),
            "reach": self.reach,
            "overlap": self.overlap,
            "part": self.networks[0].spec(),
        }

"""Several SIRENs side by side on a line: each has its own window, and neighbours blend where windows overlap.

A network holds so much sound; a longer one needs more networks, not a wider one, because the cost of a sample stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from .activations import Activation
from .network import Network


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
        raise NotImplementedError("windows are evaluated one by one: see `share`")

    def centre(self, k: int) -> float:
        return self.reach * (2 * k + 1 - len(self.parts))

    def share(self, x: Tensor) -> Iterator[tuple[Network, Tensor, Tensor, Tensor, Tensor]]:
        """Each network that any of ``x`` (n, 1) concerns: it, their indices; (k, 1) local coordinates, weights and slopes."""
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
            yield part, index, at, weight, slope

    def forward(self, x: Tensor) -> Tensor:
        out = x.new_zeros((len(x), self.out_features))
        for part, index, at, weight, _ in self.share(x):
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

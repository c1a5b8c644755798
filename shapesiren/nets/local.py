"""Many small sine networks side by side in space, one for each leaf of an octree, blended by a smooth partition of unity."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .activations import Activation
from .network import Network
from .octree import Octree

LINEAR = 4  # entries of a head beside its units: a constant and a slope
FINER = 2.0  # of neighbours of different sizes the finer one counts more, by this power of the ratio of their sides
PAIRS = 1 << 14  # of a point and a leaf that reaches it, evaluated at a time: 16 MiB for each array at 256 units


class Local(Network):
    """``f(x) = sum_a w_a(x) h_a . (sin(z_a W t + b), 1, t) / sum_a w_a(x)``, with ``t = (x - centre_a) / reach_a``.

    All leaves share the sines (W, b); each has a head ``h_a`` of its own, in box units, and a zoom ``z_a``, by which its
    wavelengths are longer than the shared ones. Leaf a counts in its support, where |t| < 1 in every coordinate, with the
    weight ``prod_k (1 - t_k^2)^3 / side_a^FINER``, which is smooth to the second derivative (a partition of unity, Ohtake et
    al. 2003). Outside the octree's cube f is its value at the nearest point of the cube, plus the distance to there.

    Nothing of it is trained: `local.solve` finds the heads.

    Parameters
    ----------
    units : U, sines
    cells : L, leaves
    half : half the side of the cube that the octree divides, box units
    support : side of a leaf's support, in cells
    """

    kind = "local"
    cells: Tensor

    def __init__(self, units: int, cells: int, half: float, support: float) -> None:
        super().__init__(3, 1, units, 0)
        self.half_side, self.support = float(half), float(support)

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(shape), requires_grad=False)

        self.frequencies, self.phases = parameter(3, units), parameter(units)
        self.heads, self.zoom = parameter(cells, units + LINEAR), parameter(cells)
        self.register_buffer("cells", torch.zeros((cells, 4), dtype=torch.int32))  # as of `Octree`

    @property
    def count(self) -> int:
        """Of its cells."""
        return len(self.cells)

    @property
    def linears(self) -> list[nn.Linear]:
        raise NotImplementedError("a local network has a head for each leaf: see `heads`")

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        raise NotImplementedError("a local network is evaluated leaf by leaf: see `derivatives`")

    def spec(self) -> dict[str, Any]:
        shape = {"units": self.width, "cells": len(self.cells), "half": self.half_side, "support": self.support}
        return {"kind": self.kind, **shape}

    # ---- The leaves; they are cached, so that cells and zooms must be set before ----------------------
    @cached_property
    def octree(self) -> Octree:
        return Octree(self.cells.cpu().numpy().astype(np.int64), self.half_side)

    @cached_property
    def neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Which leaves reach into each, see `Octree.reaching_into`."""
        return self.octree.reaching_into(self.support)

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """(L, 6) centre of each leaf, its reach, which is half the side of its support, the factor on its weight, its zoom."""
        halves = self.octree.halves
        factor = (halves.min() / halves) ** FINER
        columns = [self.octree.centres, self.support * halves[:, None], factor[:, None], self.zoom.cpu().numpy()[:, None]]
        return np.concatenate(columns, 1).astype(np.float32)

    # ---- Values and derivatives, in torch -----------------------------------------------------------
    def forward(self, x: Tensor) -> Tensor:
        """``x`` : (n, 3) -> (n, 1)."""
        return self.derivatives(x, 0)[0]

    def derivatives(self, x: Tensor, order: int) -> tuple[Tensor, ...]:
        """Value (n, 1) and, up to ``order``, gradient (n, 1, 3) and Hessian (n, 1, 3, 3), in closed form."""
        inside = x.clamp(-self.half_side, self.half_side)
        starts, members = self.neighbours
        leaf = self.octree.leaf_of(x.detach().cpu().numpy())
        begin, count = starts[leaf].astype(np.int64), np.diff(starts)[leaf].astype(np.int64)
        ends = np.cumsum(count)
        sums = [x.new_zeros((len(x), *(3,) * k)) for k in range(order + 1) for _ in range(2)]
        first = 0
        while first < len(x):
            last = max(first + 1, int(np.searchsorted(ends, (ends[first - 1] if first else 0) + PAIRS, "right")))
            part = slice(first, last)
            row = np.repeat(np.arange(first, last), count[part])
            within = np.arange(len(row)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
            index = torch.from_numpy(row).to(x.device)
            leaves = torch.from_numpy(members[np.repeat(begin[part], count[part]) + within].astype(np.int64)).to(x.device)
            for total, term in zip(sums, self._terms(inside[index], leaves, order), strict=True):
                total.index_add_(0, index, term)
            first = last
        return self._beyond(x, inside, self._blended(sums, order))

    def _terms(self, x: Tensor, leaves: Tensor, order: int) -> list[Tensor]:
        """Of each pair of a point (p, 3) and a leaf (p,): weight times value, weight; their gradients; their Hessians."""
        place = torch.from_numpy(self.places).to(x)[leaves]
        reach, zoom = place[:, 3:4], place[:, 5:6]
        t = (x - place[:, :3]) / reach
        head, w = self.heads.to(x.dtype)[leaves], self.frequencies.to(x.dtype)
        waves, constant, slope = head[:, : self.width], head[:, self.width], head[:, self.width + 1 :]
        phase = (t @ w) * zoom + self.phases.to(x.dtype)
        value = (torch.sin(phase) * waves).sum(1) + constant + (t * slope).sum(1)
        u = (1 - t * t).clamp(min=0)
        weight = u.prod(1) ** 3 * place[:, 4]
        out = [weight * value, weight]
        if order >= 1:
            gradient = ((torch.cos(phase) * waves) @ w.T * zoom + slope) / reach
            cube, slope_of = u**3, -6 * t * u**2 / reach
            others = torch.stack([cube[:, (k + 1) % 3] * cube[:, (k + 2) % 3] for k in range(3)], 1) * place[:, 4:5]
            steep = slope_of * others
            out += [steep * value[:, None] + weight[:, None] * gradient, steep]
        if order >= 2:
            bend = -torch.einsum("pu,iu,ju->pij", torch.sin(phase) * waves, w, w) * (zoom / reach)[..., None] ** 2
            curve = x.new_zeros((len(x), 3, 3))
            for i in range(3):
                curve[:, i, i] = others[:, i] * (24 * t[:, i] ** 2 * u[:, i] - 6 * u[:, i] ** 2) / reach[:, 0] ** 2
                for j in range(i + 1, 3):
                    mixed = slope_of[:, i] * slope_of[:, j] * cube[:, 3 - i - j] * place[:, 4]
                    curve[:, i, j] = curve[:, j, i] = mixed
            cross = steep[:, :, None] * gradient[:, None]
            both = cross + cross.transpose(1, 2)
            out += [curve * value[:, None, None] + both + weight[:, None, None] * bend, curve]
        return out

    @staticmethod
    def _blended(sums: list[Tensor], order: int) -> list[Tensor]:
        """The quotient f = N / D of the two sums, and its derivatives by the quotient rule."""
        bottom = sums[1]
        value = sums[0] / bottom
        out = [value]
        if order >= 1:
            gradient = (sums[2] - value[:, None] * sums[3]) / bottom[:, None]
            out.append(gradient)
        if order >= 2:
            cross = gradient[:, :, None] * sums[3][:, None]
            top = sums[4] - value[:, None, None] * sums[5] - cross - cross.transpose(1, 2)
            out.append(top / bottom[:, None, None])
        return out

    @staticmethod
    def _beyond(x: Tensor, inside: Tensor, found: list[Tensor]) -> tuple[Tensor, ...]:
        """With the distance to the cube added, outside it."""
        away = x - inside
        distance = away.norm(dim=1)
        out = [(found[0] + distance).unsqueeze(1)]
        still = away == 0
        if len(found) > 1:
            gradient = torch.where(still, found[1], 0) + away / distance.clamp(min=1e-30)[:, None]
            out.append(gradient.unsqueeze(1))
        if len(found) > 2:
            out.append(torch.where(still[:, :, None] & still[:, None], found[2], 0).unsqueeze(1))
        return tuple(out)

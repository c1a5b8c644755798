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
PAIRS = 1 << 15  # of a point and a network that reaches it, evaluated at a time: 32 MiB at 256 units


class Local(Network):
    """``f(x) = sum_a w_a(x) h_a . (sin(W t + b), 1, t) / sum_a w_a(x)``, with ``t = (x - centre_a) / reach_a``.

    All leaves share the sines (W, b); each has a head ``h_a`` of its own, in box units. Leaf a counts where |t| < 1 in every
    coordinate, that is in its support, with the weight ``prod_k (1 - t_k^2)^3 / side_a^FINER``: smooth to the second
    derivative, and more the finer it is.

    Parameters
    ----------
    units : U, sines
    cells : L, leaves
    half : half the side of the cube that the octree divides, box units
    support : side of a leaf's support, in cells
    """

    kind = "local"

    def __init__(self, units: int, cells: int, half: float, support: float) -> None:
        super().__init__(3, 1, units, 0)
        self.half, self.support = float(half), float(support)
        self.frequencies = nn.Parameter(torch.zeros(3, units), requires_grad=False)
        self.phases = nn.Parameter(torch.zeros(units), requires_grad=False)
        self.heads = nn.Parameter(torch.zeros(cells, units + LINEAR), requires_grad=False)
        self.zoom = nn.Parameter(torch.ones(cells), requires_grad=False)
        self.register_buffer("cells", torch.zeros((cells, 4), dtype=torch.int32))

    cells: Tensor

    @property
    def linears(self) -> list[nn.Linear]:
        raise NotImplementedError("a local network has a head for each leaf: see `heads`")

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        raise NotImplementedError("a local network is evaluated leaf by leaf")

    def spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "units": self.width, "cells": len(self.cells), "half": self.half, "support": self.support}

    # ---- The cells --------------------------------------------------------------------------------
    @cached_property
    def octree(self) -> Octree:
        return Octree(self.cells.cpu().numpy().astype(np.int64), self.half)

    @cached_property
    def neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Which leaves reach into each, see `Octree.within`."""
        return self.octree.within(self.support)

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """(L, 5) centre and reach, half the side of its support, of each leaf, and the factor on its weight."""
        halves = self.octree.halves
        reach = self.support * halves
        factor = (halves.min() / halves) ** FINER
        return np.concatenate(
            [self.octree.centres, reach[:, None], factor[:, None], self.zoom.numpy()[:, None]], 1
        ).astype(np.float32)

FINER = 2.0  # of neighbours of different sizes, the finer one counts more by this power of their sides


def evaluate(net, x, gradients, pool=[]):
    from concurrent.futures import ThreadPoolExecutor
    from .cpu.local_kernels import local_values, local_gradients
    if not pool: pool.append(ThreadPoolExecutor(2))
    x = np.ascontiguousarray(x, np.float32)
    leaf = net.octree.leaf_of(x)
    st, mem = net.neighbours
    w, b, h = net.frequencies.numpy(), net.phases.numpy(), net.heads.numpy()
    v = np.empty(len(x), np.float32); g = np.empty((len(x) if gradients else 0, 3), np.float32)
    def work(s):
        sl = slice(s, s + 4096)
        if gradients: local_gradients(x[sl], leaf[sl], st, mem, net.places, w, b, h, v[sl], g[sl])
        else: local_values(x[sl], leaf[sl], st, mem, net.places, w, b, h, v[sl])
    list(pool[0].map(work, range(0, len(x), 4096)))
    return v, g

"""Values and gradients of a local network at many points on CPU cores: the compiled twin of ``nets/local.py``."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...runtime.compiled import numba_works
from ..local import Local
from .engine import thread_pool

BLOCK_POINTS = 2048  # what a thread takes at a time
MIN_POINTS = 256  # fewer are not worth loading numba for

Floats = NDArray[np.float32]


def evaluate(net: Local, points: NDArray[np.floating], gradients: bool) -> tuple[Floats, Floats]:
    """Values (n,) and gradients (n, 3), or (0, 3) if not asked for, at (n, 3) box coordinates."""
    if net.heads.device.type != "cpu" or len(points) < MIN_POINTS or not numba_works():
        return _by_torch(net, points, gradients)
    from .local_kernels import local_network

    x = np.ascontiguousarray(points, np.float32)
    inside = np.clip(x, -net.half_side, net.half_side)
    leaf = net.octree.leaf_of(inside)
    starts, members = net.neighbours
    w, b, heads = (p.detach().numpy() for p in (net.frequencies, net.phases, net.heads))
    value = np.empty(len(x), np.float32)
    gradient = np.empty((len(x) if gradients else 0, 3), np.float32)

    def work(start: int) -> None:
        part = slice(start, start + BLOCK_POINTS)
        local_network(inside[part], leaf[part], starts, members, net.places, w, b, heads, value[part], gradient[part])

    list(thread_pool(torch.get_num_threads()).map(work, range(0, len(x), BLOCK_POINTS)))
    outside = np.flatnonzero((x != inside).any(1))
    if len(outside):
        value[outside], rest = _by_torch(net, x[outside], gradients)
        if gradients:
            gradient[outside] = rest
    return value, gradient


@torch.no_grad()
def _by_torch(net: Local, points: NDArray[np.floating], gradients: bool) -> tuple[Floats, Floats]:
    x = torch.as_tensor(np.ascontiguousarray(points, np.float32), device=net.heads.device)
    found = [a.cpu().numpy() for a in net.derivatives(x, int(gradients))]
    return found[0][:, 0], found[1][:, 0] if gradients else np.empty((0, 3), np.float32)

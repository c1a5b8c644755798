"""Values and gradients of a SIREN at many points on CPU cores: the passes of `kernels.py`, block by block, one thread a block.

Torch alone passes over memory for the sine and again for the cosine, and its threads meet at every operation. On two cores
without matrix units a value takes .73 of its time this way, a value with its gradient .71.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import torch
from numpy.typing import NDArray

from ..network import Network
from ..siren import Siren
from .engine import array, available, kernels, pool_of

LEAST = 1 << 15  # points that are worth loading numba for
ROWS = 256  # of one pass: with those of the cosines, what a core's cache holds at width 256
BLOCK = 16 * ROWS  # what a thread takes at a time
PHASE = 5e3  # above, the kernels' range reduction loses digits

Floats = NDArray[np.float32]


class PackedWeights:
    """A SIREN's weights as the passes want them, omega folded in; ``low`` in ``dtype``."""

    def __init__(self, net: Siren, dtype: torch.dtype = torch.float32) -> None:
        layers = [(weight.detach(), bias.detach()) for weight, bias, _ in net.activated_layers()]
        self.dtype, self.weights = dtype, [weight for weight, _ in layers]
        self.low = [weight.to(dtype) for weight in self.weights]
        self.biases = [bias.numpy() for _, bias in layers]
        self.first = self.weights[0].T.contiguous().numpy()
        self.head, self.head_bias = (p.detach().numpy() for p in (net.linears[-1].weight, net.linears[-1].bias))

    def largest_phase(self, reach: float) -> float:
        """A bound on the argument of any sine, for coordinates of at most ``reach``."""
        sides = (reach, *[1.0] * (len(self.weights) - 1))
        sums = [w.abs().sum(1).numpy() * r + np.abs(b) for w, b, r in zip(self.weights, self.biases, sides, strict=True)]
        return float(max(s.max() for s in sums))


def evaluate(
    net: Network, points: NDArray[np.floating], gradients: bool, dtype: torch.dtype = torch.float32, least: int | None = None
) -> tuple[Floats, Floats] | None:
    """Values and gradients, or None where torch alone has to do.

    These passes are for many points of a plain SIREN on the CPU, with one output if gradients are wanted, whose phases
    keep their digits, and for machines with numba.

    Parameters
    ----------
    points : (n, d) box coordinates
    dtype : of the products and of what is kept between layers, float32 or bfloat16: of the values, or, if gradients are
        asked for, of these alone
    least : points; `LEAST` if not given

    Returns
    -------
    values (n, m) and gradients (n, d); (0, d) if not asked for
    """
    n, on_cpu = len(points), net.linears[-1].weight.device.type == "cpu"
    enough = n >= (LEAST if least is None else least)
    if type(net) is not Siren or not on_cpu or not enough or (gradients and net.out_features > 1) or not available():
        return None
    layers = PackedWeights(net, dtype)
    if not layers.largest_phase(float(np.abs(points).max())) < PHASE:
        return None
    value = np.empty((n, net.out_features), np.float32)
    gradient = np.empty((n if gradients else 0, net.in_features), np.float32)
    threads = torch.get_num_threads()
    pool = pool_of(threads)
    work: list[Future[None]] = []
    for start in range(0, n, BLOCK):
        block = slice(start, min(n, start + BLOCK))
        work.append(pool.submit(_block, layers, points[block], value[block], gradient[block]))
    for future in work:
        future.result()
    value += layers.head_bias
    return value, gradient


def _block(layers: PackedWeights, points: NDArray[np.floating], value: Floats, gradient: Floats) -> None:
    """Fill ``value`` (n, m), without the head's bias, and ``gradient`` (n, d), unless it has no rows."""
    k, top = kernels(), len(layers.low) - 1
    x = np.ascontiguousarray(points, np.float32)
    widths = [len(bias) for bias in layers.biases]
    weights, dtype = (layers.weights, torch.float32) if len(gradient) else (layers.low, layers.dtype)
    rows = min(ROWS * 4 // dtype.itemsize, len(x))

    def buffers(dtype: torch.dtype) -> dict[int, torch.Tensor]:
        return {w: torch.empty((rows, w), dtype=dtype) for w in widths}

    # Two buffers of each width: one is read while the other is written. Cosines of all layers wait for the way back.
    upper, lower = buffers(dtype), buffers(dtype)
    adjoint, scaled = (upper, lower) if dtype == layers.dtype else (buffers(layers.dtype), buffers(layers.dtype))
    spare = buffers(dtype)
    cosines = [torch.empty((rows, w), dtype=layers.dtype) if len(gradient) else spare[w] for w in widths]
    for start in range(0, len(x), rows):
        part = slice(start, min(len(x), start + rows))
        n = part.stop - start
        a, b, v, q = ([buffers[w][:n] for w in widths] for buffers in (upper, lower, adjoint, scaled))
        c = [array(cosine[:n]) for cosine in cosines]
        k.first(x[part], layers.first, layers.biases[0], array(a[0]), c[0])
        for i in range(1, top + 1):
            torch.mm(a[i - 1], weights[i].T, out=b[i])
            k.hidden(array(b[i]), layers.biases[i], array(a[i]), c[i])
        k.head_value(array(a[top]), layers.head, value[part])
        if len(gradient):
            k.head_adjoint(layers.head[0], c[top], array(v[top]), array(q[top]))
            for i in range(top, 0, -1):
                torch.mm(q[i], layers.low[i], out=v[i - 1])
                k.scale(array(v[i - 1]), c[i - 1], array(q[i - 1]))
            k.first_gradient(array(q[0]), layers.first, gradient[part])

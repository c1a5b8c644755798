"""Values and gradients of a SIREN at many points on CPU cores, in machine code: the compiled twin of the loops in
``nets/evaluate.py``.

Points are cut into blocks; each block goes through all the layers on one thread, `PASS_ROWS` points at a time, by the passes
of `kernels.py`. Torch alone passes over memory for the sine and again for the cosine, and its threads meet at every operation.
On two cores without matrix units a value takes .73 of its time this way, a value with its gradient .71.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import torch
from numpy.typing import NDArray

from ...runtime.compiled import numba_works
from ..network import Network
from ..siren import Siren
from .buffers import Buffer
from .engine import thread_pool
from .parameters import FoldedWeights

MIN_POINTS = 1 << 15  # fewer are not worth loading numba for
PASS_ROWS = 256  # float32 rows of one pass: with those of the cosines, what a core's cache holds at width 256
BLOCK_POINTS = 16 * PASS_ROWS  # what a thread takes at a time
MAX_PHASE = 5e3  # above, the range reduction of the kernels' sine loses digits

Floats = NDArray[np.float32]


def evaluate(
    net: Network,
    points: NDArray[np.floating],
    gradients: bool,
    dtype: torch.dtype = torch.float32,
    min_points: int = MIN_POINTS,
) -> tuple[Floats, Floats] | None:
    """Values and gradients, or None where torch alone has to do.

    The passes are for many points of a plain SIREN on the CPU, with one output if gradients are wanted, whose phases
    keep their digits, and for machines with numba.

    Parameters
    ----------
    points : (n, d) box coordinates
    dtype : of the products and of what is kept between layers, float32 or bfloat16: of the values, or, if gradients are
        asked for, of these alone
    min_points : with fewer points, None

    Returns
    -------
    values (n, m) and gradients (n, d); (0, d) if not asked for
    """
    n, on_cpu = len(points), net.linears[-1].weight.device.type == "cpu"
    if type(net) is not Siren or not on_cpu or n < min_points or (gradients and net.out_features > 1) or not numba_works():
        return None
    weights = FoldedWeights.of(net, dtype)
    if not weights.largest_phase(float(np.abs(points).max())) < MAX_PHASE:
        return None
    value = np.empty((n, net.out_features), np.float32)
    gradient = np.empty((n if gradients else 0, net.in_features), np.float32)
    pool = thread_pool(torch.get_num_threads())
    work: list[Future[None]] = []
    for start in range(0, n, BLOCK_POINTS):
        block = slice(start, min(n, start + BLOCK_POINTS))
        work.append(pool.submit(_evaluate_block, weights, points[block], value[block], gradient[block]))
    for future in work:
        future.result()
    value += weights.head_bias
    return value, gradient


def _evaluate_block(weights: FoldedWeights, points: NDArray[np.floating], value: Floats, gradient: Floats) -> None:
    """Fill ``value`` (n, m), without the head's bias, and ``gradient`` (n, d), unless it has no rows."""
    from . import kernels  # numba, whose presence `evaluate` has asked for

    top = len(weights.low) - 1
    x = np.ascontiguousarray(points, np.float32)
    widths = [len(bias) for bias in weights.biases]
    matrices, dtype = (weights.full, torch.float32) if len(gradient) else (weights.low, weights.dtype)
    rows = min(PASS_ROWS * 4 // dtype.itemsize, len(x))

    def buffers(dtype: torch.dtype) -> dict[int, torch.Tensor]:
        return {width: torch.empty((rows, width), dtype=dtype) for width in widths}

    # Two buffers of each width: one is read while the other is written. Cosines of all layers wait for the way back.
    sines, phases = buffers(dtype), buffers(dtype)
    same = dtype == weights.dtype
    adjoints, products = (sines, phases) if same else (buffers(weights.dtype), buffers(weights.dtype))
    spare = buffers(dtype)
    cosines = [torch.empty((rows, w), dtype=weights.dtype) if len(gradient) else spare[w] for w in widths]

    def leading(n: int) -> list[list[Buffer]]:
        """The buffers of each layer, cut to n rows."""
        owners = [[own[w] for w in widths] for own in (sines, phases, adjoints, products)]
        return [[Buffer.of(buffer[:n]) for buffer in layers] for layers in (*owners, cosines)]

    s, z, v, q, c = leading(rows)  # names as in `fused_step.py`
    for start in range(0, len(x), rows):
        part = slice(start, min(len(x), start + rows))
        if part.stop - start < rows:
            s, z, v, q, c = leading(part.stop - start)
        kernels.first_layer(x[part], weights.first, weights.biases[0], s[0].array, c[0].array)
        for i in range(1, top + 1):
            torch.mm(s[i - 1].tensor, matrices[i].T, out=z[i].tensor)
            kernels.hidden_layer(z[i].array, weights.biases[i], s[i].array, c[i].array)
        kernels.head(s[top].array, weights.head, value[part])
        if len(gradient):
            kernels.head_adjoint(weights.head[0], c[top].array, v[top].array, q[top].array)
            for i in range(top, 0, -1):
                torch.mm(q[i].tensor, weights.low[i], out=v[i - 1].tensor)
                kernels.times(v[i - 1].array, c[i - 1].array, q[i - 1].array)
            kernels.input_gradient(q[0].array, weights.first, gradient[part])

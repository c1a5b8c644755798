"""Value, gradient and Laplacian of a SIREN with a hand-written backward, on CPU cores: the compiled twin of the closed forms
`value_and_gradient` and `value_gradient_laplacian` of ``nets/derivatives.py``.

For losses on second derivatives, and on gradients of several outputs. A chunk's value, tangents and Laplacian are stacked, one
below the other, so that a layer is one product forward and two backward over 1 + d or 2 + d rows a sample; the pointwise
passes are `jet_kernels.py`'s.

Needs numba; see `engine.py` for how chunks are run.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..siren import Siren
from . import jet_kernels, kernels
from .buffers import Buffer
from .engine import MAX_CHUNK_ROWS, Engine, share_size
from .parameters import FoldedWeights, ParameterGradients

MAX_STACK_ROWS = 2 * MAX_CHUNK_ROWS


def jet(net: Siren, x: Tensor, order: int, dtype: torch.dtype, engine: Engine, weights: Tensor | None) -> Tensor:
    """(1 + d, n, m) of order 1, (2 + d, n, m) of order 2: value, derivative along each coordinate, Laplacian.

    Parameters and precision as of ``nets.jets.jet``; differentiable once in the parameters.
    """
    return _Jet.apply(x, weights, order, dtype, tuple(net.omegas()), engine, *net.affine_parameters())


class StackedChunk:
    """``n`` samples and the buffers in which they go through the layers, stacked: n rows each of the value, of the d tangents
    and, of order 2, of the Laplacian.

    before, behind : a buffer (rows, width) of each layer: its stack before and behind the sine
    cosine : a buffer (n, width) of each layer
    coefficients : (n, d), of the second derivative along each coordinate in what is called Laplacian
    """

    def __init__(self, n: int, d: int, m: int, order: int, width: int, depth: int, dtype: torch.dtype) -> None:
        rows = n * (d + order)

        def layers(rows: int) -> list[Buffer]:
            return [Buffer.zeros(rows, width, dtype) for _ in range(depth)]

        self.n, self.d, self.order, self.depth = n, d, order, depth
        self.x, self.coefficients = np.zeros((n, d), np.float32), np.ones((n, d), np.float32)
        self.out = np.zeros((rows, m), np.float32)
        self.gradients = ParameterGradients(d, m, width, depth, dtype)
        self.before, self.behind, self.cosine = layers(rows), layers(rows), layers(n)
        self.adjoints = [Buffer.zeros(rows, width, dtype) for _ in range(2)]  # of two layers in turn, on the way back

    def forward(self, weights: FoldedWeights) -> None:
        """Fill ``out``, without the head's bias, at the samples in ``x``."""
        first, cosine = self.behind[0].array, self.cosine[0].array
        jet_kernels.first_layer(self.x, self.coefficients, weights.first, weights.biases[0], self.order, first, cosine)
        for i in range(1, self.depth):
            before, behind, cosine = self.before[i], self.behind[i].array, self.cosine[i].array
            torch.mm(self.behind[i - 1].tensor, weights.low_transposed[i], out=before.tensor)
            bias = weights.biases[i]
            jet_kernels.hidden_layer(before.array, self.coefficients, bias, self.d, self.order, behind, cosine)
        kernels.head(self.behind[-1].array, weights.head, self.out)

    def backward(self, weights: FoldedWeights, above: np.ndarray[Any, Any]) -> None:
        """Fill ``gradients``; ``above`` (rows, m): the loss gradient of ``out``."""
        sums = self.gradients
        sums.clear()
        kernels.add_weighted_rows(self.behind[-1].array, above, sums.head)
        adjoint, below = self.adjoints
        kernels.thin_product(above, weights.head, adjoint.array)
        for i in range(self.depth - 1, 0, -1):
            jet_kernels.layer_backward(
                adjoint.array,
                self.before[i].array,
                self.coefficients,
                self.behind[i].array,
                self.cosine[i].array,
                self.d,
                self.order,
                sums.biases[i],
            )
            sums.set_hidden(i, adjoint.tensor.T, self.behind[i - 1].tensor)
            torch.mm(adjoint.tensor, weights.low[i], out=below.tensor)
            adjoint, below = below, adjoint
        jet_kernels.first_layer_backward(
            adjoint.array,
            self.x,
            self.coefficients,
            weights.first,
            self.behind[0].array,
            self.cosine[0].array,
            self.order,
            sums.biases[0],
            sums.first,
        )


def _chunks(
    engine: Engine, n: int, d: int, m: int, order: int, width: int, depth: int, dtype: torch.dtype
) -> list[StackedChunk]:
    count = engine.chunk_count(n * (d + order), MAX_STACK_ROWS)
    shares = [share_size(n, i, count) for i in range(count)]
    return [StackedChunk(share, d, m, order, width, depth, dtype) for share in shares if share]


class _Jet(torch.autograd.Function):
    """See `jet`; backward gives the gradients of the parameters, and none of x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        coefficients: Tensor | None,
        order: int,
        dtype: torch.dtype,
        omegas: tuple[float, ...],
        engine: Engine,
        *parameters: Tensor,
    ) -> Tensor:
        n, d, m, width, depth = len(x), x.shape[1], len(parameters[-1]), parameters[0].shape[0], len(omegas)
        key = ("jet", n, d, m, order, width, depth, dtype)
        chunks = engine.take(key, lambda: _chunks(engine, n, d, m, order, width, depth, dtype))
        weights = FoldedWeights(parameters, omegas, dtype)
        source = x.detach().numpy()
        ends = np.cumsum([0] + [chunk.n for chunk in chunks])
        for chunk, (a, b) in zip(chunks, pairwise(ends), strict=True):
            chunk.x[:] = source[a:b]
            chunk.coefficients[:] = 1 if coefficients is None else coefficients[a:b].numpy()
        engine.run([lambda chunk=chunk: chunk.forward(weights) for chunk in chunks])  # type: ignore[misc]
        out = np.empty((d + order, n, m), np.float32)
        for chunk, (a, b) in zip(chunks, pairwise(ends), strict=True):
            out[:, a:b] = chunk.out.reshape(d + order, chunk.n, m)
        out[0] += parameters[-1].detach().numpy()
        ctx.saved = (engine, key, chunks, weights, omegas, ends)
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        engine, key, chunks, weights, omegas, ends = ctx.saved
        ctx.saved = None
        above = grad.numpy()
        parts = [np.ascontiguousarray(above[:, a:b].reshape(-1, above.shape[2])) for a, b in pairwise(ends)]
        engine.run(
            [lambda chunk=chunk, part=part: chunk.backward(weights, part) for chunk, part in zip(chunks, parts, strict=True)]
        )

        gradients = ParameterGradients.sum([chunk.gradients for chunk in chunks], omegas)
        engine.give_back(key, chunks)
        return None, None, None, None, None, None, *gradients, grad[0].sum(0)

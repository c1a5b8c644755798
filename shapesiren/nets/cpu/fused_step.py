"""The fused step on CPU cores, chunk by chunk: the compiled twin of ``nets/fused_step.py``, where the formulas are derived.

Names as there, for sine layer l with z = W h + b (omega folded in): s = sin z, c = cos z, v = df/ds, q = df/dz = v c, and for
the tangent u = W t', t = c u. S is the sum whose parameter gradient the backward pass asks for.

Needs numba; see `engine.py` for how chunks are run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..siren import Siren
from . import kernels
from .buffers import Buffer
from .engine import Engine, share_size
from .parameters import FoldedWeights, ParameterGradients


def value_and_gradient(net: Siren, x: Tensor, gradient_rows: int, dtype: torch.dtype, engine: Engine) -> tuple[Tensor, Tensor]:
    """Value (n, m) of all samples and gradient (gradient_rows, m, d) of the leading ones, to be differentiated once.

    As ``nets.fused_step.fused_value_and_gradient``, of one output, or of several without gradients.

    Parameters
    ----------
    x : (n, d) float32 samples
    dtype : precision of the products, float32 or bfloat16
    """
    parameters = net.affine_parameters()
    value, gradient = _FusedSiren.apply(x, gradient_rows, dtype, tuple(net.omegas()), engine, *parameters)
    return value, gradient.unsqueeze(1).expand(-1, net.out_features, -1)


class Chunk:
    """``n`` samples, the first ``g`` of them with a gradient, and the buffers in which they go through the layers.

    Of each sine layer a buffer of (rows, width):

    right : [s; t], n + g rows
    left : [z, later dS/dz; q], n + g rows, so that ``left^T right`` of the layer below is the gradient of the weight
    c : n rows
    v, u : g rows; u becomes u v s, by which the tangent bends dS/dz
    """

    def __init__(self, n: int, g: int, d: int, m: int, width: int, depth: int, dtype: torch.dtype) -> None:
        def layers(rows: int) -> list[Buffer]:
            return [Buffer.zeros(rows, width, dtype) for _ in range(depth)]

        self.n, self.g, self.depth = n, g, depth
        self.x = np.zeros((n + g, d), np.float32)  # samples, then the loss gradients of their gradients
        self.value, self.gradient = np.zeros((n, m), np.float32), np.zeros((g, d), np.float32)
        self.gradients = ParameterGradients(d, m, width, depth, dtype)
        self.right, self.left = layers(n + g), layers(n + g)
        self.c, self.v, self.u = layers(n), layers(g), layers(g)
        self.ds = Buffer.zeros(n, width, dtype)  # dS/ds of the layer that the backward pass is at
        # parts of them
        self.s, self.t = [right.rows(0, n) for right in self.right], [right.rows(n, n + g) for right in self.right]
        self.z, self.q = [left.rows(0, n) for left in self.left], [left.rows(n, n + g) for left in self.left]
        self.s_leading, self.c_leading = [s.rows(0, g).array for s in self.s], [c.rows(0, g).array for c in self.c]
        self.left_transposed = [left.tensor.T for left in self.left]

    def forward(self, weights: FoldedWeights) -> None:
        """Fill ``value``, without the head's bias, and ``gradient``, of the samples in ``x[:n]``."""
        top = self.depth - 1
        kernels.first_layer(self.x[: self.n], weights.first, weights.biases[0], self.s[0].array, self.c[0].array)
        for i in range(1, self.depth):
            torch.mm(self.s[i - 1].tensor, weights.low_transposed[i], out=self.z[i].tensor)
            kernels.hidden_layer(self.z[i].array, weights.biases[i], self.s[i].array, self.c[i].array)
        kernels.head(self.s[top].array, weights.head, self.value)
        if self.g:
            kernels.head_adjoint(weights.head[0], self.c_leading[top], self.v[top].array, self.q[top].array)
            for i in range(top, 0, -1):
                torch.mm(self.q[i].tensor, weights.low[i], out=self.v[i - 1].tensor)
                kernels.times(self.v[i - 1].array, self.c_leading[i - 1], self.q[i - 1].array)
            kernels.input_gradient(self.q[0].array, weights.first, self.gradient)

    def backward(self, weights: FoldedWeights, above: np.ndarray[Any, Any]) -> None:
        """Fill ``gradients``.

        ``above`` (n + g, m): the loss gradient of the values, then ones. That of the gradients lies in ``x[n:]``.
        """
        top = self.depth - 1
        self.gradients.clear()
        if self.g:
            kernels.thin_product(self.x[self.n :], weights.first, self.u[0].array)
            for i in range(self.depth):
                if i:
                    torch.mm(self.t[i - 1].tensor, weights.low_transposed[i], out=self.u[i].tensor)
                kernels.tangent(self.u[i].array, self.v[i].array, self.c_leading[i], self.s_leading[i], self.t[i].array)
        kernels.add_weighted_rows(self.right[top].array, above, self.gradients.head)
        kernels.thin_product(above[: self.n], weights.head, self.ds.array)
        for i in range(top, -1, -1):
            kernels.layer_backward(self.ds.array, self.c[i].array, self.u[i].array, self.z[i].array, self.gradients.biases[i])
            if i:
                self.gradients.set_hidden(i, self.left_transposed[i], self.right[i - 1].tensor)
                torch.mm(self.z[i].tensor, weights.low[i], out=self.ds.tensor)
        kernels.add_weighted_rows(self.left[0].array, self.x, self.gradients.first)


def _chunks(engine: Engine, n: int, g: int, d: int, m: int, width: int, depth: int, dtype: torch.dtype) -> list[Chunk]:
    """Chunks of a batch, each with its share of the samples that have a gradient."""
    count = engine.chunk_count(n)
    shares = [(share_size(g, i, count), share_size(n - g, i, count)) for i in range(count)]
    return [Chunk(leading + others, leading, d, m, width, depth, dtype) for leading, others in shares if leading + others]


def _rows_of(chunks: list[Chunk], g: int) -> Iterator[tuple[Chunk, slice, slice]]:
    """Each chunk with its rows of the batch: those with a gradient, of the leading ``g``, then the others."""
    leading, others = 0, g
    for chunk in chunks:
        rest = chunk.n - chunk.g
        yield chunk, slice(leading, leading + chunk.g), slice(others, others + rest)
        leading, others = leading + chunk.g, others + rest


class _FusedSiren(torch.autograd.Function):
    """(n, m) values and (g, d) gradients; backward gives the gradients of the parameters, and none of x."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, g: int, dtype: torch.dtype, omegas: tuple[float, ...], engine: Engine, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, d, m, width, depth = len(x), x.shape[1], len(parameters[-1]), parameters[0].shape[0], len(omegas)
        key = ("fused step", n, g, d, m, width, depth, dtype)
        chunks = engine.take(key, lambda: _chunks(engine, n, g, d, m, width, depth, dtype))
        weights = FoldedWeights(parameters, omegas, dtype)
        source = x.detach().numpy()
        for chunk, leading, others in _rows_of(chunks, g):
            chunk.x[: chunk.g], chunk.x[chunk.g : chunk.n] = source[leading], source[others]
        engine.run([lambda chunk=chunk: chunk.forward(weights) for chunk in chunks])  # type: ignore[misc]
        value, gradient = np.empty((n, m), np.float32), np.empty((g, d), np.float32)
        for chunk, leading, others in _rows_of(chunks, g):
            value[leading], value[others] = chunk.value[: chunk.g], chunk.value[chunk.g :]
            gradient[leading] = chunk.gradient
        ctx.saved = (engine, key, chunks, weights, omegas, g)
        return torch.from_numpy(value) + parameters[-1], torch.from_numpy(gradient)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_value: Tensor, grad_gradient: Tensor) -> tuple[Tensor | None, ...]:
        engine, key, chunks, weights, omegas, g = ctx.saved
        ctx.saved = None
        of_values, of_gradients = grad_value.numpy(), grad_gradient.numpy()
        work = []
        for chunk, leading, others in _rows_of(chunks, g):
            chunk.x[chunk.n :] = of_gradients[leading]
            ones = np.ones((chunk.g, of_values.shape[1]), np.float32)
            above = np.concatenate([of_values[leading], of_values[others], ones])
            work.append(lambda chunk=chunk, above=above: chunk.backward(weights, above))
        engine.run(work)

        gradients = ParameterGradients.sum([chunk.gradients for chunk in chunks], omegas)
        engine.give_back(key, chunks)
        return None, None, None, None, None, *gradients, grad_value.sum(0)

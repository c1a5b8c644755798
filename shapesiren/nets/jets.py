"""Value, gradient and Laplacian of a SIREN on CPU cores: `derivatives.py`'s forward pass with a hand-written backward.

For losses on second derivatives, and on gradients of several outputs. A chunk's value, tangents and Laplacian are stacked, so
that a layer is one product forward and two backward over 1 + d or 2 + d rows a sample; the pointwise passes are
`jet_kernels.py`'s, chunks and threads as in `engine.py`.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .cpu.engine import CHUNK, MIN_CHUNK, Engine, Parameters, array, kernels, parameter_gradients, size
from .derivatives import value_and_gradient, value_gradient_laplacian
from .network import Network
from .siren import Siren


@cache
def _passes() -> Any:
    from .cpu import jet_kernels

    return jet_kernels


class _Stack:
    """Buffers of ``n`` samples; a stack has ``rows`` of each."""

    def __init__(self, n: int, d: int, m: int, order: int, width: int, depth: int, dtype: torch.dtype) -> None:
        self.n, self.d, self.order, self.depth = n, d, order, depth
        rows = n * (d + order)  # the value, d tangents and, of order 2, the Laplacian
        self.before, self.behind = ([torch.zeros((rows, width), dtype=dtype) for _ in range(depth)] for _ in range(2))
        self.cosine = [torch.zeros((n, width), dtype=dtype) for _ in range(depth)]
        self.adjoint, self.below = (torch.zeros((rows, width), dtype=dtype) for _ in range(2))
        self.product = torch.zeros((width, width), dtype=dtype)
        self.x, self.out = np.zeros((n, d), np.float32), np.zeros((rows, m), np.float32)
        self.g = np.ones((n, d), np.float32)
        self.weights = [torch.zeros((width, width)) for _ in range(depth - 1)]
        self.biases = np.zeros((depth, width), np.float32)
        self.first, self.head = np.zeros((d, width), np.float32), np.zeros((m, width), np.float32)

    def forward(self, p: Parameters) -> None:
        k, j = kernels(), _passes()
        j.jet_first(self.x, self.g, p.first, p.biases[0], self.order, array(self.behind[0]), array(self.cosine[0]))
        for i in range(1, self.depth):
            torch.mm(self.behind[i - 1], p.turned[i], out=self.before[i])
            j.jet_hidden(
                array(self.before[i]), self.g, p.biases[i], self.d, self.order, array(self.behind[i]), array(self.cosine[i])
            )
        k.head_value(array(self.behind[-1]), p.head, self.out)

    def backward(self, p: Parameters, above: np.ndarray[Any, Any]) -> None:
        """``above`` (rows, m): the loss gradient of the stack of outputs."""
        k, j = kernels(), _passes()
        for grad in (self.biases, self.first, self.head):
            grad.fill(0)
        k.weighted_sum(array(self.behind[-1]), above, self.head)
        a, below = self.adjoint, self.below
        k.head_down(above, p.head, array(a))
        for i in range(self.depth - 1, 0, -1):
            s, c = array(self.behind[i]), array(self.cosine[i])
            j.jet_down(array(a), array(self.before[i]), self.g, s, c, self.d, self.order, self.biases[i])
            torch.mm(a.T, self.behind[i - 1], out=self.product)
            self.weights[i - 1].copy_(self.product)
            torch.mm(a, p.low[i], out=below)
            a, below = below, a
        s, c = array(self.behind[0]), array(self.cosine[0])
        j.jet_first_down(array(a), self.x, self.g, p.first, s, c, self.order, self.biases[0], self.first)


def jet(
    net: Network,
    x: Tensor,
    order: int,
    dtype: torch.dtype | None = None,
    engine: Engine | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Value and derivatives of every sample, differentiable once in the parameters.

    Parameters
    ----------
    x : (n, d) samples; no derivative flows back to them
    weights : (n, d), of the second derivatives along each coordinate, whose weighted sum takes the place of the Laplacian
    order : 1 for gradients, 2 for Laplacians too
    dtype, engine : as in `fused.fused_value_and_gradient`; without an engine the closed forms are taken, in x's precision

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    laplacian : (n, m), or None of order 1
    """
    if engine is None or not isinstance(net, Siren):
        if order == 1:
            return *value_and_gradient(net, x), None
        return value_gradient_laplacian(net, x, weights)
    params = [p for layer in net.linears for p in (layer.weight, layer.bias)]
    stack = _NativeJet.apply(x, weights, order, dtype or x.dtype, tuple(net.omegas()), engine, *params)
    d = x.shape[1]
    return stack[0], stack[1 : 1 + d].permute(1, 2, 0), stack[1 + d] if order == 2 else None


class _NativeJet(torch.autograd.Function):
    """(1 + d or 2 + d, n, m): value, tangents, Laplacian."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        g: Tensor | None,
        order: int,
        dtype: torch.dtype,
        omegas: tuple[float, ...],
        engine: Engine,
        *params: Tensor,
    ) -> Tensor:
        n, d, m, width, depth = len(x), x.shape[1], len(params[-1]), params[0].shape[0], len(omegas)
        rows = d + order
        key = ("jet", n, d, m, order, width, depth, dtype)

        def make() -> list[_Stack]:
            threads = max(1, min(engine.threads, n * rows // MIN_CHUNK))
            count = threads * max(1, -(-n * rows // (threads * 2 * CHUNK)))
            shares = [size(n, i, count) for i in range(count)]
            return [_Stack(share, d, m, order, width, depth, dtype) for share in shares if share]

        stacks: list[_Stack] = engine.buffers(key, make)
        weights = Parameters(params, omegas, dtype)
        source = x.detach().numpy()
        ends = np.cumsum([0] + [s.n for s in stacks])
        for s, a, b in zip(stacks, ends, ends[1:], strict=False):
            s.x[:] = source[a:b]
            s.g[:] = 1 if g is None else g[a:b].numpy()
        engine.each([lambda s=s: s.forward(weights) for s in stacks])  # type: ignore[misc]
        out = np.empty((rows, n, m), np.float32)
        for s, a, b in zip(stacks, ends, ends[1:], strict=False):
            out[:, a:b] = s.out.reshape(rows, s.n, m)
        out[0] += params[-1].detach().numpy()
        ctx.saved = (engine, key, stacks, weights, omegas, ends)
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        engine, key, stacks, weights, omegas, ends = ctx.saved
        ctx.saved = None
        above = grad.numpy()
        parts = [np.ascontiguousarray(above[:, a:b].reshape(-1, above.shape[2])) for a, b in pairwise(ends)]
        engine.each([lambda s=s, part=part: s.backward(weights, part) for s, part in zip(stacks, parts, strict=True)])

        grads = parameter_gradients(stacks, omegas)
        engine.give(key, stacks)
        return None, None, None, None, None, None, *grads, grad[0].sum(0)

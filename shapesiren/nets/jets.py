"""Value, gradient and Laplacian of a network at once, for losses on second derivatives, and on gradients of several outputs.

(A function's jet is its value with its derivatives up to some order.) The closed forms of `derivatives.py` in torch, or, of a
SIREN on CPU cores, their compiled twin ``cpu/jets.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .cpu.engine import Engine
from .derivatives import value_and_gradient, value_gradient_laplacian
from .network import Network
from .siren import Siren


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
    dtype, engine : as of `fused_step.fused_value_and_gradient`; without an engine the closed forms are taken, in x's precision

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
    from .cpu import jets as on_cpu  # numba, which an engine stands for

    stack, d = on_cpu.jet(net, x, order, dtype or x.dtype, engine, weights), x.shape[1]
    return stack[0], stack[1 : 1 + d].permute(1, 2, 0), stack[1 + d] if order == 2 else None

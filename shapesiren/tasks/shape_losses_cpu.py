"""The loss terms of a shape on CPU cores, with a hand-written gradient: the compiled twin of `shape_losses.py`.

Two passes over a batch, `shape_loss_kernels.py`'s, take the place of some sixty small operations of torch. This file is their
place in autograd; it imports the passes, and with them numba, when it is first used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from .shape_settings import LossSettings

Floats = NDArray[np.float32]
TERMS = ("on_surface", "normal", "eikonal", "off_surface", "distance", "direction")  # in the order of the passes


class Targets(NamedTuple):
    """What the samples of one step aim at; `shape_loss_kernels.term_sums` says the shapes."""

    surface: Floats
    tolerance: Floats
    guide: Floats
    constants: Floats

    @classmethod
    def of(cls, surface: Tensor, tolerance: Tensor | float, guide: Tensor, loss: LossSettings) -> Targets:
        """Of points (on, 6 or more), their tolerance, (on,) or one for all, and guide samples (off, 3 or more)."""
        each = tolerance.numpy() if isinstance(tolerance, Tensor) else np.full(len(surface), tolerance, np.float32)
        constants = (loss.eikonal_power, loss.sharpness, loss.trust, loss.guide_tolerance)
        return cls(surface.numpy(), each, guide.numpy(), np.array(constants, np.float32))


def weighted_terms(value: Tensor, gradient: Tensor, targets: Targets, weights: dict[str, float]) -> dict[str, Tensor]:
    """The weighted sums of the terms named in ``weights``.

    Parameters
    ----------
    value : (n,), of the samples on the surface first
    gradient : (rows, 3), of the leading samples, among them all on the surface
    weights : of each term's sum over its samples, by name, of `TERMS`

    Returns
    -------
    by name, scalars, differentiable once
    """
    scale = np.array([weights.get(name, 0.0) for name in TERMS], np.float32)
    every = _Terms.apply(value, gradient, targets, scale)
    return {name: term for name, term in zip(TERMS, every.unbind(), strict=True) if name in weights}


class _Terms(torch.autograd.Function):
    """Sum of each of `TERMS`, times its ``scale``: (6,)."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradient: Tensor, targets: Targets, scale: Floats) -> Tensor:
        from . import shape_loss_kernels

        f, g = value.detach().numpy(), gradient.detach().numpy()
        total = np.zeros(len(TERMS))
        shape_loss_kernels.term_sums(f, g, *targets, total)
        ctx.saved = (f, g, targets, scale)
        return torch.from_numpy((total * scale).astype(np.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        from . import shape_loss_kernels

        f, g, targets, scale = ctx.saved
        ctx.saved = None
        df, dg = np.empty_like(f), np.empty_like(g)
        shape_loss_kernels.term_gradients(f, g, *targets, above.numpy() * scale, df, dg)
        return torch.from_numpy(df), torch.from_numpy(dg), None, None

"""The loss terms of a shape with a hand-written gradient, on CPU cores: what `shape_losses.py` says, in two compiled passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

Floats = NDArray[np.float32]
NAMES = ("on_surface", "normal", "eikonal", "off_surface", "distance", "direction")


class Batch(NamedTuple):
    """What the samples of one step aim at; see `loss_kernels.sums` for the shapes."""

    surface: Floats
    tolerance: Floats
    guide: Floats
    shape: Floats

    @classmethod
    def of(cls, surface: Tensor, tolerance: Tensor | float, guide: Tensor, settings: Any) -> Batch:
        """Of rows of points and of guide samples, and of `shape.LossSettings`."""
        each = tolerance.numpy() if isinstance(tolerance, Tensor) else np.full(len(surface), tolerance, np.float32)
        shape = (settings.eikonal_power, settings.sharpness, settings.trust, settings.guide_tolerance)
        return cls(surface.numpy(), each, guide.numpy(), np.array(shape, np.float32))


def terms(value: Tensor, gradient: Tensor, batch: Batch, weights: dict[str, float]) -> dict[str, Tensor]:
    """The weighted sums of the terms named in ``weights``.

    Parameters
    ----------
    value, gradient : (n,), those on the surface first, and (rows, 3) of the leading samples, among them all on the surface
    weights : of each term's sum over its samples, by name, of `NAMES`

    Returns
    -------
    by name, scalars, differentiable once
    """
    scale = np.array([weights.get(name, 0.0) for name in NAMES], np.float32)
    every = _Terms.apply(value, gradient, batch, scale)
    return {name: term for name, term in zip(NAMES, every.unbind(), strict=True) if name in weights}


class _Terms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradient: Tensor, batch: Batch, scale: Floats) -> Tensor:
        from . import shape_loss_kernels

        f, g = value.detach().numpy(), gradient.detach().numpy()
        total = np.zeros(len(NAMES))
        shape_loss_kernels.sums(f, g, *batch, total)
        ctx.saved = (f, g, batch, scale)
        return torch.from_numpy((total * scale).astype(np.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        from . import shape_loss_kernels

        f, g, batch, scale = ctx.saved
        ctx.saved = None
        df, dg = np.empty_like(f), np.empty_like(g)
        shape_loss_kernels.gradients(f, g, *batch, above.numpy() * scale, df, dg)
        return torch.from_numpy(df), torch.from_numpy(dg), None, None

"""Activations with their first two derivatives in closed form, for `derivatives.py`.

An activation is a function ``jet(z, order)`` that returns ``[f(z), f'(z), f''(z)]`` up to ``order`` (0, 1 or 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Activation = Callable[[Tensor, int], list[Tensor]]


def sine(z: Tensor, order: int) -> list[Tensor]:
    """sin z."""
    s = torch.sin(z)
    return [s, *([torch.cos(z)] if order > 0 else []), *([-s] if order > 1 else [])]


def relu(z: Tensor, order: int) -> list[Tensor]:
    """max(z, 0). Its second derivative is zero wherever it exists."""
    step = (z > 0).to(z.dtype)
    return [z * step, *([step] if order > 0 else []), *([torch.zeros_like(z)] if order > 1 else [])]


def tanh(z: Tensor, order: int) -> list[Tensor]:
    """tanh z."""
    t = torch.tanh(z)
    slope = 1 - t * t
    return [t, slope, -2 * t * slope][: order + 1]


def gaussian(scale: float) -> Activation:
    """exp(-(scale z)^2) (Ramasinghe and Lucey 2022, "Beyond Periodicity", eq. 5, with scale^2 = 1 / (2 sigma^2))."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        a = scale * scale
        g = torch.exp(-a * z * z)
        out = [g]
        if order > 0:
            out.append(-2 * a * z * g)
        if order > 1:
            out.append((4 * a * a * z * z - 2 * a) * g)
        return out

    return jet


def gabor(omega: float, scale: float) -> Activation:
    """cos(omega z) exp(-(scale z)^2): the real part of WIRE's wavelet (Saragadam et al. 2023, eq. 3)."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        a = scale * scale
        g, c = torch.exp(-a * z * z), torch.cos(omega * z)
        out = [c * g]
        if order > 0:
            s = torch.sin(omega * z)
            out.append((-omega * s - 2 * a * z * c) * g)
        if order > 1:
            out.append(((4 * a * a * z * z - 2 * a - omega * omega) * c + 4 * a * omega * z * s) * g)
        return out

    return jet


def finer(omega: float) -> Activation:
    """sin(omega (abs(z) + 1) z): a sine whose frequency grows with its input (FINER, Liu et al. 2024, eq. 5)."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        size = z.abs()
        u = omega * (size + 1) * z
        s = torch.sin(u)
        out = [s]
        if order > 0:
            slope, c = omega * (2 * size + 1), torch.cos(u)
            out.append(slope * c)
        if order > 1:
            out.append(2 * omega * torch.sign(z) * c - slope * slope * s)
        return out

    return jet


def octaves(count: int, dimensions: int) -> tuple[Tensor, Tensor]:
    """Positional encoding (Mildenhall et al. 2020, eq. 4) as a sine layer: sin and cos of ``2^k pi x_j``.

    Returns
    -------
    weight (2 count d, d), bias (2 count d,) : cos z = sin(z + pi/2)
    """
    weight = torch.cat([2.0**k * math.pi * torch.eye(dimensions) for k in range(count)])
    return torch.cat([weight, weight]), torch.cat([torch.zeros(len(weight)), torch.full((len(weight),), math.pi / 2)])


def random_features(count: int, dimensions: int, sigma: float, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Random Fourier features (Tancik et al. 2020, section 4) as a sine layer: sin and cos of ``2 pi b.x``, b ~ N(0, sigma^2).

    Returns
    -------
    weight (count, d), bias (count,) : half of them cosines
    """
    half = torch.randn((count // 2, dimensions), generator=generator) * (2 * math.pi * sigma)
    return torch.cat([half, half]), torch.cat([torch.zeros(len(half)), torch.full((len(half),), math.pi / 2)])

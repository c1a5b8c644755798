"""Loss terms of a signed distance field. Each returns one value per sample; the task averages and weighs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def on_surface(value: Tensor) -> Tensor:
    """``|f(x)|`` for x on the surface (Sitzmann et al. 2020, eq. 6, second integral). (n,) -> (n,)"""
    return value.abs()


def normal(gradient: Tensor, normals: Tensor) -> Tensor:
    """``1 - <grad f(x), n(x)>``, as the paper's code has it: the cosine of the angle between the two
    (eq. 6, second integral). (n, 3), (n, 3) -> (n,)
    """
    return 1 - cosine_similarity(gradient, normals, dim=-1)


def eikonal(gradient: Tensor, power: int = 1) -> Tensor:
    """``| |grad f(x)| - 1 |^power`` anywhere (eq. 6, first integral; power 2: Gropp et al. 2020, eq. 4).
    (n, 3) -> (n,)
    """
    deviation = gradient.norm(dim=-1) - 1
    return deviation.abs() if power == 1 else deviation.square()


def off_surface(value: Tensor, sharpness: float) -> Tensor:
    """``psi(f(x)) = exp(-sharpness |f(x)|)`` for x off the surface (eq. 6, third integral): pushes other
    points' values away from zero. (n,) -> (n,)
    """
    return torch.exp(-sharpness * value.abs())


def distance(value: Tensor, target: Tensor) -> Tensor:
    """``|f(x) - d(x)|`` against the guide's signed distance d off the surface (DeepSDF, Park et al. 2019,
    eq. 4, without its clamp). (n,), (n,) -> (n,)
    """
    return (value - target).abs()

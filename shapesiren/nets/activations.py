"""Common activations with their first two derivatives in closed form, for `derivatives.py`; a baseline's own stands with it.

An activation is a function ``jet(z, order)`` that returns ``[f(z), f'(z), f''(z)]`` up to ``order`` (0, 1 or 2), each of z's
shape.
"""

from __future__ import annotations

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

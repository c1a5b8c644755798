"""A SIREN's parameters as the compiled passes read them, and the gradients of them that chunks add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..siren import Siren


class FoldedWeights:
    """A SIREN's weights with omega folded in, of ``depth`` sine layers and a head.

    full : weight of each sine layer, (width, width below), as the network has it
    low : the same in ``dtype``, in which products run; ``low_transposed`` (width below, width)
    biases : of each sine layer, (width,) numpy float32
    first : the first layer's weight transposed, (d, width) numpy float32: its phase is always float32
    head, head_bias : (m, width) and (m,) numpy float32
    """

    def __init__(self, parameters: Sequence[Tensor], omegas: Sequence[float], dtype: torch.dtype) -> None:
        """``parameters`` as of `Siren.affine_parameters`, ``omegas`` the factor of each sine layer."""
        self.dtype = dtype
        self.full = [w.detach() * o for w, o in zip(parameters[0:-2:2], omegas, strict=True)]
        self.low = [w.to(dtype) for w in self.full]
        self.low_transposed = [w.T for w in self.low]
        self.biases = [(b.detach() * o).numpy() for b, o in zip(parameters[1:-2:2], omegas, strict=True)]
        self.first = self.full[0].T.contiguous().numpy()
        self.head, self.head_bias = (p.detach().numpy() for p in parameters[-2:])

    @classmethod
    def of(cls, net: Siren, dtype: torch.dtype = torch.float32) -> FoldedWeights:
        return cls(net.affine_parameters(), list(net.omegas()), dtype)

    def largest_phase(self, reach: float) -> float:
        """A bound on the argument of any sine, for coordinates of at most ``reach``."""
        sides = (reach, *[1.0] * (len(self.full) - 1))
        sums = [w.abs().sum(1).numpy() * r + np.abs(b) for w, b, r in zip(self.full, self.biases, sides, strict=True)]
        return float(max(s.max() for s in sums))


class ParameterGradients:
    """What one chunk of samples adds to the loss gradient of a SIREN's parameters, in float32, omega still folded in.

    first (d, width), head (m, width), biases (depth, width) : numpy, which the passes add to after `clear`
    hidden : a tensor (width, width) of each sine layer but the first, which `set_hidden` overwrites
    """

    def __init__(self, d: int, m: int, width: int, depth: int, dtype: torch.dtype) -> None:
        self.first, self.head = np.zeros((d, width), np.float32), np.zeros((m, width), np.float32)
        self.biases = np.zeros((depth, width), np.float32)
        self.hidden = [torch.zeros((width, width)) for _ in range(depth - 1)]
        self._product = torch.zeros((width, width), dtype=dtype)

    def clear(self) -> None:
        for sums in (self.biases, self.first, self.head):
            sums.fill(0)

    def set_hidden(self, layer: int, left_transposed: Tensor, right: Tensor) -> None:
        """``left_transposed @ right``, (width, rows) @ (rows, width), is the gradient of the weight of sine layer ``layer``."""
        torch.mm(left_transposed, right, out=self._product)
        self.hidden[layer - 1].copy_(self._product)

    @staticmethod
    def sum(parts: Sequence[ParameterGradients], omegas: Sequence[float]) -> list[Tensor]:
        """Over all chunks: of weight and bias of each sine layer, first to last, and of the head's weight; omega unfolded."""

        def total(arrays: list[np.ndarray[Any, Any]]) -> Tensor:
            return torch.from_numpy(np.sum(arrays, axis=0))

        first, biases = total([part.first for part in parts]), total([part.biases for part in parts])
        gradients = [first.T * omegas[0], biases[0] * omegas[0]]
        for i in range(1, len(omegas)):
            weight = parts[0].hidden[i - 1]
            for part in parts[1:]:
                weight += part.hidden[i - 1]
            gradients += [weight * omegas[i], biases[i] * omegas[i]]
        return [*gradients, total([part.head for part in parts])]

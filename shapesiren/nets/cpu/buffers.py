"""Memory that torch multiplies and compiled passes read: one buffer, seen by both."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Buffer(NamedTuple):
    """The same memory twice: a tensor (rows, width), and what `numpy_view` makes of it.

    Parts are cut when a chunk is made and not when it runs: a slice costs as much as a short pass.
    """

    tensor: Tensor
    array: np.ndarray[Any, Any]

    @classmethod
    def zeros(cls, rows: int, width: int, dtype: torch.dtype) -> Buffer:
        return cls.of(torch.zeros((rows, width), dtype=dtype))

    @classmethod
    def of(cls, tensor: Tensor) -> Buffer:
        return cls(tensor, numpy_view(tensor))

    def rows(self, start: int, stop: int) -> Buffer:
        """Rows ``start`` to ``stop`` of the same memory."""
        return Buffer.of(self.tensor[start:stop])


def numpy_view(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor's memory as numpy; bfloat16, which numpy lacks, as uint16."""
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()

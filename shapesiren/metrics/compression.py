"""How small a field can be stored, and what that costs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..field import Field
from ..nets.network import Network


@torch.no_grad()
def quantised(net: Network, bits: int) -> tuple[Network, int]:
    """A copy whose weights are what ``bits`` of them can say, and its size in bytes.

    16 bits are IEEE half precision. Fewer are integers with one float32 scale for each row of a weight matrix. Biases, scales
    and the first layer stay float32: it turns coordinates into phases of many turns, and is small.
    """
    stored = copy.deepcopy(net)
    size = 0
    for layer in stored.linears:
        rows, columns = layer.weight.shape
        size += 4 * rows
        if bits >= 32 or columns == net.in_features:
            size += 4 * rows * columns
        elif bits == 16:
            layer.weight.copy_(layer.weight.half().float())
            size += 2 * rows * columns
        else:
            top = 2 ** (bits - 1) - 1
            scale = layer.weight.abs().amax(1, keepdim=True).clamp_min(1e-30) / top
            layer.weight.copy_((layer.weight / scale).round() * scale)
            size += (rows * columns * bits + 7) // 8 + 4 * rows
    return stored, size


def compression(fitted: Field, bits: Sequence[int], quality: Callable[[Field], float]) -> list[dict[str, Any]]:
    """Size against the file's, and quality, at each number of bits a weight."""
    rows = []
    for count in bits:
        net, size = quantised(fitted.net, count)
        found = quality(Field(net, fitted.task, fitted.header))
        share = size / fitted.header["file_bytes"]
        rows.append({"bits": count, "bytes": size, "share_of_file": share, "quality": found})
    return rows

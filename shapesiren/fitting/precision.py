"""Which precision the matrix products of a fit run in on this machine."""

from __future__ import annotations

import time
from typing import Literal

import torch

MIN_GAIN = 1.5  # bfloat16 must be this much faster to pay for its casts


def low_precision(setting: Literal["auto", "float32", "bfloat16"], device: torch.device, width: int) -> torch.dtype:
    """The dtype of the first part of a fit: bfloat16 where the machine is faster at it, else float32.

    ``auto`` times one layer's product in both on the CPU (some 20 ms); on CUDA it asks for native support.
    """
    if setting != "auto":
        return torch.bfloat16 if setting == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    if device.type != "cpu":
        return torch.float32
    single, half = _product_seconds(torch.float32, width), _product_seconds(torch.bfloat16, width)
    return torch.bfloat16 if single > MIN_GAIN * half else torch.float32


def _product_seconds(dtype: torch.dtype, width: int, rows: int = 2048, repeats: int = 5) -> float:
    """Shortest time of (rows x width) @ (width x width)."""
    a, b = torch.ones((rows, width), dtype=dtype), torch.ones((width, width), dtype=dtype)
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return min(times[2:])

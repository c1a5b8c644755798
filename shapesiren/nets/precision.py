"""In which precision the matrix products of a fit, and of a mesh, run on this machine."""

from __future__ import annotations

import time
from functools import cache

import torch

from ..config import Precision

MIN_SPEEDUP = 1.5  # of bfloat16 over float32, to pay for its casts


def low_precision(setting: Precision, device: torch.device, width: int) -> torch.dtype:
    """The dtype of the first part of a fit, and of what needs few digits: bfloat16 where the machine is faster at it.

    ``auto`` times one layer's product, of ``width`` units, in both on the CPU (some 20 ms); on CUDA it asks for native support.
    """
    if setting != "auto":
        return torch.bfloat16 if setting == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    if device.type != "cpu":
        return torch.float32
    single, half = _product_seconds(width)
    return torch.bfloat16 if single > MIN_SPEEDUP * half else torch.float32


@cache
def _product_seconds(width: int, rows: int = 512, repeats: int = 20) -> tuple[float, float]:
    """Shortest times of (rows x width) @ (width x width) in float32 and in bfloat16.

    Taken in turns, so that other work on the machine slows both alike; the shortest, so that it counts for nothing.
    """
    shortest = [float("inf"), float("inf")]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads wait for each other, and on a busy machine that is all that would be timed
    try:
        for _ in range(repeats):
            for i, dtype in enumerate((torch.float32, torch.bfloat16)):
                a, b = torch.ones((rows, width), dtype=dtype), torch.ones((width, width), dtype=dtype)
                start = time.perf_counter()
                a @ b
                shortest[i] = min(shortest[i], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return shortest[0], shortest[1]

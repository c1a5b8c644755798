"""Time of one fitting step by the way that input gradients are taken: python pipelines/bench/step.py

2,800 samples, width 256, 3 hidden layers, Adam included. The ways take turns of some steps, of which the
first do not count (the way before leaves its threads spinning and its data in the caches), and the median counts, so that
other work on the machine slows all alike. The GFLOP are those of the matrix products that the way's formulas need, of width x
width a sample: 12 by tangents, 6 by the reverse sweep (3 for a sample without gradient).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from shapes import machine, peak
from torch import Tensor

from shapesiren.nets.cpu.engine import Engine, threads_for
from shapesiren.nets.derivatives import autograd_value_and_gradient, value_and_gradient
from shapesiren.nets.fused_step import fused_value_and_gradient
from shapesiren.nets.siren import Siren
from shapesiren.runtime.compiled import numba_works

SAMPLES, GRADIENTS = 2800, 2400  # the default batch has so many gradients
ROUNDS, TURN, SKIPPED = 12, 10, 3
Way = Callable[[], tuple[Tensor, Tensor]]


def main() -> None:
    torch.manual_seed(0)
    net, x = Siren(3, 1), torch.rand((SAMPLES, 3)) * 2 - 1
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    single, half = torch.float32, torch.bfloat16
    peaks = {dtype: peak(dtype) for dtype in (single, half)}
    engine = Engine() if numba_works() else None
    ways: list[tuple[str, torch.dtype, float, Engine | None, Way]] = [
        ("autograd double backward, float32", single, 0, None, lambda: autograd_value_and_gradient(net, x)),
        ("tangent form, autograd, float32", single, 12, None, lambda: value_and_gradient(net, x)),
    ]
    for runs in (None, engine) if engine else (None,):
        for dtype in (single, half):
            for rows in (SAMPLES, GRADIENTS):
                name = f"fused, {'native' if runs else 'torch'}, {str(dtype).removeprefix('torch.')}"
                name += "" if rows == SAMPLES else f", {rows:,} gradients"
                ways.append((name, dtype, 3 + 3 * rows / SAMPLES, runs, taker(net, x, rows, dtype, runs)))
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for spent, (_, _, _, runs, way) in zip(times, ways, strict=True):
            with threads_for(runs):
                for i in range(TURN):
                    start = time.perf_counter()
                    value, gradient = way()
                    loss = value.abs().mean() + (gradient.norm(dim=-1) - 1).square().mean()
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    if i >= SKIPPED:
                        spent.append(time.perf_counter() - start)
    first = statistics.median(times[0])
    print(f"{machine()}\npeaks: float32 {peaks[single]:.0f}, bfloat16 {peaks[half]:.0f} GFLOP/s; {SAMPLES} samples\n")
    print("| way | ms a step | samples/s | ratio | GFLOP/s | of peak |\n" + "| --- " * 6 + "|")
    for spent, (name, dtype, products, _, _) in zip(times, ways, strict=True):
        median = statistics.median(spent)
        rate = products * SAMPLES * 3 * 2 * 256**2 / median / 1e9
        more = f"{rate:.0f} | {rate / peaks[dtype]:.0%}" if products else "|"
        print(f"| {name} | {1e3 * median:.1f} | {SAMPLES / median:,.0f} | {first / median:.2f} | {more} |")


def taker(net: Siren, x: Tensor, rows: int, dtype: torch.dtype, engine: Engine | None) -> Way:
    return lambda: fused_value_and_gradient(net, x, rows, dtype, engine)


if __name__ == "__main__":
    main()

"""Time of one fitting step by the way that input gradients are taken: python pipelines/bench/step.py

2,800 samples, width 256, 3 hidden layers, Adam included. The ways take turns and the median counts, so that other
work on the machine slows all alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from shapesiren.nets.derivatives import autograd_value_and_gradient, value_and_gradient
from shapesiren.nets.fused import fused_value_and_gradient
from shapesiren.nets.siren import Siren

SAMPLES, ROUNDS = 2800, 40


def main() -> None:
    torch.manual_seed(0)
    net, x = Siren(3, 1), torch.rand((SAMPLES, 3)) * 2 - 1
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    ways: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "autograd double backward": lambda: autograd_value_and_gradient(net, x),
        "tangent form, autograd": lambda: value_and_gradient(net, x),
        "fused, float32": lambda: fused_value_and_gradient(net, x),
        "fused, bfloat16": lambda: fused_value_and_gradient(net, x, None, torch.bfloat16),
        "fused, bfloat16, 1,750 gradients": lambda: fused_value_and_gradient(net, x, 1750, torch.bfloat16),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            value, gradient = way()
            loss = value.abs().mean() + (gradient.norm(dim=-1) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            times[name].append(time.perf_counter() - start)
    first = statistics.median(times["autograd double backward"])
    print(f"{torch.get_num_threads()} threads, {SAMPLES} samples\n")
    print("| way | ms a step | samples a second | ratio |\n| --- | --- | --- | --- |")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"| {name} | {1e3 * median:.1f} | {SAMPLES / median:,.0f} | {first / median:.2f} |")


if __name__ == "__main__":
    main()

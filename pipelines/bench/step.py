"""Time of one fitting step by the way that input gradients are taken.

    python pipelines/bench/step.py          # under a minute on two cores

2,800 samples, width 256, 3 hidden layers, Adam included: autograd, the closed forms, the fused step in torch and, with numba,
in machine code (native), in float32 and in bfloat16. The ways take turns and the median counts. The GFLOP are those of the
matrix products that the way's formulas need, of width x width a sample: 12 by tangents, 6 by the reverse sweep (3 for a sample
without gradient).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from common import Table, machine, median_seconds, name_of, parser, peak
from torch import Tensor

from shapesiren.nets.cpu.engine import Engine
from shapesiren.nets.derivatives import autograd_value_and_gradient, value_and_gradient
from shapesiren.nets.fused_step import fused_value_and_gradient
from shapesiren.nets.siren import Siren
from shapesiren.runtime.compiled import numba_works

SAMPLES, GRADIENTS = 2800, 2400  # the default batch has so many gradients
ROUNDS, CALLS, SKIPPED = 12, 10, 3
Way = Callable[[], tuple[Tensor, Tensor]]


def main() -> None:
    parser(__doc__).parse_args()
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
                name = f"fused, {'native' if runs else 'torch'}, {name_of(dtype)}"
                name += "" if rows == SAMPLES else f", {rows:,} gradients"
                ways.append((name, dtype, 3 + 3 * rows / SAMPLES, runs, fused(net, x, rows, dtype, runs)))

    def step(way: Way) -> Callable[[], None]:
        def run() -> None:
            value, gradient = way()
            loss = value.abs().mean() + (gradient.norm(dim=-1) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return run

    medians = median_seconds([(step(way), runs) for _, _, _, runs, way in ways], ROUNDS, CALLS, SKIPPED)
    print(f"{machine()}\npeaks: float32 {peaks[single]:.0f}, bfloat16 {peaks[half]:.0f} GFLOP/s; {SAMPLES} samples\n")
    table = Table("way", "ms a step", "samples/s", "ratio", "GFLOP/s", "of peak")
    for seconds, (name, dtype, products, _, _) in zip(medians, ways, strict=True):
        rate = products * SAMPLES * 3 * 2 * 256**2 / seconds / 1e9
        more = (f"{rate:.0f}", f"{rate / peaks[dtype]:.0%}") if products else ()
        table.add(name, f"{1e3 * seconds:.1f}", f"{SAMPLES / seconds:,.0f}", f"{medians[0] / seconds:.2f}", *more)


def fused(net: Siren, x: Tensor, rows: int, dtype: torch.dtype, engine: Engine | None) -> Way:
    return lambda: fused_value_and_gradient(net, x, rows, dtype, engine)


if __name__ == "__main__":
    main()

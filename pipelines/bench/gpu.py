"""Fitting on an accelerator, from arrays that `shapesiren ingest` wrote elsewhere: torch and numpy are enough.

    shapesiren ingest scan.ply --out RUN                        # where open3d is
    python pipelines/bench/gpu.py RUN/cloud.npz                 # where the GPU is; --device cpu tries it without one

Prints the time of a step by batch size for each way to run it (eager, compiled, captured as a CUDA graph; float32 with
TF32, bfloat16), the samples a second and the share of the measured matrix-product peak, then fits for --seconds and
prints the loss reached. A way that this torch or device does not have is named with its error and left out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from common import Table, name_of, parser, peak, seconds_of, wait_for
from torch import Tensor

from shapesiren.config import resolve
from shapesiren.fitting.loop import fit_task
from shapesiren.nets.derivatives import autograd_value_and_gradient
from shapesiren.nets.fused_step import fused_value_and_gradient
from shapesiren.nets.siren import Siren
from shapesiren.stages.ingest import unpack
from shapesiren.tasks.shape import ShapeTask
from shapesiren.tasks.shape_settings import ShapeConfig

PRODUCTS = 6  # of width x width, a hidden layer and sample: see nets/fused_step.py


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("arrays", type=Path)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--batches", nargs="*", type=int, default=[2800, 11_200, 44_800, 179_200])
    arguments.add_argument("--seconds", type=float, default=10.0)
    args = arguments.parse_args()
    device = torch.device(args.device)
    torch.backends.cuda.matmul.allow_tf32 = True
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    peaks = {d: peak(d, device) for d in (torch.float32, torch.bfloat16)}
    print(
        f"{name}, torch {torch.__version__}; matrix products: "
        + ", ".join(f"{name_of(d)} {p / 1e3:.2f} TFLOP/s" for d, p in peaks.items())
        + "\n"
    )
    table = Table("batch", "way", "ms a step", "million samples/s", "of peak")
    for batch in args.batches:
        for way, dtype, step in ways(batch, device):
            try:
                seconds = median(step, device)
            except Exception as e:
                table.add(f"{batch:,}", f"{way}: {type(e).__name__}, {str(e).splitlines()[0][:80]}")
                continue
            work = PRODUCTS * 2 * 3 * 256**2 * batch
            share = "" if "autograd" in way else f"{work / seconds / 1e9 / peaks[dtype]:.0%}"
            table.add(f"{batch:,}", way, f"{1e3 * seconds:.2f}", f"{batch / seconds / 1e6:.2f}", share)

    config = resolve(ShapeConfig, ShapeTask.presets, [("bench", {"fit": {"seconds": args.seconds}})])
    task = ShapeTask(unpack(args.arrays), config, device)
    outcome = fit_task(task, config.fit, seed=0, device=device)
    print(
        f"\nfitted for {outcome.seconds:.1f} s: {outcome.step:,} steps, {outcome.precision} first, losses "
        + ", ".join(f"{k} {v:.3g}" for k, v in outcome.losses.items())
    )


def ways(batch: int, device: torch.device) -> Iterator[tuple[str, torch.dtype, Callable[[], None]]]:
    single, half = torch.float32, torch.bfloat16
    yield "autograd double backward, float32", single, stepper(batch, device, lambda n, x: autograd_value_and_gradient(n, x))
    for dtype in (single, half):
        label = name_of(dtype)

        def take(net: Siren, x: Tensor, dtype: torch.dtype = dtype) -> tuple[Tensor, Tensor]:
            return fused_value_and_gradient(net, x, None, dtype)

        step = stepper(batch, device, take)
        yield f"fused, {label}", dtype, step
        yield f"fused, compiled, {label}", dtype, torch.compile(stepper(batch, device, take))
        if device.type == "cuda":
            yield f"fused, graph, {label}", dtype, captured(stepper(batch, device, take, capturable=True))


def stepper(
    batch: int, device: torch.device, take: Callable[[Siren, Tensor], tuple[Tensor, Tensor]], capturable: bool = False
) -> Callable[[], None]:
    torch.manual_seed(0)
    net, x = Siren(3, 1).to(device), torch.rand((batch, 3), device=device) * 2 - 1
    extra = {"capturable": True} if capturable else {}
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True, **extra)

    def step() -> None:
        value, gradient = take(net, x)
        loss = value.abs().mean() + (gradient.norm(dim=-1) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """The step as one CUDA graph: no launch from Python per operation."""
    graph: list[torch.cuda.CUDAGraph] = []

    def run() -> None:
        if not graph:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    step()
            torch.cuda.current_stream().wait_stream(stream)
            graph.append(torch.cuda.CUDAGraph())
            with torch.cuda.graph(graph[0]):
                step()
        graph[0].replay()

    return run


def median(step: Callable[[], None], device: torch.device, repeats: int = 20) -> float:
    """Median wall time of a step, each waited for."""

    def whole() -> None:
        step()
        wait_for(device)

    for _ in range(3):
        step()
    wait_for(device)
    return statistics.median(seconds_of(whole) for _ in range(repeats))


if __name__ == "__main__":
    main()

"""Equations solved by nothing but their residual, against solvers that are not ours: python pipelines/bench/waves.py

Each row is one fit of a problem under data/problems: its wall time with start-up and points, and the relative error where the
problem is free of layers. Beside ours the paper's settings (Adam at 2e-5, L1 residuals) and the same with a better
rate, for as long as ``--seconds`` says. ``--only`` picks rows; ``--measurements FILE`` adds the paper's cylinder.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from shapes import machine

import shapesiren
from shapesiren.nets.cpu.engine import Engine, threads_for
from shapesiren.nets.derivatives import autograd_value_gradient_laplacian, value_gradient_laplacian
from shapesiren.nets.jets import jet
from shapesiren.nets.siren import Siren
from shapesiren.runtime.compiled import numba_works

PROBLEMS = Path(__file__).parents[2] / "data" / "problems"
CYLINDER = """problem = "inversion"
wavenumber = 20.0
measurements = "{}"
strength = [1.0, 1.0]
[unknown]
low = [-0.33, -0.33]
high = [0.38, 0.38]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each fit by descent")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--measurements", type=Path, help="the paper's data_cylinder_5.mat")
    given = parser.parse_args()
    paper: dict[str, Any] = {"preset": "paper", "fit": {"seconds": given.seconds}}
    adam = {
        "fit": {"optimizer": "adam", "seconds": given.seconds, "learning_rate": 1e-3, "precision": "float32"},
        "net": {"width": 128, "hidden_layers": 3, "last_width": 128},
        "ingest": {"cells": None},
    }
    plain = {k: v for k, v in adam.items() if k != "ingest"}
    rows: list[tuple[str, str, dict[str, Any]]] = []
    for medium in ("helmholtz", "helmholtz_square", "helmholtz_disc"):
        rows += [(f"{medium}, {preset}", medium, {"preset": preset}) for preset in ("default", "fine")]
    rows += [("helmholtz, paper", "helmholtz", paper), ("helmholtz, adam 1e-3", "helmholtz", adam)]
    rows += [(f"wave, {preset}", "wave", {"preset": preset}) for preset in ("default", "fine")]
    rows += [("wave, paper's pulse", "wave_paper", {}), ("wave, paper's pulse, paper", "wave_paper", paper)]
    rows += [("wave, adam 1e-3", "wave", plain)]
    rows += [(f"wave into a square, {preset}", "wave_square", {"preset": preset}) for preset in ("default", "fine")]
    rows += [("poisson, default", "poisson", {}), ("poisson, adam 1e-3", "poisson", plain)]
    rows += [("inversion, default", "inversion", {})]
    print(f"{machine()}\n\n| fit | seconds | relative error | correlation |\n| --- | --- | --- | --- |")
    for name, problem, settings in rows:
        if given.only in name:
            report(name, PROBLEMS / f"{problem}.toml", settings)
    with tempfile.TemporaryDirectory() as folder:
        if given.measurements is not None:
            file = Path(folder) / "cylinder.toml"
            file.write_text(CYLINDER.format(given.measurements.resolve()))
            report("cylinder, default", file, {})
    if given.only in "laplacian":
        laplacian_steps()


def report(name: str, problem: Path, settings: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        shapesiren.fit(problem, out=Path(folder) / "run", settings=settings)
        spent = time.perf_counter() - start
        shapesiren.decode(Path(folder) / "run")
        found = shapesiren.evaluate(Path(folder) / "run")
    if "relative_error" in found:
        print(f"| {name} | {spent:.0f} | {found['relative_error']:.3g} | {found['correlation']:.4f} |", flush=True)
        return
    for prefix, label, seconds in (("", name, spent), ("adjoint_", f"{name}: adjoint state", found["adjoint_seconds"])):
        figures = {
            k: found.get(prefix + k) for k in ("centre_off", "contrast_ratio", "correlation", "slowness_error", "misfit")
        }
        text = ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in figures.items() if v is not None)
        print(f"| {label} | {seconds:.0f} | {text} | |", flush=True)


def laplacian_steps() -> None:
    """A loss on Laplacians with its parameter gradients, 4,096 samples, width 256, 3 hidden layers, in turns."""
    net, x = Siren(2, 1), torch.rand((4096, 2)) * 2 - 1
    engine = Engine() if numba_works() else None
    ways: list[tuple[str, Any, Any]] = [
        ("autograd", None, lambda: autograd_value_gradient_laplacian(net, x)[2]),
        ("closed form, torch", None, lambda: value_gradient_laplacian(net, x)[2]),
    ]
    if engine:
        for dtype in (torch.float32, torch.bfloat16):
            name = f"closed form, native, {str(dtype).removeprefix('torch.')}"
            ways.append((name, engine, lambda dtype=dtype: jet(net, x, 2, dtype, engine)[2]))
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(5):
        for spent, (_, runs, way) in zip(times, ways, strict=True):
            with threads_for(runs):
                for i in range(4):
                    start = time.perf_counter()
                    net.zero_grad()
                    way().square().mean().backward()
                    if i:
                        spent.append(time.perf_counter() - start)
    first = statistics.median(times[0])
    print("\n| Laplacian step | ms | of autograd |\n| --- | --- | --- |")
    for (name, *_), spent in zip(ways, times, strict=True):
        middle = statistics.median(spent)
        print(f"| {name} | {middle * 1e3:.1f} | {first / middle:.1f} x |")


if __name__ == "__main__":
    main()

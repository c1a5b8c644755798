"""Equations solved by nothing but their residual, against solvers that are not ours.

    python pipelines/bench/waves.py                          # everything, about half an hour on two cores
    python pipelines/bench/waves.py --only laplacian         # the time of a step alone

Each row is one fit of a problem under data/problems: its wall time with start-up and points, and the relative error where the
problem is free of layers. Beside ours the paper's settings (Adam at 2e-5, L1 residuals) and the same with a better
rate, for as long as ``--seconds`` says. ``--only`` picks rows; ``--measurements FILE`` adds the paper's cylinder. At the end
the time of a step whose loss is on Laplacians, by the way they are taken.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from common import Table, machine, median_seconds, name_of, parser, seconds_of

import shapesiren
from shapesiren.nets.cpu.engine import Engine
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
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0, help="of each fit by descent")
    arguments.add_argument("--only", default="", help="rows whose name has this in it")
    arguments.add_argument("--measurements", type=Path, help="the paper's data_cylinder_5.mat")
    given = arguments.parse_args()
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
    print(f"{machine()}\n")
    table = Table("fit", "seconds", "relative error", "correlation")
    for name, problem, settings in rows:
        if given.only in name:
            report(table, name, PROBLEMS / f"{problem}.toml", settings)
    with tempfile.TemporaryDirectory() as folder:
        if given.measurements is not None:
            file = Path(folder) / "cylinder.toml"
            file.write_text(CYLINDER.format(given.measurements.resolve()))
            report(table, "cylinder, default", file, {})
    if given.only in "laplacian":
        laplacian_steps()


def report(table: Table, name: str, problem: Path, settings: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spent = seconds_of(lambda: shapesiren.fit(problem, out=Path(folder) / "run", settings=settings))
        shapesiren.decode(Path(folder) / "run")
        found = shapesiren.evaluate(Path(folder) / "run")
    if "relative_error" in found:
        table.add(name, f"{spent:.0f}", f"{found['relative_error']:.3g}", f"{found['correlation']:.4f}")
        return
    for prefix, label, seconds in (("", name, spent), ("adjoint_", f"{name}: adjoint state", found["adjoint_seconds"])):
        figures = {
            k: found.get(prefix + k) for k in ("centre_off", "contrast_ratio", "correlation", "slowness_error", "misfit")
        }
        text = ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in figures.items() if v is not None)
        table.add(label, f"{seconds:.0f}", text)


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
            name = f"closed form, native, {name_of(dtype)}"
            ways.append((name, engine, lambda dtype=dtype: jet(net, x, 2, dtype, engine)[2]))

    def step(way: Any) -> Any:
        def run() -> None:
            net.zero_grad()
            way().square().mean().backward()

        return run

    medians = median_seconds([(step(way), runs) for _, runs, way in ways], rounds=5, calls=4, skipped=1)
    print()
    table = Table("Laplacian step", "ms", "of autograd")
    for (name, *_), seconds in zip(ways, medians, strict=True):
        table.add(name, f"{seconds * 1e3:.1f}", f"{medians[0] / seconds:.1f} x")


if __name__ == "__main__":
    main()

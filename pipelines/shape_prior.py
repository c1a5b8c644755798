"""Makes the prior of shapes that comes with the package, from the 1,000 solids in the wheel of ``pybullet``.

    python pipelines/shape_prior.py                               # 35 minutes of training on one core
    python pipelines/shape_prior.py --minutes 120 --out my.safetensors
    shapesiren fit few.ply --prior my.safetensors

Each tenth solid by name is kept to judge by, and no other is looked at in training. ``--from FILE`` is the wheel, where it is
at hand; otherwise it is fetched with pip. The solids take two minutes to be made; ``--solids FILE.npz`` keeps them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from shapesiren.priors.datasets import data_set
from shapesiren.priors.shapes.file import BUILTIN, path_of, to_bytes
from shapesiren.priors.shapes.network import ShapePrior, ShapePriorSizes
from shapesiren.priors.shapes.solids import CLOSE, is_held, read_solids, sample_solids
from shapesiren.priors.shapes.training import SolidSamples, TrainingSettings, surroundings, train, virtual_scan
from shapesiren.runtime.files import write_atomically

CASES = {"even500": ("even", 500), "even50": ("even", 50), "view500": ("view", 500)}
JUDGED, NEAR_BAND = 500, 0.1  # places of each held solid, and how near its surface


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--from", dest="source", type=Path, help="the wheel of pybullet")
    arguments.add_argument("--solids", type=Path, help="samples of the solids: read if it is there, else written")
    arguments.add_argument("--minutes", type=float, default=TrainingSettings.minutes)
    arguments.add_argument("--steps", type=int, help="end after so many steps, if that comes first")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--units", type=int, default=ShapePriorSizes.units)
    arguments.add_argument("--width", type=int, default=ShapePriorSizes.width)
    arguments.add_argument("--out", type=Path, default=path_of(BUILTIN))
    args = arguments.parse_args()
    torch.set_num_threads(1)

    solids = samples_of(args.solids, args.source)
    held = torch.tensor([is_held(i) for i in range(len(solids))])
    taught, kept = part(solids, ~held), part(solids, held)
    prior = ShapePrior(ShapePriorSizes(units=args.units, width=args.width), torch.Generator().manual_seed(args.seed))
    settings = TrainingSettings(minutes=args.minutes, steps=args.steps, seed=args.seed)
    count = sum(p.numel() for p in prior.parameters())
    print(f"{len(taught)} solids to learn from, {len(kept)} to judge by, {count:,} parameters")
    last, begun = 0.0, time.process_time()

    def write(path: Path, prior: ShapePrior, figures: dict[str, float]) -> None:
        write_atomically(path, to_bytes(prior, len(taught), len(kept), figures))

    def told(step: int, seconds: float, loss: float) -> None:
        nonlocal last
        if seconds - last > 120:
            last = seconds
            few = judge(prior, part(kept, torch.arange(len(kept)) % 4 == 0))
            print(f"{seconds:6.0f} s  step {step:,}  loss {loss:.4f}  {few}", flush=True)
            write(args.out, prior, {"steps": step, **few})

    steps = train(prior, taught, settings, told)
    figures: dict[str, float] = {
        **{"steps": steps, "core seconds": round(time.process_time() - begun), "seed": args.seed},
        **{"clouds": settings.clouds, "places": settings.places, "rate": settings.rate},
        **judge(prior, kept),
    }
    write(args.out, prior, figures)
    print(f"made {args.out}: {figures}")


def samples_of(kept: Path | None, source: Path | None) -> SolidSamples:
    """From the file, if it is there; else made."""
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as arrays:
            return SolidSamples(near=CLOSE, **{name: torch.from_numpy(arrays[name]) for name in arrays.files})
    solids = list(read_solids(data_set("meshes", source, print)))
    samples = sample_solids(solids, 0, lambda done: print(f"{done} solids") if done % 200 == 0 else None)
    if kept is not None:
        arrays = {name: getattr(samples, name).numpy() for name in ("points", "normals", "seen", "places", "distances")}
        write_atomically(kept, lambda file: np.savez(file, **arrays))
    return samples


def part(solids: SolidSamples, which: torch.Tensor) -> SolidSamples:
    arrays = (getattr(solids, name)[which] for name in ("points", "normals", "seen", "places", "distances"))
    return SolidSamples(*arrays, near=solids.near)


def judge(prior: ShapePrior, solids: SolidSamples) -> dict[str, float]:
    """Of scans without noise: 1,000 times the median over solids of the mean error in box units, and the share of places that
    it takes for the wrong side; of places whose distance from the surface has the least deviation of `solids.NEAR`."""
    out: dict[str, float] = {}
    for name, (kind, points) in CASES.items():
        generator, errors, wrong = torch.Generator().manual_seed(5), [], []
        for i in range(len(solids)):
            scan = virtual_scan(solids, i, generator, kind, points, 0.0, turned=False)
            places, truth = scan.to_box(solids.places[i, : solids.near]), solids.distances[i, : solids.near] * scan.zoom
            some = (truth.abs() < NEAR_BAND * scan.zoom).nonzero()[:JUDGED, 0]
            seen = surroundings(scan.points, scan.normals, places[some], prior.sizes.near, prior.sizes.coarse)
            with torch.no_grad():
                distance = prior(type(seen)(*(part[None] for part in seen)))[0][0]
            errors.append(float((distance - truth[some]).abs().mean()))
            wrong.append(float(((distance > 0) != (truth[some] > 0)).float().mean()))
        out |= {f"{name} error": round(1e3 * float(np.median(errors)), 3), f"{name} wrong": round(float(np.mean(wrong)), 4)}
    return out


if __name__ == "__main__":
    main()

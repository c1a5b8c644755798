"""Priors of all kinds, trained for equal time on the same images: how well they complete images that they have not seen.

    python pipelines/bench/priors.py --quick
    python pipelines/bench/priors.py --minutes 24 --out runs/priors

The table of the SIREN paper (section 4.4, table 2): mean squared error over all pixels, intensities in [0, 1], where 10, 100
or 1,000 pixels of an image are known, or its left half; and the PSNR of that. The last row is the mean training
image: what a prior that saw nothing of an image would answer.

Time is that of all cores together, because machines are shared: steps are counted out beforehand, so many as fit into
MINUTES at the pace of a trial. Five kinds at 24 minutes are an hour of two cores. ``--quick``: 1 minute each, with smaller
encoders. DATA is a name that `shapesiren prior data` lists, or a file or folder that it is trained on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Table, parser

from shapesiren.config import resolve
from shapesiren.fitting.loop import fit_task
from shapesiren.media.image import write_image
from shapesiren.priors.completions import completion_metrics, completions_sheet
from shapesiren.priors.datasets import DATASETS, data_set
from shapesiren.priors.settings import PriorDecodeSettings, PriorEvaluateSettings
from shapesiren.tasks.prior import PriorTask

KINDS = ("cnp", "set-relu", "set", "conv", "meta")
TRIAL_STEPS, WARM_STEPS = 12, 3
QUICK = {"prior": {"width": 128, "channels": 64}}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", default="emoji", help="a collection by name, or a file or folder of images")
    arguments.add_argument("--minutes", type=float, help="of all cores together, for each kind (24, quick 1)")
    arguments.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, help="a folder for the completions of each kind, and the priors themselves")
    arguments.add_argument("--quick", action="store_true", help="a minute each, unless --minutes says otherwise")
    args = arguments.parse_args()
    minutes = args.minutes or (1.0 if args.quick else 24.0)
    source = data_set(args.data, say=print) if args.data in DATASETS else Path(args.data)
    print(f"{source.name}, seed {args.seed}, {minutes:g} core minutes each, {torch.get_num_threads()} threads\n")
    contexts = ("10", "100", "1,000", "half")
    errors = [f"{unit} {context}" for unit in ("MSE", "dB") for context in contexts]
    table = Table("kind", "parameters", "steps", "core s", "wall s", *errors, "ms each")
    for kind in args.kinds:
        table.add(*measure(kind, source, minutes, args.seed, QUICK if args.quick else {}, args.out))
    table.add("mean image", *[""] * 4, *[f"{mean_error(source, args.seed):.4f}"] * 4)


def settings(kind: str, seed: int, tree: dict[str, Any], steps: int) -> Any:
    layers = [
        ("kind", {"prior": {"kind": kind}, "seed": seed}),
        ("bench", tree),
        ("steps", {"fit": {"steps": steps, "warmup": min(100, steps // 10)}}),
    ]
    return resolve(PriorTask.config_type, PriorTask.presets, layers)


def measure(kind: str, source: Path, minutes: float, seed: int, tree: dict[str, Any], out: Path | None) -> list[str]:
    device = torch.device("cpu")
    signal = PriorTask.ingest(source, settings(kind, seed, tree, 1), lambda _: None)

    def trained(steps: int) -> tuple[PriorTask, float, float]:
        config = settings(kind, seed, tree, steps)
        task = PriorTask(signal, config, device)
        core, wall = time.process_time(), time.perf_counter()
        fit_task(task, config.fit, seed=seed, device=device)
        return task, time.process_time() - core, time.perf_counter() - wall

    trained(WARM_STEPS)
    pace = trained(TRIAL_STEPS)[1] / TRIAL_STEPS
    steps = max(1, round(60 * minutes / pace))
    task, core, wall = trained(steps)
    field = task.field()
    found = completion_metrics(field, signal.arrays["held"], PriorEvaluateSettings(), seed)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_image(out / f"{kind}.png", completions_sheet(field, signal.arrays, PriorDecodeSettings(), seed)[0], 8)
        (out / f"{kind}.safetensors").write_bytes(field.to_bytes())
    count = sum(p.numel() for p in task.net.parameters())
    errors = [f"{row.mse:.4f}" for row in found.rows] + [f"{row.psnr:.2f}" for row in found.rows]
    return [kind, f"{count:,}", f"{steps:,}", f"{core:.0f}", f"{wall:.0f}", *errors, f"{found.milliseconds:.1f}"]


def mean_error(source: Path, seed: int) -> float:
    """Mean squared error of the mean training image, in place of any completion."""
    arrays = PriorTask.ingest(source, settings("set", seed, {}, 1), lambda _: None).arrays
    mean = arrays["train"].mean(0) / 255
    return float(np.square(arrays["held"] / 255 - mean).mean())


if __name__ == "__main__":
    main()

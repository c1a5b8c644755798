"""Images, Poisson problems, sounds, video: ours, and the paper's own settings, at equal wall time.

    python pipelines/bench/signals.py --audio FOLDER                  # everything, about an hour on two cores
    python pipelines/bench/signals.py --only camera rivals --seconds 60 --presets default

``camera`` and ``astronaut`` are scikit-image's; the video is made here; FOLDER holds gt_bach.wav and gt_counting.wav (the
paper's, from vsitzmann/siren). The rivals (`nets/baselines/`) fit ``camera`` by intensity for equal time, each at the better
of two learning rates; their derivatives are compared with the filters on the original. Prints tables as it goes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Table, parser

from shapesiren.config import resolve
from shapesiren.field import Field
from shapesiren.fitting.loop import fit_task
from shapesiren.media.audio import read_sound
from shapesiren.media.image import gradient, laplacian
from shapesiren.media.image_resample import sample
from shapesiren.metrics.image import derivatives
from shapesiren.reports.figures import derivative_panels, draw_panels
from shapesiren.tasks import TASKS

Tree = dict[str, Any]
# name -> task, settings, seconds, metric, what the issue asks for
CELLS: dict[str, tuple[str, Tree, float, str, str]] = {
    "camera 512²": ("image", {}, 60, "psnr", "36"),
    "astronaut RGB 512²": ("image", {}, 60, "psnr", "33"),
    "camera 256² from its gradient": ("image", {"ingest": {"max_size": 256, "supervise": "gradient"}}, 180, "psnr", "32"),
    "camera 256² from its gradient (Sobel)": (
        "image",
        {"ingest": {"max_size": 256, "supervise": "gradient", "filter": "sobel"}},
        180,
        "psnr",
        "32",
    ),
    "camera 256² from its Laplacian": ("image", {"ingest": {"max_size": 256, "supervise": "laplacian"}}, 180, "psnr", "20"),
    "bach": ("audio", {}, 300, "mse_of_peak", "1e-5"),
    "counting": ("audio", {}, 300, "mse_of_peak", "4e-4"),
    "video 64 x 128²": ("video", {}, 300, "psnr", "33"),
    "camera, long": ("image", {}, 600, "psnr", "45"),
}
PAPER = (
    "camera 512²",
    "astronaut RGB 512²",
    "camera 256² from its gradient",
    "camera 256² from its Laplacian",
    "bach",
    "counting",
    "video 64 x 128²",
)
RIVALS: dict[str, Tree] = {
    "siren": {"omega_first": 30.0},
    "siren, omega 60": {"omega_first": 60.0},
    "relu": {},
    "tanh": {},
    "relu-pe": {},
    "rff": {},
    "finer": {},
    "wire": {"omega_hidden": 20.0},
    "gaussian": {},
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--audio", type=Path, help="folder of gt_bach.wav and gt_counting.wav")
    arguments.add_argument("--only", nargs="*", default=[], help="cells whose name contains one of these; rivals")
    arguments.add_argument("--presets", nargs="*", default=["default", "paper"])
    arguments.add_argument("--picture", type=Path, help="draws the rivals' values, gradients and Laplacians")
    arguments.add_argument("--seconds", type=float, help="of each fit, instead of the cell's own")
    args = arguments.parse_args()

    def wanted(name: str) -> bool:
        return not args.only or any(o in name for o in args.only)

    table = Table("signal", "settings", "seconds", "steps", "asked", "reached", "more")
    for preset in args.presets:
        for name, (task, settings, seconds, metric, asked) in CELLS.items():
            source = source_of(name, args.audio)
            if source is None or not wanted(name) or (preset == "paper" and name not in PAPER):
                continue
            seconds = args.seconds or seconds
            steps, found, _ = run(task, source, [{"preset": preset}, settings, {"fit": {"seconds": seconds}}])
            more = ", ".join(f"{k} {v:.4g}" for k, v in found.items() if isinstance(v, float) and k != metric)
            table.add(name, preset, f"{seconds:g}", f"{steps:,}", asked, f"{found[metric]:.4g}", more)
    if wanted("rivals"):
        rivals(args.seconds or 60, args.picture)


def rivals(seconds: float, picture: Path | None) -> None:
    """The baselines beside the SIREN, each fitted to ``camera`` for so long; their derivatives drawn to ``picture``."""
    print()
    columns = ("network", "best rate", "PSNR", "gradient, filter", "Laplacian, filter", "gradient, exact", "Laplacian, exact")
    table = Table(*columns)
    image = source_of("camera", None)
    drawn = []
    for name, net in RIVALS.items():
        kind = name.split(",")[0]
        best: tuple[float, Tree, float, Field] | None = None
        for rate in (1e-3, 3e-4):
            layers = [{"net": {"kind": kind, "omega_first": 30.0} | net}, {"fit": {"seconds": seconds, "learning_rate": rate}}]
            _, found, field = run("image", image, layers)
            if best is None or found["psnr"] > best[0]:
                best = (found["psnr"], found, rate, field)
        assert best is not None
        metrics = ("psnr", "gradient_psnr", "laplacian_psnr", "gradient_exact", "laplacian_exact")
        table.add(name, f"{best[2]:g}", *(f"{best[1][k]:.2f}" for k in metrics))
        drawn.append((name, sample(best[3], *image.shape, (0, 0, image.shape[1], image.shape[0])), *derivatives(best[3])))
    if picture is not None:
        truth = image[..., None] / 255.0
        drawn.append(("the image and its filters", truth, gradient(truth), laplacian(truth)))
        halved = [(name, v[::2, ::2], g[::2, ::2], b[::2, ::2]) for name, v, g, b in drawn]
        draw_panels(derivative_panels(halved), picture)


def source_of(name: str, audio: Path | None) -> Any:
    from skimage import data

    if name.startswith("camera"):
        return data.camera()
    if name.startswith("astronaut"):
        return data.astronaut()
    if name.startswith("video"):
        return clip(64, 128)
    if audio is None:
        return None
    sound = read_sound(audio / f"gt_{name}.wav")
    return sound.samples, sound.rate


def clip(frames: int, size: int) -> np.ndarray:
    """Three striped balls that move over a moving pattern: (frames, size, size, 3) uint8."""
    y, x = np.mgrid[0:size, 0:size] / size
    out = np.empty((frames, size, size, 3), np.uint8)
    for i in range(frames):
        t = 2 * np.pi * i / 64
        picture = np.stack(
            [
                0.5 + 0.3 * np.sin(9 * x + 2 * t) + 0.15 * np.sin(40 * y),
                0.5 + 0.3 * np.cos(7 * y - 3 * t) * np.sin(11 * x),
                0.4 + 0.4 * x * y + 0.1 * np.sin(60 * (x + y)),
            ],
            -1,
        )
        for k, (radius, colour) in enumerate([(0.12, (1, 0.2, 0.1)), (0.08, (0.1, 0.9, 0.3)), (0.15, (0.2, 0.3, 1))]):
            cx, cy = 0.5 + 0.3 * np.cos(t * (1 + k) + k * 2), 0.5 + 0.3 * np.sin(t * (1.3 + 0.4 * k) + k)
            ball = np.clip((radius - np.hypot(x - cx, y - cy)) * size + 0.5, 0, 1)[..., None]
            stripes = 0.7 + 0.3 * np.sign(np.sin(60 * (x - cx)))[..., None]
            picture = picture * (1 - ball) + ball * np.array(colour) * stripes
        out[i] = np.round(np.clip(picture, 0, 1) * 255)
    return out


def run(name: str, source: Any, trees: list[Tree]) -> tuple[int, Tree, Field]:
    """Steps of one fit, metrics against the input, and the field."""
    task = TASKS[name]
    config = resolve(task.config_type, task.presets, [("bench", tree) for tree in trees])
    signal = task.ingest(source, config, lambda _: None)
    fitted = task(signal, config, torch.device("cpu"))
    outcome = fit_task(fitted, config.fit, seed=0, device=torch.device("cpu"))
    field = fitted.field()
    found = task.evaluate(field, signal.arrays, Path(), None, config, lambda _: None).tree()
    return outcome.step, found, field


if __name__ == "__main__":
    main()

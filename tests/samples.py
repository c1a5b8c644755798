"""Small signals that tests fit."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from shapesiren.priors.procedural import procedural_images

RATE = 8000


def picture(height=40, width=52, channels=1):
    """A smooth image with an edge, float in [0, 1]: (h, w, c)."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    base = 0.5 + 0.25 * np.sin(7 * x + 2 * y) + 0.15 * np.cos(9 * y) + 0.1 * (np.hypot(x - 0.4, y - 0.4) < 0.2)
    return np.stack([np.clip(base + 0.05 * k, 0, 1) for k in range(channels)], -1)


def sound(seconds=0.5, channels=1):
    """Two tones that swell: (n, channels)."""
    t = np.arange(int(seconds * RATE)) / RATE
    tones = np.sin(2 * np.pi * 220 * t) * 0.5 + np.sin(2 * np.pi * 555 * t) * 0.2 * t
    return np.stack([tones / (k + 1) for k in range(channels)], 1).astype(np.float32)


def clip(frames=8, size=20):
    """A ball on a ramp: (n, size, size, 3) uint8."""
    y, x = np.mgrid[0:size, 0:size] / size
    out = []
    for i in range(frames):
        ball = np.hypot(x - 0.3 - 0.04 * i, y - 0.5) < 0.2
        out.append(np.stack([np.where(ball, 0.9, x), np.where(ball, 0.2, y), np.full_like(x, 0.4)], -1))
    return np.round(np.array(out) * 255).astype(np.uint8)


SMALL = {"net": {"width": 64, "hidden_layers": 2}, "fit": {"steps": 400, "learning_rate": 2e-3, "warmup": 20}}


def write_collection(path, count=60, size=16, seed=0):
    """A zip of small images that the project draws."""
    from PIL import Image

    with zipfile.ZipFile(path, "w") as archive:
        for i, levels in enumerate(procedural_images(count, size, seed)):
            out = io.BytesIO()
            Image.fromarray(levels).save(out, "PNG")
            archive.writestr(f"{i:04}.png", out.getvalue())


SMALL_PRIOR = {
    "net": {"width": 24, "hidden_layers": 1},
    "prior": {"latent": 24, "width": 32, "encoder_layers": 1, "channels": 8, "grid": 16},
    "fit": {"steps": 100, "learning_rate": 3e-3, "warmup": 10},
    "batch": {"signals": 16, "context_most": 60, "targets": None},
    "evaluate": {"contexts": [10, 100]},
    "decode": {"contexts": [20], "signals": 3},
}

# small problems by task, and settings that solve them in about a second
PROBLEMS = {
    "helmholtz": (
        """problem = "helmholtz"
wavenumber = 8.0
[[source]]
position = [0.1, 0.0]
width = 0.05
""",
        {
            "ingest": {"cells": 20},
            "net": {"width": 64, "hidden_layers": 1, "omega_first": 12.0, "last_width": 350},
            "fit": {"optimizer": "least-squares", "steps": 1},
            "decode": {"resolution": 61},
        },
    ),
    "wave": (
        """problem = "wave"
duration = 0.8
[[pulse]]
width = 0.2
""",
        {
            "ingest": {"points": 1500},
            "net": {"hidden_layers": 0, "last_width": 500},
            "fit": {"optimizer": "least-squares", "steps": 1},
            "decode": {"resolution": 41, "frames": 5},
        },
    ),
    "inversion": (
        """problem = "inversion"
wavenumber = 10.0
noise = 0.01
[unknown]
low = [-0.3, -0.3]
high = [0.3, 0.3]
[[source]]
position = [-0.3, -0.4]
width = 0.0
[[source]]
position = [0.3, -0.4]
width = 0.0
[[source]]
position = [-0.4, 0.1]
width = 0.0
[[receivers]]
start = [-0.4, 0.4]
end = [0.4, 0.4]
count = 12
[[receivers]]
start = [0.4, -0.3]
end = [0.4, 0.3]
count = 12
[truth]
[[truth.inclusion]]
shape = "disc"
centre = [0.08, -0.04]
size = 0.12
speed = 1.25
""",
        {
            "ingest": {"points": 3000},
            "net": {"width": 64, "hidden_layers": 1, "omega_first": 8.0, "last_width": 400},
            "fit": {"optimizer": "least-squares", "steps": 4},
            "decode": {"resolution": 61},
            "evaluate": {"resolution": 60, "iterations": 15},
        },
    ),
    "poisson": (
        """problem = "poisson"
exact = "sin(3*x) * exp(y/2)"
[right]
flux = "3*cos(3*x)*exp(y/2)"
""",
        {
            "ingest": {"points": 1500},
            "net": {"width": 64, "hidden_layers": 1, "omega_first": 6.0, "last_width": 200},
            "fit": {"optimizer": "least-squares", "steps": 1},
            "decode": {"resolution": 41},
        },
    ),
}


def is_a_picture(path):
    """An image file in which something is drawn."""
    from PIL import Image

    values = np.asarray(Image.open(path).convert("L")).astype(float)
    return min(values.shape) > 50 and values.std() > 5


def solved(folder, name, text=None, **changes):
    """A small problem, all stages; its metrics."""
    given, quick = PROBLEMS[name]
    folder.mkdir(exist_ok=True)
    (folder / "p.toml").write_text(text or given)
    settings = {k: dict(v) for k, v in quick.items()}
    for section, values in changes.items():
        settings.setdefault(section, {}).update(values)
    import shapesiren

    shapesiren.fit(folder / "p.toml", out=folder / "run", settings=settings)
    shapesiren.decode(folder / "run")
    return shapesiren.evaluate(folder / "run")

"""How a prior completes images that it has not seen: figures and a sheet of pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..field import Field
from .base import Context, PriorNet
from .examples import ImageExamples, random_context
from .facts import CompletionMetrics, CompletionRow, CompletionsFacts
from .header import PriorHeader
from .settings import PriorDecodeSettings, PriorEvaluateSettings

AT_ONCE = 64  # images
GAP = 2  # pixels between pictures of a sheet
HALF = "left half"


def net_of(fitted: Field) -> PriorNet:
    """The prior that a field holds."""
    return cast(PriorNet, fitted.net)


@torch.no_grad()
def complete_images(net: PriorNet, context: Context, points: torch.Tensor) -> torch.Tensor:
    """Values (b, n, c) at ``points`` (n, d) of signals of which ``context`` is known."""
    made = net.weights(net.encode(context))
    return net.run(made, points.expand(len(context.points), -1, -1))


def half_context(examples: ImageExamples, which: torch.Tensor) -> Context:
    """The left halves of images."""
    left = examples.points[:, 0] < 0
    return Context.of(examples.points[left].expand(len(which), -1, -1), examples.values(which)[:, left])


def contexts_of(
    examples: ImageExamples, which: torch.Tensor, counts: tuple[int, ...], half: bool, seed: int
) -> list[tuple[str, Context]]:
    """What is known of some images, by name: so many pixels, the same for one seed, or half of them."""
    pixels, values = len(examples.points), examples.values(which)
    out = []
    for known in dict.fromkeys(min(count, pixels) for count in counts):  # of small images several mean all pixels
        generator = torch.Generator().manual_seed(seed * 1_000_003 + known)
        out.append((f"{known:,} pixels", random_context(examples.points, values, known, known, generator)))
    return out + ([(HALF, half_context(examples, which))] if half else [])


def completion_metrics(fitted: Field, held: NDArray[np.uint8], settings: PriorEvaluateSettings, seed: int) -> CompletionMetrics:
    """Mean squared error over all pixels of images (n, h, w, c) uint8 that were held back, intensities in [0, 1] and cut to
    that, and its PSNR (paper, table 2)."""
    net = net_of(fitted)
    device = net.latent_mean.device
    count = min(settings.signals, len(held))
    chosen = np.linspace(0, len(held) - 1, count).round().astype(int)
    examples = ImageExamples(held[chosen], device)
    total: dict[str, float] = {}
    known: dict[str, int] = {}
    spent, completed = 0.0, 0
    for part in torch.arange(count).split(AT_ONCE):
        truth = (examples.values(part) + 1) / 2
        for name, context in contexts_of(examples, part, settings.contexts, settings.half, seed + int(part[0])):
            start = time.perf_counter()
            found = (complete_images(net, context, examples.points) + 1) / 2
            spent, completed = spent + time.perf_counter() - start, completed + len(part)
            error = (found.clamp(0, 1) - truth).square().mean((1, 2)).double().sum().item()
            total[name], known[name] = total.get(name, 0.0) + error, context.points.shape[1]
    rows = [
        CompletionRow(context=name, known=known[name], mse=error / count, psnr=-10 * math.log10(max(error / count, 1e-12)))
        for name, error in total.items()
    ]
    return CompletionMetrics(kind=net.variant, signals=count, rows=rows, milliseconds=1000 * spent / max(1, completed))


def completions_sheet(
    fitted: Field, arrays: dict[str, NDArray[np.uint8]], settings: PriorDecodeSettings, seed: int
) -> tuple[NDArray[np.float64], CompletionsFacts]:
    """A picture (h, w, c) in [0, 1]: for each context a row of what is known and one of what the prior makes of it; last the
    images themselves."""
    net, held = net_of(fitted), arrays["held"]
    height, width, channels = PriorHeader.of(fitted.header).image_shape
    count = min(settings.signals, len(held))
    examples = ImageExamples(held[np.linspace(0, len(held) - 1, count).round().astype(int)], net.latent_mean.device)
    every = torch.arange(count)
    rows, names = [], []
    for name, context in contexts_of(examples, every, settings.contexts, settings.half, seed):
        rows += [known_pixels(context, height, width), complete_images(net, context, examples.points).cpu().numpy()]
        names.append(name)
    rows.append(examples.values(every).cpu().numpy())
    pictures = [r.reshape(count, height, width, channels) / 2 + 0.5 for r in rows]
    sheet = tiled(pictures, settings.pixels)
    return sheet, CompletionsFacts(width=sheet.shape[1], height=sheet.shape[0], signals=count, rows=names)


def known_pixels(context: Context, height: int, width: int) -> NDArray[np.float32]:
    """(b, h * w, c): known samples in their pixels, the others grey."""
    points, values = context.points.cpu().numpy(), context.values.cpu().numpy()
    half = max(height, width) / 2
    column = np.floor(points[..., 0] * half + width / 2).astype(int).clip(0, width - 1)
    row = np.floor(points[..., 1] * half + height / 2).astype(int).clip(0, height - 1)
    out = np.zeros((len(points), height * width, values.shape[2]), np.float32)
    which, sample = np.nonzero(context.present.cpu().numpy())
    out[which, (row * width + column)[which, sample]] = values[which, sample]
    return out


def tiled(rows: Sequence[NDArray[np.floating]], pixels: int) -> NDArray[np.float64]:
    """Rows of pictures (k, h, w, c) in [0, 1] as one, each pixel ``pixels`` wide, white between them."""
    gap = GAP * pixels
    strips = []
    for row in rows:
        large = np.clip(row, 0, 1).repeat(pixels, 1).repeat(pixels, 2)
        strips.append(
            np.pad(
                np.concatenate(np.pad(large, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1), 1),
                ((0, gap), (0, 0), (0, 0)),
                constant_values=1,
            )
        )
    return np.concatenate(strips)[:-gap, :-gap].astype(np.float64)

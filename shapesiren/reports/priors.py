"""The report of a prior: figures, completions, its latent space."""

from __future__ import annotations

import numpy as np

from ..priors.completions import tiled
from ..priors.examples import ImageExamples, codes_of
from ..priors.prior import Prior
from ..tasks.base import FinishedRun
from . import page
from .media import png

SAMPLES, STEPS, PAIRS = 12, 9, 4
PIXELS = 3  # of the page to one of an image


def prior_sections(run: FinishedRun) -> list[page.Section]:
    """Completions of images that it was not trained on; the figures; interpolations and samples."""
    facts = run.facts("decode")
    what = ", ".join(facts.get("rows", []))
    note = f"Known and completed, pair by pair: {what}. The last row has the images themselves, which it was not trained on."
    blocks = [page.image(run.output.read_bytes(), "completions"), page.text(note, quiet=True)]
    sections = [page.Section("Completions", blocks)]
    if rows := run.facts("evaluate").get("rows", []):
        cells = [[row["context"], round(row["mse"], 5), round(row["psnr"], 2)] for row in rows]
        sections.append(page.Section("Error", [page.table(cells, ["known", "MSE", "PSNR, dB"])]))
    return [*sections, latent_space(run)]


def latent_space(run: FinishedRun) -> page.Section:
    """From one held image to another, and samples of a Gaussian through the latent codes of the training images."""
    prior = Prior(run.field, run.folder)
    held = np.asarray(run.arrays["held"])
    device = prior.net.latent_mean.device
    ends = codes_of(prior.net, ImageExamples(held[: 2 * PAIRS], device))
    ways = [prior.images(prior.interpolate(a, b, STEPS)) for a, b in zip(ends[::2], ends[1::2], strict=False)]
    blocks = []
    if ways:
        blocks.append(
            page.image(png(tiled(ways, PIXELS)), "interpolations", "From one image to another through the latent codes")
        )
    drawn = prior.images(prior.sample(SAMPLES))
    blocks.append(page.image(png(tiled([drawn], PIXELS)), "samples", "Drawn from a Gaussian through the codes of its images"))
    return page.Section("Latent space", blocks)

"""``shapesiren prior``: what a prior has learned, looked at; and collections to train one on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import HELP_NAMES, app, command
from .options import Device, Json, Replace, Seed
from .screen import Screen, print_table

prior = typer.Typer(
    help="What a prior has learned: samples, interpolations, its nearest training signals. Collections to train one on.\n\n"
    "Example: shapesiren prior data emoji -o emoji.npz && shapesiren fit emoji.npz --task prior",
    no_args_is_help=True,
    context_settings=HELP_NAMES,
)
app.add_typer(prior, name="prior")

PriorFile = Annotated[Path, typer.Argument(metavar="PRIOR", help="A run of task prior, or its file field.safetensors.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The picture: .png .jpg.")]
Pixels = Annotated[int, typer.Option(help="Pixels of the picture to one of an image.", min=1, max=32)]


@command(parent=prior)
def sample(
    *,
    of: PriorFile,
    output: Output,
    count: Annotated[int, typer.Option(help="Images.", min=1, max=400)] = 16,
    pixels: Pixels = 4,
    seed: Seed,
    device: Device,
    force: Replace,
) -> None:
    """Draw images that it holds for likely: of a Gaussian through the latent codes of its training signals.

    Example: shapesiren prior sample runs/emoji -o samples.png
    """
    from ..priors.latent_sheets import samples_sheet
    from ..stages.copies import guarded
    from ..stages.fit import torch_device

    with guarded(output, force):
        samples_sheet(of, output, count, pixels, seed or 0, torch_device(device))
    Screen(False, False).say(f"made {output}")


@command(parent=prior)
def interpolate(
    *,
    of: PriorFile,
    first: Annotated[Path, typer.Argument(help="An image; what is transparent is not known.")],
    last: Annotated[Path, typer.Argument(help="Another one.")],
    output: Output,
    count: Annotated[int, typer.Option(help="Images, both ends among them.", min=2, max=100)] = 9,
    pixels: Pixels = 4,
    device: Device,
    force: Replace,
) -> None:
    """From one image to another in equal steps of their latent codes.

    Example: shapesiren prior interpolate runs/emoji a.png b.png -o between.png
    """
    from ..priors.latent_sheets import interpolation_sheet
    from ..stages.copies import guarded
    from ..stages.fit import torch_device

    with guarded(output, force, inputs=[first, last]):
        interpolation_sheet(of, first, last, output, count, pixels, torch_device(device))
    Screen(False, False).say(f"made {output}")


@command(parent=prior)
def nearest(
    *,
    of: PriorFile,
    image: Annotated[Path, typer.Argument(help="An image; what is transparent is not known.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A picture of them: .png .jpg.")] = None,
    count: Annotated[int, typer.Option(help="Training images.", min=1, max=100)] = 8,
    pixels: Pixels = 4,
    device: Device,
    force: Replace,
    as_json: Json,
) -> None:
    """The training images whose latent codes are nearest to that of an image: has it been seen, or is it made up?

    Example: shapesiren prior nearest runs/emoji few.png -o nearest.png
    """
    from ..priors.latent_sheets import nearest_sheet, nearest_signals
    from ..stages.copies import guarded
    from ..stages.fit import torch_device

    screen, where = Screen(False, as_json), torch_device(device)
    if output is None:
        which, far, _ = nearest_signals(of, image, count, where)
    else:
        with guarded(output, force, inputs=[image]):
            which, far = nearest_sheet(of, image, output, count, pixels, where)
        screen.say(f"made {output}")
    rows = [{"index": int(i), "distance": round(float(d), 6)} for i, d in zip(which, far, strict=True)]
    screen.result({"nearest": rows}, [f"training signal {row['index']}, distance {row['distance']:.4g}" for row in rows])


@command(parent=prior)
def data(
    *,
    name: Annotated[str | None, typer.Argument(help="A collection; without one, all are listed.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write it there.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="The package's file, or the font, instead of fetching it.")
    ] = None,
    force: Replace,
    as_json: Json,
) -> None:
    """Collections to train on, fetched from a package index and kept with their digests; without a name, a list.

    Example: shapesiren prior data emoji -o emoji.npz && shapesiren fit emoji.npz --task prior
    """
    from ..priors.datasets import DATASETS, data_set, described
    from ..runtime.files import write_atomically
    from ..stages.copies import guarded

    screen = Screen(False, as_json)
    if name is None:
        rows = [described(one) for one in DATASETS.values()]
        if not as_json:
            print_table(["name", "what", "here", "or"], [[r["name"], r["what"], r["here"], r["installs"]] for r in rows])
        screen.result({"collections": rows})
        return
    path = data_set(name, source, screen.say)
    if output is not None:
        with guarded(output, force):
            write_atomically(output, path.read_bytes())
    made = output or path
    screen.say(f"made {made}; next: shapesiren fit {made} --task prior")
    screen.result({"name": name, "file": str(made)})

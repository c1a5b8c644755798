"""``shapesiren simulate``: a virtual scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..lengths import millimetres
from . import names
from .app import command
from .options import Force, Json, Quiet
from .screen import Screen

LARGE = 5_000_000  # points from which on a scan of a shape is taken and written in chunks


@command()
def simulate(
    *,
    surface: Annotated[
        str, typer.Argument(help=f"A mesh file, city (a procedural one), or an analytic shape: {', '.join(names.SHAPES)}.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The scan: .ply .xyz .npy .npz .las .laz.")] = None,
    points: Annotated[int, typer.Option(help="Points, outliers included.", min=10)] = 100_000,
    spacing: Annotated[str, typer.Option(help="Of a city, between points; with their number it sets the size.")] = "5cm",
    noise: Annotated[
        str, typer.Option(help="Standard deviation, as a share of the longest side; of a city also a length, such as 5mm.")
    ] = "0",
    normal_noise: Annotated[float, typer.Option(help="Standard deviation added to the unit normals.", min=0)] = 0.0,
    outliers: Annotated[float, typer.Option(help="Share of points that lie anywhere.", min=0, max=0.99)] = 0.0,
    views: Annotated[int, typer.Option(help="Scan from this many viewpoints only; 0 sees everything.", min=0)] = 0,
    normals: Annotated[bool, typer.Option(help="Write normals (LAS and LAZ have none).")] = True,
    truth: Annotated[
        Path | None,
        typer.Option(help="No scan: how far this cloud or mesh lies from the exact surface that the same options make."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 0,
    force: Force,
    quiet: Quiet,
    as_json: Json = False,
) -> None:
    """A virtual scanner: samples of a surface with noise, outliers and occlusion.

    A city is taken and written in chunks, and so are shapes from 5 million points on, or as LAS: any number in the same memory.

    Example: shapesiren simulate trefoil -o scan.ply --noise 0.0025 --views 3
    Example: shapesiren simulate city --points 100000000 -o city.laz
    """
    from ..pointcloud.synthetic.shapes import SHAPES
    from ..pointcloud.synthetic.stream import CITY
    from ..stages.copies import refuse_foreign

    screen = Screen(quiet, as_json)
    if truth is not None:
        _measure(surface, truth, points, _metres(spacing), seed, screen)
        return
    if output is None:
        raise InputError("no file to write", where="simulate", hint="-o scan.ply, or --truth FILE to measure one")
    refuse_foreign(output, force, inputs=[Path(surface)])
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=output, hint=f"mkdir -p {output.parent}")
    survey = output.suffix.lower() in (".las", ".laz")
    streamed = surface == CITY or (surface in SHAPES and not views and (points >= LARGE or survey))
    if streamed:
        if views:
            raise InputError("a city is seen from everywhere", where="--views", hint="leave it out")
        _stream(surface, output, points, _metres(spacing), noise, normal_noise, outliers, normals, seed, screen)
    else:
        from ..pointcloud.synthetic.scanner import Scanner, scan, write_scan

        write_scan(output, scan(surface, Scanner(points, _share(noise), normal_noise, outliers, views, normals, seed)))
    screen.say(f"made {output}: {points:,} points; next: shapesiren fit {output}")


def _stream(
    name: str,
    output: Path,
    points: int,
    spacing: float,
    noise: str,
    normal_noise: float,
    outliers: float,
    normals: bool,
    seed: int,
    screen: Screen,
) -> None:
    from ..pointcloud.synthetic import stream

    surface = stream.surface_of(name, points, spacing, seed)
    side = float((surface.high - surface.low).max())
    deviation = _metres(noise, "--noise") if name == stream.CITY and noise[-1:].isalpha() else _share(noise) * side
    with screen.working("simulate"):
        chunks = stream.scan_chunks(surface, points, stream.Noise(deviation, normal_noise, outliers), seed)
        stream.write_chunks(output, chunks, points, surface, normals)


def _measure(name: str, path: Path, points: int, spacing: float, seed: int, screen: Screen) -> None:
    from dataclasses import asdict

    from ..pointcloud.io.read import read_cloud
    from ..pointcloud.synthetic import stream

    found = asdict(stream.deviations(stream.surface_of(name, points, spacing, seed), read_cloud(path), seed=seed))
    screen.result(
        {"truth": found},
        [
            f"{path}: from the exact surface {found['mean_absolute']:.4g} on average, RMS {found['rms']:.4g}, "
            f"95 % within {found['p95']:.4g}, all within {found['max']:.4g} ({found['points']:,} points)"
        ],
    )


def _metres(text: str, where: str = "--spacing") -> float:
    return millimetres(text, where) / 1000


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(
            f"{text!r} is no share of the longest side", where="--noise", hint="a number from 0 on, for example 0.0025"
        )
    return value

"""``shapesiren simulate``: a virtual scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .options import Force, Quiet
from .screen import Screen


@command()
def simulate(
    *,
    surface: Annotated[str, typer.Argument(help=f"A mesh file, or an analytic shape: {', '.join(names.SHAPES)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The scan: .ply .xyz .npy .npz.")],
    points: Annotated[int, typer.Option(help="Points, outliers included.", min=10)] = 100_000,
    noise: Annotated[float, typer.Option(help="Standard deviation, as a share of the longest side.", min=0)] = 0.0,
    normal_noise: Annotated[float, typer.Option(help="Standard deviation added to the unit normals.", min=0)] = 0.0,
    outliers: Annotated[float, typer.Option(help="Share of points that lie anywhere.", min=0, max=0.99)] = 0.0,
    views: Annotated[int, typer.Option(help="Scan from this many viewpoints only; 0 sees everything.", min=0)] = 0,
    normals: Annotated[bool, typer.Option(help="Write normals.")] = True,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 0,
    force: Force,
    quiet: Quiet,
) -> None:
    """A virtual scanner: samples of a surface with noise, outliers and occlusion.

    Example: shapesiren simulate trefoil -o scan.ply --noise 0.0025 --views 3
    """
    from ..pointcloud.synthetic.scanner import Scanner, scan, write_scan
    from ..stages.copies import refuse_foreign

    refuse_foreign(output, force, inputs=[Path(surface)])
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=output, hint=f"mkdir -p {output.parent}")
    cloud = scan(surface, Scanner(points, noise, normal_noise, outliers, views, normals, seed))
    write_scan(output, cloud)
    Screen(quiet, False).say(f"made {output}: {len(cloud.points):,} points; next: shapesiren fit {output}")

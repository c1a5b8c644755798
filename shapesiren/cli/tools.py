"""The commands beside runs: inspect, simulate, picture, export, doctor, diagnose."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import app
from .common import (
    FORMATS,
    ConfigFile,
    Device,
    Force,
    Intrinsics,
    Json,
    Preset,
    Quiet,
    RunFolder,
    Screen,
    Seed,
    Set,
    Surface,
    Viewpoint,
    numbers,
    open_run,
    scan_layers,
    settings_layers_of,
    task_of_sources,
)


@app.command()
def inspect(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help=FORMATS)],
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    viewpoint: Viewpoint = None,
    surface: Surface = None,
    intrinsics: Intrinsics = None,
    seed: Seed = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """What is in a file, before any work: points, spacing, noise, normals, openness, and what they lead to.

    Example: shapesiren inspect scan.ply
    """
    from ..config import resolve

    screen = Screen(False, as_json)
    layers = settings_layers_of(preset, config, set_, None, None, seed) + scan_layers(viewpoint, surface, intrinsics)
    task = task_of_sources(sources, layers)
    settings = resolve(task.config_type, task.presets, layers)

    from ..stages.fit import torch_device  # here, as torch comes with them
    from ..stages.inspect import inspect as inspect_stage

    facts = inspect_stage(task, sources, settings, torch_device(device), screen.say)
    screen.result(facts, task.summary("inspect", facts))


@app.command()
def simulate(
    surface: Annotated[
        str,
        typer.Argument(
            help="A mesh file, or an analytic shape: sphere, torus, box, plate, cylinder, holed_plate, two_spheres, trefoil."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The scan: .ply .xyz .npy .npz.")],
    points: Annotated[int, typer.Option(help="Points, outliers included.", min=10)] = 100_000,
    noise: Annotated[float, typer.Option(help="Standard deviation, as a share of the longest side.", min=0)] = 0.0,
    normal_noise: Annotated[float, typer.Option(help="Standard deviation added to the unit normals.", min=0)] = 0.0,
    outliers: Annotated[float, typer.Option(help="Share of points that lie anywhere.", min=0, max=0.99)] = 0.0,
    views: Annotated[int, typer.Option(help="Scan from this many viewpoints only; 0 sees everything.", min=0)] = 0,
    normals: Annotated[bool, typer.Option(help="Write normals.")] = True,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 0,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """A virtual scanner: samples of a surface with noise, outliers and occlusion.

    Example: shapesiren simulate trefoil -o scan.ply --noise 0.0025 --views 3
    """
    from ..pointcloud.synthetic.scanner import Scanner, scan, write_scan

    if output.exists() and not force:
        raise InputError("the file exists", where=output, hint="--force replaces it")
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=output, hint=f"mkdir -p {output.parent}")
    cloud = scan(surface, Scanner(points, noise, normal_noise, outliers, views, normals, seed))
    write_scan(output, cloud)
    Screen(quiet, False).say(f"made {output}: {len(cloud.points):,} points; next: shapesiren fit {output}")


@app.command()
def picture(
    files: Annotated[list[Path], typer.Argument(help="Meshes and scans, drawn side by side; or a run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: .png .jpg.")],
    size: Annotated[int, typer.Option(help="Pixels along each side of a panel.", min=16, max=4096)] = 640,
    azimuth: Annotated[float, typer.Option(help="Degrees round the vertical.")] = 30.0,
    elevation: Annotated[float, typer.Option(help="Degrees above the horizon.")] = 20.0,
    up: Annotated[str, typer.Option(help="The vertical axis: x, y or z.")] = "y",
    inside: Annotated[bool, typer.Option("--inside", help="See into rooms: leave out faces that look away.")] = False,
) -> None:
    """Draw meshes and scans without a display (ray casting, no OpenGL).

    Of a run: a shape's mesh beside its field, sphere traced; a fitted image, sound or video beside its original.

    Example: shapesiren picture scan.ply runs/scan/mesh.ply -o both.png
    """
    if len(files) == 1 and files[0].is_dir():
        from ..stages.context import run_context
        from ..stages.report import finished_run
        from ..stages.stage import require
        from ..stages.store import Run
        from ..tasks.base import View

        context = run_context(Run.open(files[0]), [])
        require(context.run, "ingest", "fit")
        require(context.run, "fit", "fit")
        context.task.picture(finished_run(context), output, View(size, azimuth, elevation, up, inside))
        print(f"made {output}", file=sys.stderr)
        return
    from ..reports.render import draw_files

    draw_files(files, output, size, azimuth, elevation, up, inside)
    print(f"made {output}", file=sys.stderr)


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file: .onnx .npz .nrrd .vti.")],
    run: RunFolder = None,
    resolution: Annotated[int, typer.Option(help="Samples along the longest side of a grid.")] = 128,
    gradient: Annotated[bool, typer.Option("--gradient", help="The ONNX file also gives the gradient.")] = False,
    as_json: Json = False,
) -> None:
    """Write a run's field for other programs: an ONNX graph, or signed distances on a grid (NPZ, NRRD, VTK).

    Example: shapesiren export runs/scan -o scan.nrrd --resolution 256
    """
    from ..export import check_export, export_field
    from ..stages.output import fitted_field

    check_export(output)
    screen = Screen(False, as_json)
    context = open_run(run, [], "cpu", screen, False)
    facts = export_field(fitted_field(context.run), output, resolution, gradient).tree()
    screen.say(f"made {output}: " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    screen.result({"file": str(output)} | facts)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine has, what is missing, and the command that mends it."""
    from ..doctor import examine

    found = examine()
    Screen(False, as_json).result(found.tree(), found.lines())
    if not found.healthy:
        raise typer.Exit(1)


@app.command()
def diagnose(
    run: RunFolder = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A picture: .png.")] = None,
    steps: Annotated[str, typer.Option(help="Steps at which the network is looked at.")] = "0,10,100,300",
    omega: Annotated[str | None, typer.Option(help="First omegas to compare, e.g. 10,30,90; else the run's own.")] = None,
    as_json: Json = False,
) -> None:
    """Statistics of activations and gradients by layer, at initialisation and during a new fit of a run's signal.

    Example: shapesiren diagnose runs/photo --omega 10,30,90 -o layers.png
    """
    from dataclasses import asdict

    import torch

    from ..config import resolve
    from ..fitting.diagnose import diagnose as look
    from ..fitting.diagnose import draw, table
    from ..stages.ingest import unpack
    from ..stages.stage import require

    screen = Screen(False, as_json)
    context = open_run(run, [], "cpu", screen, False)
    require(context.run, "ingest", "fit")
    at = [int(n) for n in numbers(steps, None, "--steps", "list of steps", "0,10,100")]
    signal = unpack(context.run.folder / context.task.cache)
    own = context.config.net.omega_first
    found = {}
    for value in numbers(omega, None, "--omega", "list of omegas", "10,30,90") if omega else [own]:
        tree = context.config.model_dump(exclude_none=True)
        layers = [("run", tree), ("--omega", {"net": {"omega_first": value}})]
        config = resolve(context.task.config_type, context.task.presets, layers)
        found[f"omega {value:g}"] = look(context.task(signal, config, torch.device("cpu")), at, config.seed)
    if output is not None:
        draw(found, output)
        screen.say(f"made {output}")
    lines = [line for name, rows in found.items() for line in (name, *table(rows))]
    screen.result({name: [asdict(s) for s in rows] for name, rows in found.items()}, lines)

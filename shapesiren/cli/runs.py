"""The commands that work on runs: ingest, fit, mesh, decode, evaluate, run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..runtime.threads import needed_soon
from .app import app
from .common import (
    FORMATS,
    OPEN,
    ConfigFile,
    Device,
    Force,
    Intrinsics,
    Json,
    Live,
    Net,
    OutDir,
    Port,
    Preset,
    Quiet,
    RunAndSettings,
    RunFolder,
    Screen,
    Seed,
    Set,
    Steps,
    Surface,
    TaskName,
    Time,
    Tracking,
    Viewpoint,
    chosen_run,
    open_run,
    scan_layers,
    setting_layers,
    settings_layers_of,
    split,
    stage_lines,
    task_of_run,
)

if TYPE_CHECKING:
    from ..stages.stage import Context


def ingest_and_fit(
    context: Context, sources: list[Path], screen: Screen, live: bool = False, tensorboard: bool = False, port: int = 8080
) -> dict[str, Any]:
    """Ingest the sources, if there are any, and fit; with the viewer and TensorBoard, where they are asked for."""
    from ..fitting.progress import TerminalBar, listener
    from ..fitting.tracking import TensorBoard
    from ..stages.ingest import ingest as ingest_stage
    from ..view.live import LiveView

    if live and context.task.output != "mesh":
        raise InputError(f"a fit of task {context.task.name} has no surface to watch", where="--live", hint="leave it out")
    board = TensorBoard(context.run.folder / "tensorboard") if tensorboard else None
    view = LiveView(context.run.folder, port, screen.say) if live else None
    try:
        if sources:
            needed_soon("shapesiren.stages.fit", "shapesiren.nets.cpu.kernels", "shapesiren.tasks.shape_loss_kernels")
            screen.stage(context, "ingest", ingest_stage(context, sources))

        from ..stages.fit import fit as fit_stage  # here, as torch comes with it

        progress = listener(screen.quiet)
        try:
            facts = fit_stage(context, [progress, *([board] if board else [])], snapshots=live)
        finally:
            if isinstance(progress, TerminalBar):
                progress.close()
            if board is not None:
                board.close()
    finally:
        if view is not None:
            view.close()
    screen.stage(context, "fit", facts)
    return facts


def write_output(context: Context, stage: str, copy: Path | None, screen: Screen) -> None:
    """Run the output stage, write a copy where one is asked for, and say so."""
    from ..stages.output import export
    from ..stages.output import output as output_stage

    if copy is not None:
        context.task.check_output(copy)
    with context.run.locked():
        facts = output_stage(context, stage)
        if copy is not None:
            export(context, copy)
    screen.stage(context, stage, facts)
    made = [str(context.run.folder / context.task.output_file)] + ([str(copy)] if copy else [])
    screen.say(f"made {' and '.join(made)}; next: shapesiren evaluate {context.run.folder}")
    screen.result({"run": str(context.run.folder), "files": made, stage: facts})


@app.command(context_settings=OPEN)
def ingest(
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=FORMATS)],
    out: OutDir = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    viewpoint: Viewpoint = None,
    surface: Surface = None,
    intrinsics: Intrinsics = None,
    task_name: TaskName = None,
    seed: Seed = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Only read a file into a run folder, to be fitted later or on another machine.

    Example: shapesiren ingest scan.ply, then: shapesiren fit runs/scan
    """
    from ..stages.context import context_for, default_folder, task_of_sources
    from ..stages.ingest import ingest as ingest_stage

    screen = Screen(quiet, as_json)
    sources, options = split(arguments)
    layers = settings_layers_of(preset, config, set_, None, None, seed, None, task_name) + scan_layers(
        viewpoint, surface, intrinsics
    )
    task = task_of_sources(sources, layers)
    layers += setting_layers(task, ("ingest",), options, ingest)
    context = context_for(task, out or default_folder(sources), layers, "cpu", screen.say, force)
    with context.run.locked():
        facts = ingest_stage(context, sources)
    screen.stage(context, "ingest", facts)
    screen.say(f"made {context.run.folder}; next: shapesiren fit {context.run.folder}")
    screen.result({"run": str(context.run.folder), "ingest": facts})


@app.command(context_settings=OPEN)
def fit(
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=f"{FORMATS} Or an ingested run.")],
    out: OutDir = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    viewpoint: Viewpoint = None,
    surface: Surface = None,
    intrinsics: Intrinsics = None,
    net: Net = None,
    task_name: TaskName = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    live: Live = False,
    port: Port = 8080,
    tensorboard: Tracking = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ingest a file and fit a field to it. The same command goes on where it was stopped.

    The file's kind chooses the task. Every setting of the task is an option too: --supervise gradient is
    --set ingest.supervise=gradient.

    Example: shapesiren fit scan.ply --preset fine
    """
    from ..stages.context import context_for, default_folder, is_run, task_of_sources

    screen = Screen(quiet, as_json)
    sources, options = split(arguments)
    layers = settings_layers_of(preset, config, set_, time, steps, seed, net, task_name) + scan_layers(
        viewpoint, surface, intrinsics
    )
    ingested = len(sources) == 1 and is_run(sources[0])
    if ingested:
        layers += setting_layers(task_of_run(sources[0]), ("ingest", "fit"), options, fit)
        context = open_run(sources[0], layers, device, screen, force)
    else:
        task = task_of_sources(sources, layers)
        layers += setting_layers(task, ("ingest", "fit"), options, fit)
        context = context_for(task, out or default_folder(sources), layers, device, screen.say, force)
    with context.run.locked():
        facts = ingest_and_fit(context, [] if ingested else sources, screen, live, tensorboard, port)
    screen.say(f"made {context.run.folder}; next: shapesiren {context.task.output} {context.run.folder}")
    screen.result({"run": str(context.run.folder), "fit": facts})


@app.command()
def mesh(
    run: RunFolder = None,
    resolution: Annotated[int | None, typer.Option(help="Cells along the longest side (default: 256 to 512).")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy: .ply .obj .stl .glb .off.")] = None,
    sharp: Annotated[bool | None, typer.Option("--sharp", help="Keep sharp edges sharp (dual contouring).")] = None,
    faces: Annotated[int | None, typer.Option(help="Decimate to about so many faces.")] = None,
    max_error: Annotated[float | None, typer.Option(help="Decimate as far as this distance allows.")] = None,
    fill_holes: Annotated[float | None, typer.Option(help="Leave trimmed holes up to this size filled.")] = None,
    smooth: Annotated[int | None, typer.Option(help="Rounds of Taubin smoothing.")] = None,
    largest: Annotated[int | None, typer.Option(help="Keep only so many components.")] = None,
    trim: Annotated[str | None, typer.Option(help="auto, on, or off: cut off what no point supports.")] = None,
    set_: Set = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Take the mesh from a fitted field, in the scan's own coordinates, and verify it.

    Example: shapesiren mesh runs/scan --resolution 512 -o scan.glb
    """
    from ..config import parse_assignments

    screen = Screen(quiet, as_json)
    layers = [("--set", parse_assignments(set_))] if set_ else []
    given = {
        "resolution": resolution,
        "sharp": sharp,
        "faces": faces,
        "max_error": max_error,
        "fill_holes": fill_holes,
        "smooth": smooth,
        "largest": largest,
        "trim": trim,
    }
    layers += [("--" + k.replace("_", "-"), {"mesh": {k: v}}) for k, v in given.items() if v is not None]
    context = open_run(run, layers, device, screen, force)
    write_output(context, "mesh", output, screen)


@app.command(context_settings=OPEN)
def decode(
    arguments: RunAndSettings = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy, in the format of its extension.")] = None,
    set_: Set = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a fitted signal back, at any size.

    Settings of the task's decoding are options: images take --scale 4, --size 2048x1536, --crop X,Y,WIDTH,HEIGHT.

    Example: shapesiren decode runs/photo --scale 4 -o large.png
    """
    from ..config import parse_assignments

    screen = Screen(quiet, as_json)
    folders, options = split(arguments or [])
    folder = chosen_run(folders, screen)
    layers = [("--set", parse_assignments(set_))] if set_ else []
    layers += setting_layers(task_of_run(folder), ("decode",), options, decode)
    context = open_run(folder, layers, device, screen, force)
    write_output(context, "decode", output, screen)


@app.command()
def evaluate(
    run: RunFolder = None,
    reference: Annotated[Path | None, typer.Option(help="The true surface: a mesh or a cloud.")] = None,
    set_: Set = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run's mesh and field against a reference, or against its own input.

    Example: shapesiren evaluate runs/scan --reference truth.ply --json
    """
    from ..config import parse_assignments

    screen = Screen(quiet, as_json)
    context = open_run(run, [("--set", parse_assignments(set_))] if set_ else [], device, screen, force)

    from ..stages.evaluate import evaluate as evaluate_stage  # here, as torch comes with it

    with context.run.locked():
        facts = evaluate_stage(context, reference)
    lines = stage_lines(context, "evaluate", facts)
    screen.result({"run": str(context.run.folder), "evaluate": facts}, lines)


@app.command("run", context_settings=OPEN)
def run_pipeline(
    pipeline: Annotated[Path, typer.Argument(help="Settings of all stages, as TOML.")],
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="The input; several registered scans are one.")],
    reference: Annotated[Path | None, typer.Option(help="The true surface, to evaluate against.")] = None,
    out: OutDir = None,
    preset: Preset = None,
    set_: Set = None,
    viewpoint: Viewpoint = None,
    surface: Surface = None,
    intrinsics: Intrinsics = None,
    net: Net = None,
    task_name: TaskName = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    live: Live = False,
    port: Port = 8080,
    tensorboard: Tracking = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """All stages in one go; what has not changed since the last time is skipped.

    Example: shapesiren run pipelines/scan.toml scan.ply
    """
    from ..stages.context import context_for, default_folder, task_of_sources

    screen = Screen(quiet, as_json)
    sources, options = split(arguments)
    layers = settings_layers_of(preset, pipeline, set_, time, steps, seed, net, task_name) + scan_layers(
        viewpoint, surface, intrinsics
    )
    task = task_of_sources(sources, layers)
    layers += setting_layers(task, ("ingest", "fit", task.output, "evaluate"), options, run_pipeline)
    context = context_for(task, out or default_folder(sources), layers, device, screen.say, force)
    with context.run.locked():
        output = context.task.output
        results = {"fit": ingest_and_fit(context, sources, screen, live, tensorboard, port)}

        from ..stages.evaluate import evaluate as evaluate_stage  # here, as torch comes with them
        from ..stages.output import output as output_stage
        from ..stages.report import report as report_stage

        results[output] = output_stage(context)
        screen.stage(context, output, results[output])
        results["evaluate"] = evaluate_stage(context, reference)
        screen.stage(context, "evaluate", results["evaluate"])
        results["report"] = report_stage(context, reference)
    files = sorted(p.name for p in context.run.folder.iterdir() if not p.name.startswith("."))
    screen.say(f"made {context.run.folder}: {' '.join(files)}")
    screen.result({"run": str(context.run.folder), **results})

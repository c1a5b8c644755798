"""The command line: parse, call, print. No logic.

torch, open3d and the rest are imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import InputError, Interrupted, ShapesirenError

if TYPE_CHECKING:
    from .stages.stage import Context

app = typer.Typer(
    name="shapesiren",
    help="From a scan to its surface, through a neural signed distance field.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: shapesiren fit scan.ply && shapesiren mesh",
)

# ---- Options that mean the same everywhere -------------------------------------------------------------
OutDir = Annotated[Path | None, typer.Option("--out", help="Run folder (default: runs/<name of the input>).")]
Preset = Annotated[str | None, typer.Option(help="fast, default, fine or paper.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, as TOML.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. fit.steps=2000.")]
Time = Annotated[str | None, typer.Option("--time", help="Fit for this long: 60s, 2m, 1h.")]
Steps = Annotated[int | None, typer.Option(help="Fit for this many steps.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Force = Annotated[bool, typer.Option("--force", help="Do it again, replacing what is there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]
RunFolder = Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Run folder (default: the newest in runs/).")]


def main() -> None:
    """Entry point: errors of ours become one line and an exit code."""
    try:
        app(standalone_mode=True)
    except ShapesirenError as e:
        print(f"{'stopped' if isinstance(e, Interrupted) else 'error'}: {e.line()}", file=sys.stderr)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def _version(show: bool) -> None:
    if show:
        print(f"shapesiren {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


class _Screen:
    """Lines for people go to stderr, results for scripts to stdout."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet, self.as_json = quiet, as_json

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def stage(self, context: Context, stage: str, facts: dict[str, Any]) -> None:
        lines = context.task.summary(stage, facts)
        for i, line in enumerate(lines):
            self.say(f"{stage + ':' if i == 0 else '':<10}{line}")

    def result(self, data: dict[str, Any]) -> None:
        if self.as_json:
            print(json.dumps(data, indent=1))


def _layers(
    preset: str | None, config: Path | None, assignments: list[str] | None, time: str | None, steps: int | None,
    seed: int | None,
) -> list[tuple[str, dict[str, Any]]]:  # fmt: skip
    from .config import parse_assignments, read_toml
    from .stages.context import settings_layers

    layers = [(str(config), read_toml(config))] if config else []
    layers += settings_layers(preset, None, None, None, None)
    if assignments:
        layers.append(("--set", parse_assignments(assignments)))
    return layers + settings_layers(None, None, steps, _seconds(time), seed)


def _seconds(text: str | None) -> float | None:
    """``90``, ``90s``, ``1.5m``, ``1h`` -> seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) == 0:
        raise InputError(f"{text!r} is no time", where="--time", hint="for example 60s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _fit(context: Context, source: Path | None, screen: _Screen) -> dict[str, Any]:
    """Ingest the source, if there is one, and fit."""
    from .fitting.progress import TerminalBar, listener
    from .stages.fit import fit as fit_stage
    from .stages.ingest import ingest as ingest_stage

    if source is not None:
        screen.stage(context, "ingest", ingest_stage(context, source))
    progress = listener(screen.quiet)
    try:
        facts = fit_stage(context, [progress])
    finally:
        if isinstance(progress, TerminalBar):
            progress.close()
    screen.stage(context, "fit", facts)
    return facts


def _folder(source: Path, out: Path | None) -> Path:
    from .stages.context import RUNS

    return out or RUNS / source.stem


@app.command()
def ingest(
    source: Annotated[Path, typer.Argument(help="Scan or mesh: PLY PCD XYZ PTS OBJ STL OFF GLB NPZ NPY.")],
    out: OutDir = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    seed: Seed = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Only read a file into a run folder, to be fitted later or on another machine.

    Example: shapesiren ingest scan.ply, then: shapesiren fit runs/scan
    """
    from .stages.context import context_for
    from .stages.ingest import ingest as ingest_stage
    from .tasks import task_for

    screen = _Screen(quiet, as_json)
    _check_source(source)
    layers = _layers(preset, config, set_, None, None, seed)
    context = context_for(task_for(source), _folder(source, out), layers, "cpu", screen.say, force)
    with context.run.locked():
        facts = ingest_stage(context, source)
    screen.stage(context, "ingest", facts)
    screen.say(f"made {context.run.folder}; next: shapesiren fit {context.run.folder}")
    screen.result({"run": str(context.run.folder), "ingest": facts})


@app.command()
def fit(
    source: Annotated[Path, typer.Argument(help="Scan or mesh (PLY PCD XYZ PTS OBJ STL OFF GLB NPZ NPY), or an ingested run.")],
    out: OutDir = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ingest a file and fit a field to it. The same command goes on where it was stopped.

    Example: shapesiren fit scan.ply --preset fine
    """
    from .stages.context import context_for, is_run
    from .tasks import task_for

    screen = _Screen(quiet, as_json)
    layers = _layers(preset, config, set_, time, steps, seed)
    if is_run(source):
        context = _open(source, layers, device, screen, force)
    else:
        _check_source(source)
        context = context_for(task_for(source), _folder(source, out), layers, device, screen.say, force)
    with context.run.locked():
        facts = _fit(context, None if is_run(source) else source, screen)
    screen.say(f"made {context.run.folder}; next: shapesiren {context.task.output} {context.run.folder}")
    screen.result({"run": str(context.run.folder), "fit": facts})


def _check_source(source: Path) -> None:
    """Before any folder is made for it."""
    if source.is_dir():
        raise InputError("this is a folder", where=source, hint="name a file in it")
    if not source.exists():
        raise InputError("no such file", where=source)


def _open(run: Path | None, layers: list[tuple[str, dict[str, Any]]], device: str, screen: _Screen, force: bool) -> Context:
    from .stages.context import RUNS, run_context
    from .stages.store import Run

    opened = Run.open(run) if run is not None else Run.newest(RUNS)
    if run is None:
        screen.say(f"run: {opened.folder}")
    return run_context(opened, layers, device, screen.say, force)


@app.command()
def mesh(
    run: RunFolder = None,
    resolution: Annotated[int | None, typer.Option(help="Cells along the longest side (default 256).")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy: .ply .obj .stl .glb .off.")] = None,
    set_: Set = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Take the mesh from a fitted field, in the scan's own coordinates, and verify it.

    Example: shapesiren mesh runs/scan --resolution 512 -o scan.glb
    """
    from .config import parse_assignments
    from .stages.output import export
    from .stages.output import output as output_stage

    screen = _Screen(quiet, as_json)
    layers = [("--set", parse_assignments(set_))] if set_ else []
    if resolution is not None:
        layers.append(("--resolution", {"mesh": {"resolution": resolution}}))
    context = _open(run, layers, device, screen, force)
    if output is not None:
        context.task.check_output(output)
    with context.run.locked():
        facts = output_stage(context)
        if output is not None:
            export(context, output)
    screen.stage(context, "mesh", facts)
    made = [str(context.run.folder / context.task.output_file)] + ([str(output)] if output else [])
    screen.say(f"made {' and '.join(made)}; next: shapesiren evaluate {context.run.folder}")
    screen.result({"run": str(context.run.folder), "files": made, "mesh": facts})


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
    from .config import parse_assignments
    from .stages.evaluate import evaluate as evaluate_stage

    screen = _Screen(quiet, as_json)
    context = _open(run, [("--set", parse_assignments(set_))] if set_ else [], device, screen, force)
    with context.run.locked():
        facts = evaluate_stage(context, reference)
    screen.stage(context, "evaluate", facts)
    screen.result({"run": str(context.run.folder), "evaluate": facts})


@app.command("run")
def run_pipeline(
    pipeline: Annotated[Path, typer.Argument(help="Settings of all stages, as TOML.")],
    source: Annotated[Path, typer.Argument(help="The input.")],
    reference: Annotated[Path | None, typer.Option(help="The true surface, to evaluate against.")] = None,
    out: OutDir = None,
    preset: Preset = None,
    set_: Set = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """All stages in one go; what has not changed since the last time is skipped.

    Example: shapesiren run pipelines/scan.toml scan.ply
    """
    from .stages.context import context_for
    from .stages.evaluate import evaluate as evaluate_stage
    from .stages.output import output as output_stage
    from .tasks import TASKS, task_for

    screen = _Screen(quiet, as_json)
    layers = _layers(preset, pipeline, set_, time, steps, seed)
    _check_source(source)
    named = next((tree["task"] for _, tree in layers if "task" in tree), None)
    task = TASKS[named] if named in TASKS else task_for(source)
    context = context_for(task, _folder(source, out), layers, device, screen.say, force)
    with context.run.locked():
        results = {"fit": _fit(context, source, screen), task.output: output_stage(context)}
        screen.stage(context, task.output, results[task.output])
        results["evaluate"] = evaluate_stage(context, reference)
        screen.stage(context, "evaluate", results["evaluate"])
    files = sorted(p.name for p in context.run.folder.iterdir() if not p.name.startswith("."))
    screen.say(f"made {context.run.folder}: {' '.join(files)}")
    screen.result({"run": str(context.run.folder), **results})


@app.command()
def simulate(
    surface: Annotated[str, typer.Argument(help="A mesh file, or an analytic shape: sphere, torus, box, plate, cylinder, "
                                                "holed_plate, two_spheres, trefoil.")],
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
) -> None:  # fmt: skip
    """A virtual scanner: samples of a surface with noise, outliers and occlusion.

    Example: shapesiren simulate trefoil -o scan.ply --noise 0.0025 --views 3
    """
    from .signals.scanner import Scanner, scan, write_scan

    if output.exists() and not force:
        raise InputError("the file exists", where=output, hint="--force replaces it")
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=output, hint=f"mkdir -p {output.parent}")
    cloud = scan(surface, Scanner(points, noise, normal_noise, outliers, views, normals, seed))
    write_scan(output, cloud)
    _Screen(quiet, False).say(f"made {output}: {len(cloud.points):,} points; next: shapesiren fit {output}")


@app.command()
def picture(
    files: Annotated[list[Path], typer.Argument(help="Meshes and scans, drawn side by side.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: .png .jpg.")],
    size: Annotated[int, typer.Option(help="Pixels along each side of a panel.", min=16, max=4096)] = 640,
    azimuth: Annotated[float, typer.Option(help="Degrees round the vertical.")] = 30.0,
    elevation: Annotated[float, typer.Option(help="Degrees above the horizon.")] = 20.0,
    up: Annotated[str, typer.Option(help="The vertical axis: x, y or z.")] = "y",
) -> None:
    """Draw meshes and scans without a display (ray casting, no OpenGL).

    Example: shapesiren picture scan.ply runs/scan/mesh.ply -o both.png
    """
    from .report.picture import draw_files

    draw_files(files, output, size, azimuth, elevation, up)
    print(f"made {output}", file=sys.stderr)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine has, what is missing, and the command that mends it."""
    from .doctor import examine

    facts, lines, healthy = examine()
    screen = _Screen(False, as_json)
    for line in lines:
        screen.say(line)
    screen.result(facts)
    if not healthy:
        raise typer.Exit(1)

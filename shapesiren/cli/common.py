"""What the commands share: options that mean the same everywhere, the screen, and how options become settings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from ..stages.stage import Context
    from ..tasks.base import Task

# Settings may be given as options: unknown ones come through with the other arguments, see `split`.
OPEN = {"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}

# ---- Options that mean the same everywhere -------------------------------------------------------------
OutDir = Annotated[Path | None, typer.Option("--out", help="Run folder (default: runs/<name of the input>).")]
Preset = Annotated[str | None, typer.Option(help="fast, default, fine or paper.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, as TOML.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. fit.steps=2000.")]
FORMATS = (
    "Scan or mesh: PLY PCD XYZ PTS OBJ STL OFF GLB NPZ NPY LAS LAZ E57; several registered scans are one input. "
    "Image: PNG JPEG TIFF WebP BMP."
)
TaskName = Annotated[
    str | None, typer.Option("--task", help="shape, image, composite, audio, video, if the file does not tell.")
]
Net = Annotated[str | None, typer.Option("--net", help="siren, or relu tanh relu-pe rff finer wire gaussian to compare with.")]
Viewpoint = Annotated[str | None, typer.Option("--viewpoint", metavar="X,Y,Z", help="Where the scanner stood.")]
Intrinsics = Annotated[str | None, typer.Option("--intrinsics", metavar="FX,FY,CX,CY", help="The input is a depth image.")]
Surface = Annotated[str | None, typer.Option("--surface", help="auto, closed, or open: trimmed where no point is.")]
Time = Annotated[str | None, typer.Option("--time", help="Fit for this long: 60s, 2m, 1h.")]
Steps = Annotated[int | None, typer.Option(help="Fit for this many steps.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Force = Annotated[bool, typer.Option("--force", help="Do it again, replacing what is there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Live = Annotated[bool, typer.Option("--live", help="Watch the surface form, in the browser.")]
Port = Annotated[int, typer.Option("--port", help="Of the viewer's page; the next free one if it is taken.", min=1, max=65535)]
Tracking = Annotated[bool, typer.Option("--tensorboard", help="Write RUN/tensorboard too.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]
RunAndSettings = Annotated[list[str] | None, typer.Argument(metavar="[RUN]", help="Run folder (default: the newest in runs/).")]
RunFolder = Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Run folder (default: the newest in runs/).")]


class Screen:
    """Lines for people go to stderr, results to stdout."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet, self.as_json = quiet, as_json

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def stage(self, context: Context, stage: str, facts: dict[str, Any]) -> None:
        for line in stage_lines(context, stage, facts):
            self.say(line)

    def result(self, data: dict[str, Any], lines: Sequence[str] = ()) -> None:
        """What a command was asked for, and its ``lines`` for people, which have stdout if JSON does not take it."""
        if not self.quiet:
            for line in lines:
                print(line, file=sys.stderr if self.as_json else sys.stdout)
        if self.as_json:
            print(json.dumps(data, indent=1))


def stage_lines(context: Context, stage: str, facts: dict[str, Any]) -> list[str]:
    """What a stage came to, for people."""
    return [f"{stage + ':' if i == 0 else '':<10}{line}" for i, line in enumerate(context.task.summary(stage, facts))]


def settings_layers_of(
    preset: str | None,
    config: Path | None,
    assignments: list[str] | None,
    time: str | None,
    steps: int | None,
    seed: int | None,
    net: str | None = None,
    task: str | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    from ..config import parse_assignments, read_toml
    from ..stages.context import settings_layers

    layers = [(str(config), read_toml(config))] if config else []
    layers += settings_layers(preset, None, None, None, None)
    if assignments:
        layers.append(("--set", parse_assignments(assignments)))
    if task is not None:
        layers.append(("--task", {"task": task}))
    if net is not None:
        layers.append(("--net", {"net": {"kind": net}}))
    return layers + settings_layers(None, None, steps, seconds_of(time), seed)


def seconds_of(text: str | None) -> float | None:
    """``90``, ``90s``, ``1.5m``, ``1h`` -> seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) == 0:
        raise InputError(f"{text!r} is no time", where="--time", hint="for example 60s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def scan_layers(viewpoint: str | None, surface: str | None, intrinsics: str | None) -> list[tuple[str, dict[str, Any]]]:
    """What the options about a scan come to, as layers of settings."""
    layers: list[tuple[str, dict[str, Any]]] = []
    if viewpoint is not None:
        position = numbers(viewpoint, 3, "--viewpoint", "position", "1.5,0,2")
        layers.append(("--viewpoint", {"ingest": {"viewpoint": position}}))
    if surface is not None:
        layers.append(("--surface", {"ingest": {"surface": surface}}))
    if intrinsics is not None:
        camera = numbers(intrinsics, 4, "--intrinsics", "camera", "525,525,319.5,239.5")
        layers.append(("--intrinsics", {"ingest": {"intrinsics": camera}}))
    return layers


def numbers(text: str, count: int | None, option: str, what: str, example: str) -> list[float]:
    try:
        values = [float(v) for v in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if not values or count not in (None, len(values)):
        raise InputError(f"{text!r} is no {what}", where=option, hint=f"for example {example}")
    return values


def chosen_run(folders: list[Path], screen: Screen) -> Path:
    """The run folder that was named, or the newest."""
    from ..stages.context import RUNS
    from ..stages.store import Run

    if len(folders) > 1:
        raise InputError("one run at a time", where=folders[1])
    if folders:
        return folders[0]
    newest = Run.newest(RUNS).folder
    screen.say(f"run: {newest}")
    return newest


def open_run(run: Path | None, layers: list[tuple[str, dict[str, Any]]], device: str, screen: Screen, force: bool) -> Context:
    from ..stages.context import run_context
    from ..stages.store import Run

    folder = chosen_run([run] if run is not None else [], screen)
    return run_context(Run.open(folder), layers, device, screen.say, force)


def task_of_run(folder: Path) -> type[Task]:
    """What a run folder is a fit of."""
    from ..stages.stage import stored_config
    from ..stages.store import Run

    return stored_config(Run.open(folder), [])[0]


# ---- Settings as options -------------------------------------------------------------------------------
def split(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    """Arguments of an `OPEN` command -> files, and the options it did not know, by name."""
    files: list[Path] = []
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if word.startswith("-") and len(word) > 1 and not Path(word).exists():
                raise InputError(f"unknown option {word}", hint="--help lists them")
            files.append(Path(word))
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        options[name] = value
    return files, options


def setting_layers(
    task: type[Task], stages: tuple[str, ...], options: dict[str, str], command: Callable[..., None]
) -> list[tuple[str, dict[str, Any]]]:
    """Options that are settings of these stages of the task, as layers: ``--scale 4`` is ``--set decode.scale=4``.

    ``command`` is the one that did not know them; its own options are among those that a slip may have meant.
    """
    import difflib
    import inspect

    from ..config import parse_assignments

    sections = [s for stage in stages for s in task.sections[stage] if s in task.config_type.model_fields]
    known: dict[str, list[str]] = {}
    for section in dict.fromkeys(sections):
        for name in getattr(task.config_type.model_fields[section].annotation, "model_fields", {}):
            known.setdefault(name.replace("_", "-"), []).append(section)
    layers = []
    for name, value in options.items():
        homes = known.get(name, [])
        if not homes and not known:
            raise InputError(f"unknown option --{name}", hint=f"a run of task {task.name} has no {' or '.join(stages)}")
        if not homes:
            own = [p.strip("_").removeprefix("as_").replace("_", "-") for p in inspect.signature(command).parameters]
            near = difflib.get_close_matches(name, [*known, *own], 1, 0.6)
            hint = f"did you mean --{near[0]}?" if near else f"settings of this {task.name} task: --{' --'.join(sorted(known))}"
            raise InputError(f"unknown option --{name}", hint=hint)
        if len(homes) > 1:
            raise InputError(
                f"--{name} could mean {' or '.join(f'{h}.{name}' for h in homes)}", hint=f"--set {homes[0]}.{name}=..."
            )
        listed = f"[{value}]" if re.fullmatch(r"[-+.\deE]+(,[-+.\deE]+)+", value) else value
        layers.append((f"--{name}", parse_assignments([f"{homes[0]}.{name.replace('-', '_')}={listed}"])))
    return layers

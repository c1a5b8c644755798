"""Options that several commands share, each declared once; groups of them; and what they come to as layers of settings.

A command takes a single option, or a group as one parameter; see `composed`. Layers are (origin, tree) pairs for
`config.resolve`: later ones win, and the origin is named in errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from . import names
from .composed import Default
from .screen import Screen

if TYPE_CHECKING:
    from ..runtime.workers import Workers

Layers = list[tuple[str, dict[str, Any]]]


def load_plugins(given: list[str] | None) -> list[str] | None:
    """Load what ``--plugin`` names as soon as the command line is read, before anything asks what there is."""
    from .. import plugins

    for name in given or ():
        plugins.load(name)
    return given


# ---- Single options ------------------------------------------------------------------------------------
_RUN = typer.Argument(metavar="[RUN]", help="Run folder (default: the newest in runs/).")
RunFolder = Annotated[Path | None, _RUN, Default(None)]
RunFolderAndSettings = Annotated[list[str] | None, _RUN, Default(None)]  # where settings are options
OutDir = Annotated[Path | None, typer.Option("--out", help="Run folder (default: runs/<name of the input>)."), Default(None)]
Net = Annotated[
    str | None,
    typer.Option("--net", help=f"{', '.join(names.NETWORKS[:3])}, or {' '.join(names.NETWORKS[3:])} to compare with."),
    Default(None),
]
TaskName = Annotated[
    str | None, typer.Option("--task", help=f"{', '.join(names.TASKS)}, if the file does not tell."), Default(None)
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random."), Default(None)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps."), Default("auto")]
Port = Annotated[
    int,
    typer.Option("--port", help="Of the viewer's page; the next free one if it is taken.", min=1, max=65535),
    Default(8080),
]
For = Annotated[
    str | None, typer.Option("--for", help=f"What the result is for: {names.choice(names.PROFILES)}."), Default(None)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. fit.steps=2000."), Default(None)
]
Plugin = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE.py", help="Code of your own: networks, losses, formats.", callback=load_plugins),
    Default(None),
]
Force = Annotated[bool, typer.Option("--force", help="Do it again, replacing what is there."), Default(False)]
Replace = Annotated[bool, typer.Option("--force", help="Replace a file that is there."), Default(False)]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit with 1 after all is written, if the mesh is not the surface of its points."),
    Default(False),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors."), Default(False)]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON."), Default(False)]


# ---- Groups --------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """A preset, a file and single settings."""

    preset: Annotated[str | None, typer.Option("--preset", help=f"{names.choice(names.PRESETS)}.")] = None
    profile: For
    config: Annotated[Path | None, typer.Option("--config", help="Settings, as TOML.")] = None
    set_: Set
    plugin: Plugin

    def layers(self, pipeline: Path | None = None) -> Layers:
        """``pipeline``: a file of settings that stands in for ``--config``."""
        from ..config import read_toml
        from ..plugins import load_named
        from ..stages.context import settings_layers

        file = pipeline or self.config
        layers = [(str(file), load_named(read_toml(file), file, file.parent))] if file else []
        layers += [("--for", {"profile": self.profile})] if self.profile is not None else []
        return layers + settings_layers(self.preset, None, None, None, None) + assigned(self.set_)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Who does the tiles of a large run."""

    engine: Annotated[
        str, typer.Option("--engine", help="Of a large run's tiles: serial, or ray on this machine or a cluster.")
    ] = "serial"
    address: Annotated[str | None, typer.Option("--address", help="Of a Ray cluster to join: auto, or HOST:PORT.")] = None
    workers: Annotated[
        int | None, typer.Option("--workers", help="Tiles at a time (serial: 1; ray: as the cluster has cores).", min=1)
    ] = None
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="K/N", help="Only the K-th of N parts of a large run's tiles, for job arrays."),
    ] = None

    def chosen(self) -> Workers:
        """Raises InputError if they do not go together."""
        from ..runtime.workers import Workers

        return Workers(self.engine, self.workers, address=self.address)


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """What is known of a scan and does not stand in its file."""

    viewpoint: Annotated[str | None, typer.Option("--viewpoint", metavar="X,Y,Z", help="Where the scanner stood.")] = None
    surface: Annotated[str | None, typer.Option("--surface", help="auto, closed, or open: trimmed where no point is.")] = None
    intrinsics: Annotated[
        str | None, typer.Option("--intrinsics", metavar="FX,FY,CX,CY", help="The input is a depth image.")
    ] = None
    box: Annotated[str | None, typer.Option("--box", metavar="X0,Y0,Z0,X1,Y1,Z1", help="Only what lies in it.")] = None
    polygon: Annotated[
        Path | None, typer.Option("--polygon", help="Only what lies in its polygons: GeoJSON, WKT, or x y of each corner.")
    ] = None
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="NAME,...", help="Only these classes: ground,building or 2,6.")
    ] = None
    every: Annotated[int | None, typer.Option("--every", metavar="N", help="Only each Nth point, of those selected.")] = None
    units: Annotated[
        str | None,
        typer.Option("--units", help=f"Of its lengths: {names.choice(names.UNITS)}; else as its format says."),
    ] = None
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="X,Y,Z,...", help="What the columns of a table are; _ skips one.")
    ] = None

    def layers(self) -> Layers:
        layers: Layers = []
        if self.columns is not None:
            layers.append(("--columns", {"ingest": {"columns": self.columns}}))
        if self.box is not None:
            layers.append(("--box", {"ingest": {"box": box_of(self.box)}}))
        given = {
            "polygon": None if self.polygon is None else str(self.polygon),
            "classes": self.classes,
            "every": self.every,
            "units": self.units,
        }
        layers += [(f"--{name}", {"ingest": {name: value}}) for name, value in given.items() if value is not None]
        if self.viewpoint is not None:
            position = numbers(self.viewpoint, 3, "--viewpoint", "position", "1.5,0,2")
            layers.append(("--viewpoint", {"ingest": {"viewpoint": position}}))
        if self.surface is not None:
            layers.append(("--surface", {"ingest": {"surface": self.surface}}))
        if self.intrinsics is not None:
            camera = numbers(self.intrinsics, 4, "--intrinsics", "camera", "525,525,319.5,239.5")
            layers.append(("--intrinsics", {"ingest": {"intrinsics": camera}}))
        return layers


@dataclass(frozen=True, kw_only=True)
class LengthOptions:
    """How long a fit takes."""

    time: Annotated[str | None, typer.Option("--time", help="Fit for this long: 60s, 2m, 1h.")] = None
    steps: Annotated[int | None, typer.Option("--steps", help="Fit for this many steps.")] = None

    def layers(self) -> Layers:
        from ..stages.context import settings_layers

        return settings_layers(None, None, self.steps, seconds_of(self.time), None)


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Who looks on while a field is fitted."""

    live: Annotated[bool, typer.Option("--live", help="Watch the surface form, in the browser.")] = False
    port: Port
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write RUN/tensorboard too.")] = False


@dataclass(frozen=True, kw_only=True)
class ScreenOptions:
    """What is printed."""

    quiet: Quiet
    as_json: Json

    def screen(self) -> Screen:
        return Screen(self.quiet, self.as_json)


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """What every command takes that does one stage of a run."""

    set_: Set
    plugin: Plugin
    device: Device
    force: Force
    printing: ScreenOptions

    def layers(self) -> Layers:
        return assigned(self.set_)


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What every command takes that fits one input."""

    out: OutDir
    settings: SettingsOptions
    scan: ScanOptions
    net: Net
    task: TaskName
    prior: Annotated[
        Path | None,
        typer.Option("--prior", help="A run of task prior, or its file, or builtin, for scans: it completes the input."),
    ] = None
    length: LengthOptions
    seed: Seed
    device: Device
    watch: WatchOptions
    force: Force
    printing: ScreenOptions

    def layers(self, pipeline: Path | None = None) -> Layers:
        """``pipeline``: see `SettingsOptions.layers`."""
        return [
            *self.settings.layers(pipeline),
            *task_layers(self.task),
            *([("--net", {"net": {"kind": self.net}})] if self.net is not None else []),
            *([("--prior", {"fit": {"prior": str(self.prior)}})] if self.prior is not None else []),
            *self.length.layers(),
            *seed_layers(self.seed),
            *self.scan.layers(),
        ]


# ---- From options to settings --------------------------------------------------------------------------
def assigned(assignments: Sequence[str] | None) -> Layers:
    """What ``--set`` comes to."""
    from ..config import parse_assignments
    from ..plugins import load_named

    return [("--set", load_named(parse_assignments(assignments), "--set"))] if assignments else []


def task_layers(task: str | None) -> Layers:
    return [("--task", {"task": task})] if task is not None else []


def seed_layers(seed: int | None) -> Layers:
    return [("--seed", {"seed": seed})] if seed is not None else []


def seconds_of(text: str | None) -> float | None:
    """``90``, ``90s``, ``1.5m``, ``1h`` -> seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) == 0:
        raise InputError(f"{text!r} is no time", where="--time", hint="for example 60s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def box_of(text: str) -> list[float]:
    """The two corners of a box."""
    return numbers(text, 6, "--box", "box", "0,0,0,10,10,3")


def numbers(text: str, count: int | None, option: str, what: str, example: str) -> list[float]:
    """``count`` numbers (None: one or more) that an option gives, between commas or spaces.

    ``what`` they are together and an ``example`` are named in the InputError that anything else is.
    """
    try:
        values = [float(v) for v in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if not values or count not in (None, len(values)):
        raise InputError(f"{text!r} is no {what}", where=option, hint=f"for example {example}")
    return values

"""``shapesiren inspect``: what is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import names
from .app import command
from .options import Device, Json, ScanOptions, Seed, SettingsOptions, seed_layers
from .screen import Screen


@command()
def inspect(
    *,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help=names.input_files())],
    settings: SettingsOptions,
    scan: ScanOptions,
    seed: Seed,
    device: Device,
    as_json: Json,
) -> None:
    """What is in a file, before any work: points, spacing, noise, normals, openness, and what they lead to.

    Example: shapesiren inspect scan.ply
    """
    from .. import plugins
    from ..config import resolve
    from ..stages.context import say_profile, task_of_sources

    screen = Screen(False, as_json)
    layers = settings.layers() + seed_layers(seed) + scan.layers()
    task = task_of_sources(sources, layers)
    config = resolve(task.config_type, task.presets, [*plugins.layers(), *layers])
    say_profile(config, screen.say)

    from ..stages.fit import torch_device  # here, as torch comes with them
    from ..stages.inspect import inspect as inspect_stage

    facts = inspect_stage(task, sources, config, torch_device(device), screen.say)
    screen.result(facts, task.summary("inspect", facts))

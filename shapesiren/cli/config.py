"""``shapesiren config show`` and ``config schema``: the settings that a fit would use, and what settings there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import HELP_NAMES, app, command
from .options import LengthOptions, Seed, SettingsOptions, TaskName, seed_layers, task_layers

config = typer.Typer(
    help="The settings that a fit would use, or their schema.", no_args_is_help=True, context_settings=HELP_NAMES
)
app.add_typer(config, name="config")


@command(parent=config)
def show(
    *,
    source: Annotated[Path | None, typer.Argument(help="A run, or an input file whose kind tells the task.")] = None,
    settings: SettingsOptions,
    task: TaskName,
    length: LengthOptions,
    seed: Seed,
) -> None:
    """Print all settings, resolved, as TOML that --config takes back.

    Example: shapesiren config show --preset fine > fine.toml
    """
    from .. import plugins
    from ..config import resolve, to_toml
    from ..stages.context import is_run
    from ..stages.stage import stored_config
    from ..stages.store import Run
    from ..tasks import task_for

    layers = settings.layers()
    layers = plugins.layers() + layers + task_layers(task) + length.layers() + seed_layers(seed)
    if source is not None and is_run(source):
        print(to_toml(stored_config(Run.open(source), layers)[1]), end="")
        return
    kind = task_for(source or Path("scan.ply"), layers)
    print(to_toml(resolve(kind.config_type, kind.presets, layers)), end="")


@command(parent=config)
def schema(*, task: Annotated[str, typer.Argument(help=f"{names.choice(names.TASKS)}.")] = "shape") -> None:
    """Print the JSON schema of a task's settings: names, types, ranges, defaults, descriptions.

    Example: shapesiren config schema image
    """
    from ..tasks import TASKS

    if task not in TASKS:
        raise InputError(f"unknown task {task!r}", where="config schema", hint=f"known: {', '.join(TASKS)}")
    print(json.dumps(TASKS[task].config_type.model_json_schema(), indent=1))

"""The commands that show settings: config show, config schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import app
from .common import ConfigFile, Preset, Seed, Set, Steps, TaskName, Time, settings_layers_of

config_app = typer.Typer(
    help="The settings that a fit would use, or their schema.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config_app, name="config")


@config_app.command()
def show(
    source: Annotated[Path | None, typer.Argument(help="A run, or an input file whose kind tells the task.")] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    task_name: TaskName = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = None,
) -> None:
    """Print all settings, resolved, as TOML that --config takes back.

    Example: shapesiren config show --preset fine > fine.toml
    """
    from ..config import resolve, to_toml
    from ..stages.context import is_run
    from ..stages.stage import stored_config
    from ..stages.store import Run
    from ..tasks import task_for

    layers = settings_layers_of(preset, config, set_, time, steps, seed, None, task_name)
    if source is not None and is_run(source):
        print(to_toml(stored_config(Run.open(source), layers)[1]), end="")
        return
    task = task_for(source or Path("scan.ply"), layers)
    print(to_toml(resolve(task.config_type, task.presets, layers)), end="")


@config_app.command()
def schema(task: Annotated[str, typer.Argument(help="shape, image, composite, audio or video.")] = "shape") -> None:
    """Print the JSON schema of a task's settings: names, types, ranges, defaults, descriptions.

    Example: shapesiren config schema image
    """
    from ..tasks import TASKS

    if task not in TASKS:
        raise InputError(f"unknown task {task!r}", where="config schema", hint=f"known: {', '.join(TASKS)}")
    print(json.dumps(TASKS[task].config_type.model_json_schema(), indent=1))

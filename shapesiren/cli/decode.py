"""``shapesiren decode``: a fitted image, sound, video or solution as a file again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import command
from .existing_run import chosen_run, of_newest, open_for_stage, task_of_run
from .options import RunFolderAndSettings, StageOptions
from .settings_as_options import setting_layers, split
from .write_output import write_output


@command(settings_are_options=True)
def decode(
    *,
    arguments: RunFolderAndSettings,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy, in the format of its extension.")] = None,
    stage: StageOptions,
) -> None:
    """Write a fitted signal back, at any size.

    Settings of the task's decoding are options: images take --scale 4, --size 2048x1536, --crop X,Y,WIDTH,HEIGHT.

    Example: shapesiren decode runs/photo --scale 4 -o large.png
    """
    screen = stage.printing.screen()
    folders, options = split(arguments or [])
    if len(folders) > 1:
        raise InputError("one run at a time", where=folders[1])
    folder = chosen_run(folders[0] if folders else None, screen)
    layers = setting_layers(task_of_run(folder), ("decode",), options, decode)
    context = open_for_stage(folder, layers, stage)
    write_output(context if folders else of_newest(context), "decode", output, screen)

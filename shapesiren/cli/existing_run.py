"""The run that a command works on: the folder that was named, or the newest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .options import Layers, StageOptions
from .screen import Screen

if TYPE_CHECKING:
    from ..stages.stage import Context
    from ..tasks.base import Task


def chosen_run(folder: Path | None, screen: Screen) -> Path:
    """The run folder that was named, or the newest, which is then said."""
    from ..stages.context import RUNS
    from ..stages.store import Run

    if folder is not None:
        return folder
    newest = Run.newest(RUNS).folder
    screen.say(f"run: {newest}")
    return newest


def open_run(folder: Path | None, layers: Layers, screen: Screen, device: str = "cpu", force: bool = False) -> Context:
    """The run of this folder, or the newest, with ``layers`` on top of its settings."""
    from ..stages.context import run_context
    from ..stages.store import Run

    chosen = chosen_run(folder, screen)
    context = run_context(Run.open(chosen), layers, device, screen.say, force)
    return context if folder is not None else of_newest(context)


def of_newest(context: Context) -> Context:
    """The same, where the command was given no folder: the manifest is to name the run."""
    from ..stages.store import invocation

    return replace(context, command=invocation(context.run.folder))


def open_for_stage(folder: Path | None, layers: Layers, stage: StageOptions) -> Context:
    """`open_run` for a command that does one stage; ``layers``: what it was given beside ``--set``."""
    return open_run(folder, stage.layers() + layers, stage.printing.screen(), stage.device, stage.force)


def task_of_run(folder: Path) -> type[Task]:
    """What a run folder is a fit of."""
    from ..stages.stage import stored_config
    from ..stages.store import Run

    return stored_config(Run.open(folder), [])[0]

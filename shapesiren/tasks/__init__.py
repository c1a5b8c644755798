"""The tasks, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import plugins
from ..config import Tree
from ..errors import InputError
from .audio import AudioTask
from .base import Task
from .composite import CompositeTask
from .helmholtz import HelmholtzTask
from .image import ImageTask
from .inversion import InversionTask
from .poisson import PoissonTask
from .prior import PriorTask
from .shape import ShapeTask
from .video import VideoTask
from .wave import WaveTask

ALL: tuple[type[Task], ...] = (
    ShapeTask,
    ImageTask,
    CompositeTask,
    AudioTask,
    VideoTask,
    HelmholtzTask,
    WaveTask,
    InversionTask,
    PoissonTask,
    PriorTask,
)
TASKS: dict[str, type[Task]] = {task.name: task for task in ALL}


def task_for(path: Path, layers: Sequence[tuple[str, Tree]] = ()) -> type[Task]:
    """The task that the settings, (origin, tree) ``layers``, name; else the first that reads files like ``path``."""
    origin, named = next(((o, tree["task"]) for o, tree in layers if "task" in tree), ("", None))
    if named is not None:
        if named not in TASKS:
            raise InputError(f"no task {named!r}", where=origin, hint=f"one of {', '.join(TASKS)}")
        return TASKS[named]
    for task in TASKS.values():
        if task.reads(path, layers):
            return task
    added = [part.name for part in plugins.parts("reader")]
    known = " ".join(dict.fromkeys([*(s for t in TASKS.values() for s in t.suffixes), *added]))
    if path.is_dir():
        raise InputError("this is a folder", where=path, hint="name a file in it; a folder of images is a video")
    what = f"unknown extension {path.suffix!r}" if path.suffix else "the file has no extension"
    raise InputError(what, where=path, hint=f"known: {known}")

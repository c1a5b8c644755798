"""The tasks, by name."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from .base import Task
from .shape import ShapeTask

TASKS: dict[str, type[Task]] = {task.name: task for task in (ShapeTask,)}


def task_for(path: Path) -> type[Task]:
    """The task that reads files like ``path``, by its extension."""
    for task in TASKS.values():
        if path.suffix.lower() in task.suffixes:
            return task
    known = " ".join(s for t in TASKS.values() for s in t.suffixes)
    what = f"unknown extension {path.suffix!r}" if path.suffix else "the file has no extension"
    raise InputError(what, where=path, hint=f"known: {known}")

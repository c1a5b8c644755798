"""What ``mesh`` and ``decode`` share: they write a run's output, and perhaps a copy of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .screen import Screen

if TYPE_CHECKING:
    from ..config import Tree
    from ..stages.stage import Context


def write_output(context: Context, stage: str, copy: Path | None, screen: Screen, strict: bool = False) -> None:
    """Run the output stage, write a copy where one is asked for, and say so. ``strict``: see `fail_if_warned`."""
    from ..stages.copies import guarded
    from ..stages.output import output_and_copy

    files = [] if copy is None else context.task.files_of_copy(copy, context.config)
    with ExitStack() as stack:
        for path in files:
            stack.enter_context(guarded(path, context.force, context.run))
        stack.enter_context(screen.working(stage))
        facts = output_and_copy(context, stage, copy)
    screen.stage(context, stage, facts)
    made = [str(context.run.folder / context.task.output_file)] + [str(path) for path in files if path.is_file()]
    screen.say(f"made {' and '.join(made)}; next: shapesiren evaluate {context.run.folder}")
    screen.result({"run": str(context.run.folder), "files": made, stage: facts})
    fail_if_warned(facts, strict)


def fail_if_warned(facts: Tree, strict: bool) -> None:
    """Exit with 1 if the facts of what was written hold a warning, where that is asked for."""
    if strict and facts.get("warnings"):
        raise typer.Exit(1)


def fail_if_refused(facts: Tree) -> None:
    """Exit with 1 if what stage ``evaluate`` found holds a verdict that is FAIL."""
    if not facts.get("acceptance", {}).get("passed", True):
        raise typer.Exit(1)

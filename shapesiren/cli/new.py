"""``shapesiren new``: a settings file to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .options import For, Replace
from .screen import Screen


@command()
def new(
    *,
    task: Annotated[str, typer.Argument(metavar="[TASK]", help=f"{names.choice(names.TASKS)}.")] = "shape",
    profile: For,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file (default: named after profile or task); - for stdout.")
    ] = None,
    force: Replace,
) -> None:
    """Write a settings file to start from: every setting with its meaning and value.

    What --for sets stands as it is; the rest is commented out at its default.

    Example: shapesiren new --for print, then: shapesiren run print.toml scan.ply
    """
    import difflib

    from ..config import resolve
    from ..runtime.files import write_atomically
    from ..settings_file import commented
    from ..stages.copies import refuse_foreign
    from ..tasks import TASKS

    if task not in TASKS:
        near = difflib.get_close_matches(task, TASKS, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(TASKS)}"
        raise InputError(f"unknown task {task!r}", where="new", hint=hint)
    layers = [("--for", {"profile": profile})] if profile is not None else []
    text = commented(resolve(TASKS[task].config_type, TASKS[task].presets, layers), profile)
    if output == Path("-"):
        sys.stdout.write(text)
        return
    path = output or Path(f"{profile or task}.toml")
    if path.suffix.lower() != ".toml":
        raise InputError("settings are a TOML file", where=path, hint="-o NAME.toml")
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint=f"mkdir -p {path.parent}")
    refuse_foreign(path, force)
    write_atomically(path, text.encode())
    source = names.INPUTS.get("scan or mesh", ("",))[0] if task == "shape" else ""
    Screen(False, False).say(f"made {path}; next: shapesiren run {path} {'scan' + source if source else 'INPUT'}")

"""``shapesiren list``: the runs in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .options import Json
from .screen import print_table


@command("list")
def list_runs(
    *,
    folder: Annotated[Path | None, typer.Argument(help="A folder of runs (default: runs/).")] = None,
    as_json: Json,
) -> None:
    """List the runs in a folder, newest first: task, how far they are, when, size, and the figure that says most.

    Example: shapesiren list runs
    """
    from ..stages.context import RUNS
    from ..stages.overview import listed, size

    root = folder if folder is not None else RUNS
    found = listed(root)
    if as_json:
        print(json.dumps([run.tree() for run in found], indent=1))
        return
    if not found:
        print(f"no runs in {root}")
        return
    rows = []
    for run in found:
        name = run.folder.relative_to(root) if run.folder != root else run.folder
        when = run.changed.astimezone().strftime("%Y-%m-%d %H:%M") if run.changed else "-"
        rows.append([str(name), run.task or "-", run.state, when, size(run.bytes), run.figure or run.trouble])
    print_table(["run", "task", "state", "last worked on", "size", ""], rows, right=(4,), whole=(1, 2, 3, 4))

"""``shapesiren diff``: in what two runs differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .options import Json, Plugin
from .screen import print_table


@command()
def diff(
    *,
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another.")],
    plugin: Plugin,
    as_json: Json,
) -> None:
    """In what two runs differ, side by side: input, settings, versions, times, and what each stage found.

    The runs need not be finished, nor of one task. Pictures and pages of both: shapesiren compare.

    Example: shapesiren diff runs/scan runs/scan-fine
    """
    from ..reports.page import show
    from ..stages.difference import difference
    from ..stages.store import Run

    groups = difference(Run.open(first), Run.open(second))
    if as_json:
        tree = {group: {name: [a, b] for name, a, b in rows} for group, rows in groups.items()}
        print(json.dumps({"runs": [str(first), str(second)], "differences": tree}, indent=1))
        return
    if not groups:
        print("the runs do not differ")
        return
    names = [p.resolve().name for p in (first, second)]
    titles = names if names[0] != names[1] else [str(first), str(second)]
    rows: list[list[str]] = []
    for group, differing in groups.items():
        rows += [[group.upper(), "", ""], *([f"  {name}", show(a), show(b)] for name, a, b in differing)]
    print_table(["", *titles], rows, right=(1, 2))

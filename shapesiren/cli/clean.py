"""``shapesiren clean``: remove what nothing needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import command
from .options import Json


@command()
def clean(
    *,
    folder: Annotated[Path | None, typer.Argument(help="A run, or a folder of runs (default: runs/).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go; this is the default.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also runs whose fit has not finished, with the state to go on from.")
    ] = False,
    as_json: Json,
) -> None:
    """Remove what nothing needs: earlier meshes, checkpoints of finished fits, what killed processes left.

    Says what would go and how much that is; --yes removes it. Fields, settings, logs, meshes, reports, what was ingested, and
    files that are no run's stay. A run that is being worked on is left alone.

    Example: shapesiren clean runs, then: shapesiren clean runs --yes
    """
    from ..stages.clean import plan, remove
    from ..stages.context import RUNS
    from ..stages.overview import size

    if yes and dry_run:
        raise InputError("--yes and --dry-run say opposite things", where="clean", hint="give one of them")
    root = folder if folder is not None else RUNS
    found = plan(root, unfinished)
    gone = [w for w in found.wasted if not yes or remove(w)]
    failed = [w for w in found.wasted if w.problem]
    total = sum(w.bytes for w in gone)
    if as_json:
        result = {
            "removed": yes,
            "bytes": total,
            "items": [w.tree() for w in found.wasted],
            "unfinished": [str(w.folder) for w in found.kept],
            "busy": [str(p) for p in found.busy],
        }
        print(json.dumps(result, indent=1))
    else:
        for w in found.wasted:
            what = "the run" if w.whole else " ".join(p.name for p in w.files)
            print(f"{w.folder}: {what}, {size(w.bytes)} ({w.reason}){f': {w.problem}' if w.problem else ''}")
        for path in found.busy:
            print(f"{path}: in use, left alone")
        if found.kept:
            held = size(sum(w.bytes for w in found.kept))
            print(
                f"{len(found.kept)} not finished, {held}: --unfinished takes them too: "
                + " ".join(str(w.folder) for w in found.kept)
            )
        if yes:
            print(f"removed {size(total)}")
        else:
            print(f"{size(total)} would go; --yes removes it" if gone else "nothing to remove")
    if failed:
        raise typer.Exit(1)

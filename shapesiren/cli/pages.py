"""The commands that show runs: report, compare, view."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import app
from .common import Device, Force, Json, Port, Quiet, RunFolder, Screen, Set, chosen_run, open_run

TABLES = (".html", ".md", ".csv")


@app.command()
def report(
    run: RunFolder = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy: .html.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Colour the distance to this surface, not to the input.")] = None,
    set_: Set = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a run's report: one HTML file that opens offline, with the surface to turn, pictures, curves and settings.

    Example: shapesiren report runs/scan -o scan.html
    """
    from ..config import parse_assignments
    from ..runtime.files import write_atomically

    screen = Screen(quiet, as_json)
    if output is not None:
        _html(output)
    context = open_run(run, [("--set", parse_assignments(set_))] if set_ else [], device, screen, force)

    from ..stages.report import REPORT  # here, as torch comes with it
    from ..stages.report import report as report_stage

    with context.run.locked():
        facts = report_stage(context, reference)
    made = [context.run.folder / REPORT]
    if output is not None:
        write_atomically(output, made[0].read_bytes())
        made.append(output)
    screen.say(f"made {' and '.join(map(str, made))} ({facts['bytes'] / 1e6:.1f} MB); open it in a browser")
    screen.result({"run": str(context.run.folder), "files": [str(f) for f in made], "report": facts})


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A page or a table: .html .md .csv.")] = None,
    as_json: Json = False,
) -> None:
    """Set runs beside each other: what differs in their settings, what they cost, how good they are.

    Example: shapesiren compare runs/scan runs/scan-fine -o both.html
    """
    from ..reports.compare import comma_separated, compare_page, labels, markdown, rows_of
    from ..runtime.files import write_atomically
    from ..stages.context import run_context
    from ..stages.report import finished_run, readable
    from ..stages.store import Run

    if output is not None and output.suffix.lower() not in TABLES:
        raise InputError(f"unknown format {output.suffix!r}", where=output, hint=f"known: {' '.join(TABLES)}")
    materials = []
    for folder in runs:
        context = run_context(Run.open(folder), [], "cpu")
        readable(context)
        materials.append(finished_run(context))
    rows, names = rows_of(materials), labels(materials)
    screen = Screen(False, as_json)
    screen.result({name: {row[0]: row[i + 1] for row in rows} for i, name in enumerate(names)})
    if output is None:
        if not as_json:
            _print_table(rows, names)
        return
    kind = output.suffix.lower()
    made = (
        compare_page(materials) if kind == ".html" else (markdown if kind == ".md" else comma_separated)(rows, names).encode()
    )
    write_atomically(output, made)
    screen.say(f"made {output}")


@app.command()
def view(
    run: RunFolder = None,
    port: Port = 8080,
    host: Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0 lets other machines look.")] = "127.0.0.1",
    up: Annotated[str, typer.Option(help="The vertical axis: x, y or z.")] = "y",
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
) -> None:
    """Open the live viewer: points, surface, level sets, slices of the field, and what it is at a point.

    It follows a run that is being fitted (fit --live), too. Ctrl-C ends it.

    Example: shapesiren view runs/scan
    """
    from ..stages.store import Run
    from ..view.live import LAST_LOOK
    from ..view.server import LIVE_SHARE, Viewer, lower_priority

    if up not in ("x", "y", "z"):
        raise InputError(f"{up!r} is no axis", where="--up", hint="one of x, y, z")
    screen = Screen(False, False)
    folder = run if beside and run is not None else chosen_run([run] if run is not None else [], screen)
    if not beside:
        Run.open(folder)
    else:
        lower_priority()
    viewer = Viewer(folder, host, port, up)
    screen.say(f"{'live' if beside else 'view'}: {viewer.address}")
    try:
        if beside:
            over = threading.Event()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fit, whose end ends this

            def wait_for_the_fit() -> None:
                sys.stdin.buffer.read()
                over.set()

            threading.Thread(target=wait_for_the_fit, daemon=True).start()
            viewer.follow(over.is_set, LIVE_SHARE)
            viewer.follow(_after(LAST_LOOK))
        else:
            viewer.follow()
    except KeyboardInterrupt:
        screen.say("closed")
    finally:
        viewer.stop()
    # Python would join the page's workers now, and one may wait for a browser that is gone; nothing here is left to be saved
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _html(output: Path) -> None:
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"a report is an HTML file, not {output.suffix or 'without extension'!r}", where=output, hint="-o NAME.html"
        )


def _print_table(rows: list[list[object]], names: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..reports.page import show

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(str(row[0]), *(show(v) for v in row[1:]))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 60 + 24 * len(names)).print(table)

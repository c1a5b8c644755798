"""``shapesiren fit``: ingest a file and fit a field to it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..runtime.threads import import_modules
from ..runtime.workers import with_workers
from . import names
from .app import command
from .existing_run import open_run, task_of_run
from .options import FitOptions, WatchOptions, WorkerOptions
from .screen import Screen
from .settings_as_options import setting_layers, split

if TYPE_CHECKING:
    from ..stages.stage import Context


@command(settings_are_options=True)
def fit(
    *,
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=f"{names.input_files()} Or an ingested run.")],
    how: FitOptions,
    tiles: WorkerOptions,
) -> None:
    """Ingest a file and fit a field to it. The same command goes on where it was stopped.

    The file's kind chooses the task. Every setting of the task is an option too: --supervise gradient is
    --set ingest.supervise=gradient.

    The tiles of a large run may be solved by several workers. Of a job array each job solves its part of them with --shard,
    after one `ingest`; the same command without it ends the fit.

    Example: shapesiren fit scan.ply --preset fine
    """
    from ..stages.context import context_for, default_folder, is_run, task_of_sources

    screen, workers = how.printing.screen(), tiles.chosen()
    sources, options = split(arguments)
    layers = how.layers()
    ingested = len(sources) == 1 and is_run(sources[0])
    if tiles.shard is not None and not ingested:
        hint = "shapesiren ingest SCAN --out RUN, then fit RUN --shard K/N"
        raise InputError("parts are of a run that is ingested", where="--shard", hint=hint)
    if ingested:
        if how.out is not None and how.out.resolve() != sources[0].resolve():
            raise InputError(
                "an ingested run is fitted where it is", where="--out", hint="leave it out, or name the scan itself"
            )
        layers += setting_layers(task_of_run(sources[0]), ("ingest", "fit"), options, fit)
        context = open_run(sources[0], layers, screen, how.device, how.force)
    else:
        task = task_of_sources(sources, layers)
        layers += setting_layers(task, ("ingest", "fit"), options, fit)
        context = context_for(task, how.out or default_folder(sources), layers, how.device, screen.say, how.force)
    if tiles.shard is not None:
        from ..stages.shards import fit_part

        with screen.working("fit"):
            done = fit_part(context, tiles.shard, workers)
        screen.say(done.line("solved", context.run.folder))
        screen.result({"run": str(context.run.folder), "tiles": done.tree()})
        return
    with context.run.locked(), with_workers(workers):
        facts = ingest_and_fit(context, [] if ingested else sources, screen, how.watch)
    screen.say(f"made {context.run.folder}; next: shapesiren {context.task.output} {context.run.folder}")
    screen.result({"run": str(context.run.folder), "fit": facts})


def ingest_and_fit(context: Context, sources: list[Path], screen: Screen, watch: WatchOptions) -> dict[str, Any]:
    """Ingest the sources, if there are any, and fit; with the viewer and TensorBoard, where they are asked for."""
    from ..fitting.progress import TerminalBar, listener
    from ..fitting.tracking import TensorBoard
    from ..stages.ingest import ingest as ingest_stage
    from ..view.beside_a_fit import ViewerProcess

    if watch.live and not context.task.has_surface:
        raise InputError(f"a fit of task {context.task.name} has no surface to watch", where="--live", hint="leave it out")
    with ExitStack() as ending:
        listeners = []
        if watch.tensorboard:
            board = TensorBoard(context.run.folder / "tensorboard")
            ending.callback(board.close)
            listeners.append(board)
        if watch.live:
            ending.callback(ViewerProcess(context.run.folder, watch.port, screen.say).close)
        if sources:
            with screen.working("ingest"):
                ingested = ingest_stage(context, sources, before_fit=import_the_fit)
            screen.stage(context, "ingest", ingested)

        from ..stages.fit import fit as fit_stage  # here, as torch comes with it

        progress = listener(screen.quiet)
        if isinstance(progress, TerminalBar):
            ending.callback(progress.close)
        facts = fit_stage(context, [progress, *listeners], snapshots=watch.live)
    screen.stage(context, "fit", facts)
    return facts


def import_the_fit() -> None:
    """What a fit needs and takes seconds to import."""
    import_modules("shapesiren.stages.fit", "shapesiren.nets.cpu.kernels", "shapesiren.tasks.shape_loss_kernels")

"""Stage ``mesh`` (shapes) or ``decode`` (all else): field -> the user's kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config import Tree
from ..errors import InputError
from ..facts import Facts
from ..field import Field
from ..pointcloud.header import CloudHeader
from ..surface.io import read_mesh
from ..surface.mesh import TriangleMesh
from ..tasks.base import Arrays
from .copies import refuse_input
from .fit import FIELD, torch_device
from .history import kept
from .ingest import unpack
from .stage import Context, execute, require, stored_config
from .store import Run, digest_data, digest_file


def output(context: Context, stage: str | None = None) -> Tree:
    """Write the task's output file into the run. ``stage`` is the one that was asked for, if one was by name.

    Raises
    ------
    InputError : nothing is fitted yet, or the task has another output stage
    """
    run, task = context.run, context.task
    if stage not in (None, task.output):
        raise InputError(
            f"this run is of task {task.name}, which has no {stage}",
            where=run.folder,
            hint=f"shapesiren {task.output} {run.folder}",
        )
    require(run, "ingest", "fit")
    require(run, "fit", "fit")
    key = context.key(task.output, run.key("ingest"), run.outputs_digest("fit"))

    def body() -> Facts:
        fitted = Field.load(run.folder / FIELD, torch_device(context.device))
        arrays = unpack(run.folder / task.cache).arrays
        with kept(run, task.output, task.output_file, context.config.output.keep):
            return task.write(fitted, arrays, context.config, run.folder / task.output_file, context.say)

    formats = [run.folder / Path(task.output_file).with_suffix(f".{f.lstrip('.')}") for f in context.config.output.formats]
    for path in formats:
        task.check_output(path)
    outputs = [task.output_file, *task.extra_outputs(context.config)]
    facts = execute(context, task.output, key, outputs, body, lambda: torch_device(context.device))
    for path in formats:
        if path.name != task.output_file:
            _also_as(context, path)
    return facts


def _also_as(context: Context, path: Path) -> None:
    """Write the run's output once more, into the run, unless that is there already as it was written."""
    run = context.run
    held = run.manifest.setdefault("formats", {})
    of = run.outputs_digest(context.task.output)
    if settings := context.config.for_copies(context.task.output):
        of = digest_data([of, settings])
    files = context.task.files_of_copy(path, context.config)
    if all(held.get(f.name) == {"of": of, "digest": digest_file(f) if f.is_file() else None} for f in files):
        return
    export(context, path)
    held.update({f.name: {"of": of, "digest": digest_file(f) if f.is_file() else None} for f in files})
    run.save()
    context.say(f"made {path}")


def output_first(context: Context) -> None:
    """Make the output of a fitted run that has none yet, for a stage that is about it, and say so.

    Raises
    ------
    InputError : nothing is fitted; or the output's files are missing or damaged: it may have been made with other settings
    """
    run, task = context.run, context.task
    require(run, "ingest", "fit")
    require(run, "fit", "fit")
    if run.record(task.output) is not None:
        require(run, task.output, task.output)
        return
    context.say(f"no {task.output} yet: made first")
    for line in task.summary(task.output, output(context)):
        context.say(f"{task.output}: {line}")


def output_and_copy(context: Context, stage: str, copy: Path | None) -> Tree:
    """The output of stage ``stage`` and, where one is named, a copy of it in the format of its extension.

    Raises
    ------
    InputError : of `output`; or the copy could not be written, which is found out before the work
    """
    if copy is not None:
        context.task.check_output(copy)
    with context.run.locked():
        facts = output(context, stage)
        if copy is not None:
            export(context, copy)
    return facts


def fitted_signal(run: Run) -> tuple[Field, Arrays]:
    """The field of a run and the arrays that it was fitted to."""
    task, _ = stored_config(run, [])
    return fitted_field(run), unpack(run.folder / task.cache).arrays


def fitted_field(run: Run) -> Field:
    """The field of a run. Raises InputError if it is not fitted yet."""
    require(run, "ingest", "fit")
    require(run, "fit", "fit")
    return Field.load(run.folder / FIELD)


def export(context: Context, path: Path) -> None:
    """Write the run's output once more, to a file of the user's, in the format of its extension."""
    run, task = context.run, context.task
    refuse_input(path, run)
    fitted = Field.load(run.folder / FIELD)
    arrays = unpack(run.folder / task.cache).arrays
    task.convert(run.folder / task.output_file, path, fitted, arrays, context.config, context.say)
    if line := task.told_of_copy(path, fitted, context.config):
        context.say(f"{path.name}: {line}")


def finished_mesh(context: Context) -> TriangleMesh:
    """The mesh of a run, in the user's coordinates; it is made now if the run has none yet.

    Raises InputError if nothing is fitted, or the run is of another task than ``shape``.
    """
    run, task = context.run, context.task
    if task.output != "mesh" or not run.intact("mesh"):
        output_and_copy(context, "mesh", None)
    return read_mesh(run.folder / task.output_file)


def units_of(run: Run) -> str | None:
    """What the lengths of a fitted shape are in; None where nothing says so."""
    return CloudHeader.of(fitted_field(run).header).units


def points_and_support(run: Run) -> tuple[NDArray[np.float64], float, str | None]:
    """Of a fitted shape, in the user's units: its points (n, 3), how far from them its surface is supported, and their
    reference system (WKT) where the header holds one."""
    fitted, arrays = fitted_signal(run)
    header = CloudHeader.of(fitted.header)
    return (
        fitted.frame.to_user(np.asarray(arrays["points"], np.float64)),
        header.support * fitted.frame.scale,
        header.crs,
    )

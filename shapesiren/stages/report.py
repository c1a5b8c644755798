"""Stage ``report``: one HTML file that opens offline."""

from __future__ import annotations

import json
from pathlib import Path

from ..config import Tree
from ..errors import InputError, ShapesirenError
from ..field import Field
from ..tasks.base import FinishedRun, ReportFacts, Say, View
from .context import run_context, silent
from .evaluate import evaluate
from .fit import FIELD, LOG, torch_device
from .ingest import unpack
from .output import output_first
from .stage import Context, execute, require
from .store import Run, digest_data, digest_file

REPORT = "report.html"


def report(context: Context, reference: Path | None = None) -> Tree:
    """Write the report of a run. ``reference``: a mesh or cloud to colour the distance by, instead of the input.

    Raises
    ------
    InputError : a stage before it has not run, or there is no such reference
    """
    run, task = context.run, context.task
    if reference is not None and not reference.is_file():
        raise InputError("no such file", where=reference)
    output_first(context)
    against = digest_file(reference) if reference else ""
    before = [run.outputs_digest(stage) for stage in ("fit", task.output, "evaluate")]
    key = context.key("report", run.key("ingest"), *before, digest_data(run.facts("evaluate")), against)

    def body() -> ReportFacts:
        from ..reports.page import LIMIT
        from ..reports.report import report as made

        page = made(finished_run(context, reference))
        run.write(REPORT, page)
        if len(page) > LIMIT:
            context.say(f"the report has {len(page) / 1e6:.0f} MB; report.faces and report.points make it smaller")
        return ReportFacts(bytes=len(page))

    return execute(context, "report", key, [REPORT], body, lambda: torch_device(context.device))


def readable(context: Context) -> None:
    """Raise InputError unless the run is finished up to its output."""
    output = context.task.output
    for stage, command in (("ingest", "fit"), ("fit", "fit"), (output, output)):
        require(context.run, stage, command)


def open_finished(folder: Path, say: Say = silent) -> FinishedRun:
    """The run in a folder, on the CPU; what it lacks of output and figures is made, and said. Raises InputError unless it is
    fitted."""
    context = run_context(Run.open(folder), [], "cpu", lambda line: say(f"{folder}: {line}"))
    run, output = context.run, context.task.output
    if run.record("fit") is not None and run.record(output) is None:
        with run.locked():
            output_first(context)
    readable(context)
    if run.record("evaluate") is None:
        context.say("no figures yet: evaluated first")
        try:
            with run.locked():
                evaluate(context, None)
        except ShapesirenError as e:  # of a folder that cannot be written: the rest can be compared
            context.say(f"not evaluated: {e.what}")
    return finished_run(context)


def draw_run(folder: Path, path: Path, view: View) -> None:
    """A picture of what a run was fitted to and what came of it. Raises InputError unless it is fitted."""
    context = run_context(Run.open(folder), [])
    require(context.run, "ingest", "fit")
    require(context.run, "fit", "fit")
    context.task.picture(finished_run(context), path, view)


def finished_run(context: Context, reference: Path | None = None) -> FinishedRun:
    """A finished run, read for its report."""
    run = context.run
    fitted = Field.load(run.folder / FIELD, torch_device(context.device))
    rows = []
    for line in (run.folder / LOG).read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break  # cut short by a kill
        if row["losses"]:
            rows.append(row)
    settings = (run.folder / "config.toml").read_text(encoding="utf-8")
    arrays = unpack(run.folder / context.task.cache).arrays
    return FinishedRun(run.folder, context.task, fitted, arrays, context.config, run.manifest, rows, settings, reference)

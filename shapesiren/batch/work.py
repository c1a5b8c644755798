"""One job, start to end, in whatever process it lands in. It never raises: a failure is a result."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import plugins
from ..config import Tree
from ..errors import InputError, ShapesirenError
from ..runtime.files import write_atomically
from ..runtime.threads import limit
from .jobs import Job

RESULTS = ".batch"  # in the batch's folder: one small JSON file for each job
THUMBNAIL = "thumbnail.jpg"  # in a run folder


@dataclass(frozen=True)
class Plan:
    """What all jobs of a batch share. Plain data: it travels to other processes and machines.

    layers : settings, as (origin, tree) pairs; out : the batch's folder; threads : of each job, None for all cores
    """

    layers: Sequence[tuple[str, Tree]]
    out: str
    device: str = "auto"
    threads: int | None = None
    force: bool = False
    report: bool = False
    command: str = ""


@dataclass(frozen=True)
class Result:
    """How a job ended: ``done``, ``unchanged`` (everything was there already) or ``failed`` with its ``error``."""

    name: str
    status: str
    seconds: float = 0.0
    error: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def perform(job: Job, plan: Plan) -> Result:
    """Ingest, fit, write, evaluate; leave the result in the batch's folder and return it."""
    start = time.perf_counter()
    try:
        made, facts = _stages(job, plan)
        result = Result(job.name, "done" if made else "unchanged", 0.0, "", " ".join(job.sources), facts)
    except ShapesirenError as e:
        result = Result(job.name, "failed", error=e.line(), source=" ".join(job.sources))
    except Exception as e:  # whatever a library throws at one scan, the rest go on
        text = f"{type(e).__name__}: {e}"
        result = Result(job.name, "failed", error=" ".join(text.split())[:500], source=" ".join(job.sources))
        record(plan.out, f"{job.name}.trace", traceback.format_exc().encode())
    return _recorded(plan, replace(result, seconds=round(time.perf_counter() - start, 3)))


def _stages(job: Job, plan: Plan) -> tuple[bool, Tree]:
    limit(plan.threads)
    from ..reports.sections import flatten
    from ..stages.context import context_for, silent, task_of_sources
    from ..stages.evaluate import evaluate
    from ..stages.fit import fit
    from ..stages.ingest import ingest
    from ..stages.output import output
    from ..stages.report import finished_run, report

    sources = [Path(s) for s in job.sources]
    layers = [*plan.layers, *([("the manifest", job.settings)] if job.settings else [])]
    layers = [(origin, plugins.load_named(tree, origin)) for origin, tree in layers]  # a process of its own has none yet
    task = task_of_sources(sources, layers)
    context = context_for(task, Path(plan.out) / job.name, layers, plan.device, silent, plan.force)
    context = replace(context, command=plan.command)
    with context.run.locked():
        ingest(context, sources)
        fit(context)
        output(context)
        facts = flatten({k: v for k, v in evaluate(context, None).items() if k != "compression"})
        changed = not all(outcome.skipped for outcome in context.outcomes)
        if plan.report:
            report(context)
        if changed or not (context.run.folder / THUMBNAIL).exists():
            picture = task.thumbnail(finished_run(context))
            if picture is not None:
                context.run.write(THUMBNAIL, picture)
    facts |= of_the_mesh(context.run.facts(task.output))
    return changed, {"steps": context.run.facts("fit")["steps"]} | facts


def of_the_mesh(found: Tree) -> Tree:
    """What the summary tells of a mesh: its topology, how near its points are, what is wrong; nothing of other signals."""
    checked, likeness = found.get("verification", {}), found.get("likeness", {})
    facts = {k: checked[k] for k in ("watertight", "faces", "components") if k in checked}
    facts |= {f"spacings.{k}": likeness[k] for k in ("mean", "p99") if k in likeness}
    return facts | ({"warning": "; ".join(found["warnings"])} if found.get("warnings") else {})


def check_settings(jobs: Sequence[Job], plan: Plan) -> None:
    """Raise InputError, before any job is started, for shared settings that none of them could run with."""
    from ..config import resolve
    from ..tasks import task_for

    named = any("task" in tree for _, tree in plan.layers)
    errors: dict[str, InputError | None] = {}
    for job in jobs:
        try:
            task = task_for(Path(job.sources[0]), plan.layers)
        except InputError:
            if named:
                raise
            continue  # the fault of one input
        if task.name in errors:
            continue
        try:
            resolve(task.config_type, task.presets, plan.layers)
            errors[task.name] = None
        except InputError as e:
            errors[task.name] = e
    found = [e for e in errors.values() if e is not None]
    if found and len(found) == len(errors):
        raise found[0]


def record(out: str, name: str, data: bytes) -> None:
    folder = Path(out) / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, data)


def recorded(out: Path) -> dict[str, Result]:
    """The results that a batch's folder holds, of all its shards, by name."""
    found = {}
    for path in sorted((out / RESULTS).glob("*.json")):
        try:
            result = Result(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue  # of another version, or half copied: its job will be done again
        found[result.name] = result
    return found


def lost(job: Job, plan: Plan, why: str) -> Result:
    """The result of a job whose process died with it, left in the folder like any other."""
    return _recorded(plan, Result(job.name, "failed", error=why, source=" ".join(job.sources)))


def _recorded(plan: Plan, result: Result) -> Result:
    record(plan.out, f"{result.name}.json", json.dumps(asdict(result), indent=1).encode())
    return result


def failed_before(jobs: Sequence[Job], out: Path) -> list[Job]:
    """Those jobs that the last try of them failed at. Raises InputError if there is no last try."""
    results = recorded(out)
    if not results:
        raise InputError("no results of a batch here", where=out, hint="run it without --retry-failed first")
    return [j for j in jobs if results.get(j.name) and results[j.name].status == "failed"]

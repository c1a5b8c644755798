"""Stage ``evaluate``: the written output and the field, judged."""

from __future__ import annotations

import json
from pathlib import Path

from ..config import Tree
from ..errors import InputError
from ..facts import Facts
from ..field import Field
from .fit import FIELD, torch_device
from .ingest import unpack
from .output import output_first
from .stage import Context, execute
from .store import Run, digest_file

METRICS = "metrics.json"


def evaluate(context: Context, reference: Path | None) -> Tree:
    """Write and return the metrics of a run, against a reference file or the input itself."""
    run, task = context.run, context.task
    if reference is not None and not reference.is_file():
        raise InputError("no such file", where=reference)
    output_first(context)
    against = digest_file(reference) if reference else "input"
    key = context.key("evaluate", run.outputs_digest("fit"), run.outputs_digest(task.output), against)

    def body() -> Facts:
        fitted = Field.load(run.folder / FIELD, torch_device(context.device))
        arrays = unpack(run.folder / task.cache).arrays
        output = run.folder / task.output_file
        config = task.as_made(context.config, run.facts(task.output))
        metrics = task.evaluate(fitted, arrays, output, reference, config, context.say)
        run.write(METRICS, json.dumps(metrics.tree(), indent=1).encode())
        return metrics

    return execute(context, "evaluate", key, [METRICS], body, lambda: torch_device(context.device))


def figures_of(run: Run) -> dict[str, float | str]:
    """All numbers that were measured of a run, by their dotted names; none where nothing was."""
    found: dict[str, float | str] = {}

    def walk(tree: Tree, prefix: str) -> None:
        for name, value in tree.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")
            elif isinstance(value, int | float | str) and not isinstance(value, bool):
                found[prefix + name] = value

    walk(run.facts("evaluate"), "")
    return found

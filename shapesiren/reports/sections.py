"""The sections that every task's report has."""

from __future__ import annotations

from typing import Any

from ..config import Tree
from ..pointcloud.units import named, of_figure
from ..tasks.base import FinishedRun
from . import page, plots


def headline(run: FinishedRun) -> str:
    source = run.manifest.get("source", {}).get("name", "")
    fit = run.facts("fit")
    how = "solved" if fit.get("cells") else f"{fit['steps']:,} steps"
    return f"{source}: {run.task.name}, {how} in {page.show(fit['seconds'])} s, preset {run.config.preset}"


def outcome(run: FinishedRun) -> page.Section:
    """What the stages found, in the words of the screen."""
    stages = [s for s in ("ingest", "fit", run.task.output, "evaluate") if s in run.manifest["stages"]]
    rows = [[stage, line] for stage in stages for line in run.task.brief(stage, run.facts(stage))]
    rows = [["" if i and rows[i - 1][0] == stage else stage, line] for i, (stage, line) in enumerate(rows)]
    blocks = [page.table(rows)]
    if "evaluate" not in stages:
        blocks.append(page.text(f"Not evaluated; `shapesiren evaluate {run.name}` adds the figures.", quiet=True))
    return page.Section("What came out", blocks)


def figures(run: FinishedRun) -> page.Section | None:
    """Every number of the evaluation."""
    found = flatten({k: v for k, v in run.facts("evaluate").items() if k != "compression"})
    units = found.get("length_units")
    rows = [[with_units("evaluate", name, units), value] for name, value in found.items()]
    return page.Section("Evaluation", [page.table(rows)]) if rows else None


def with_units(stage: str, name: str, units: str | None) -> str:
    """A figure's flattened name for people, with what it is in where that is known: ``surface, chamfer, mm``."""
    return named(name.replace("_", " ").replace(".", ", "), of_figure(stage, name, units) or None)


def losses(run: FinishedRun) -> page.Section | None:
    """The loss terms against time."""
    if len(run.history) < 2:
        return None
    seconds = [row["seconds"] for row in run.history]
    names = list(run.history[-1]["losses"])
    terms = {name: [row["losses"].get(name) for row in run.history] for name in names}
    total = [sum(row["losses"].values()) for row in run.history]
    lines = {"all": total} | terms if len(terms) > 1 else terms
    chart = plots.curves(lines, seconds, "seconds", "weighted loss", log=True)
    return page.Section("Losses", [chart])


def provenance(run: FinishedRun) -> page.Section:
    """The command, times, versions and settings: what another person needs to make it again."""
    stages = run.manifest["stages"]
    commands = dict.fromkeys(record["command"] for record in stages.values() if record.get("command"))
    rows = [
        [name, record["seconds"], record["finished"].replace("T", " "), device_of(record)] for name, record in stages.items()
    ]
    versions = stages["fit"]["versions"]
    source = run.manifest.get("source", {})
    blocks = [page.code("\n".join(commands))] if commands else []
    blocks.append(page.table(rows, ["stage", "seconds", "finished (UTC)", "device"]))
    blocks.append(page.text("Made with " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".", quiet=True))
    if source:
        blocks.append(page.text(f"Input: {source['name']}, {source['bytes']:,} bytes, SHA-256 {source['sha256']}.", quiet=True))
    blocks.append(page.folded("All settings", page.code(run.settings)))
    return page.Section("How it was made", blocks)


def device_of(record: Tree) -> str:
    """What a stage ran on. Earlier versions kept ``auto``, as it was asked for, and beside it only a fit's own."""
    device = str(record.get("facts", {}).get("device") or record["device"])
    return device if device != "auto" else "not recorded"


def flatten(tree: Tree, above: str = "") -> dict[str, Any]:
    """Nested figures as one level, names joined by dots; lists are left out, and histograms, which are mostly lists."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if name == "histogram":
            continue
        if isinstance(value, dict):
            flat |= flatten(value, f"{above}{name}.")
        elif not isinstance(value, list):
            flat[above + name] = value
    return flat

"""Several runs beside each other: one table, and one page whose views turn together."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from ..pointcloud.units import named, of_figure
from ..tasks.base import FinishedRun
from ..version import __version__
from . import page, plots
from .sections import flatten

UNEQUAL, EQUAL_TIME = 3.0, 1.5  # ratios: of steps that are worth a word, and of seconds that are still about the same


def rows_of(runs: Sequence[FinishedRun]) -> list[list[Any]]:
    """A row for each figure, a column for each run: what differs in the settings, then costs, then the evaluation."""
    settings = [flatten(m.config.model_dump(mode="json")) for m in runs]
    names = list(dict.fromkeys(name for tree in settings for name in tree))
    differing = [n for n in names if len({str(tree.get(n)) for tree in settings}) > 1 and not n.startswith("report.")]
    rows: list[list[Any]] = [["input", *(m.manifest.get("source", {}).get("name") for m in runs)]]
    rows += [[name, *(tree.get(name) for tree in settings)] for name in differing]
    for name in ("steps", "seconds", "parameters", "device"):
        rows.append([f"fit, {name}", *(m.facts("fit").get(name) for m in runs)])
    for stage in ("mesh", "decode", "evaluate"):
        found = [flatten({k: v for k, v in m.facts(stage).items() if k not in ("seconds",)}) for m in runs]
        for name in dict.fromkeys(n for tree in found for n in tree):
            rows.append([f"{stage}, {name.replace('_', ' ').replace('.', ', ')}", *(tree.get(name) for tree in found)])
    return rows


def shown_rows(runs: Sequence[FinishedRun]) -> list[list[Any]]:
    """The same for people: lengths with what they are in, behind the figure's name, or behind each number where runs differ."""
    found = [m.facts("mesh").get("length_units") for m in runs]
    rows = rows_of(runs)
    for row in rows:
        stage, _, name = str(row[0]).partition(", ")
        figure = next((f for f in _figures(runs, stage) if f.replace("_", " ").replace(".", ", ") == name), "")
        units = [of_figure(stage, figure, u) for u in found]
        if len(set(found)) == 1:
            row[0] = named(str(row[0]), units[0] or None)
        else:
            row[1:] = [
                v if v is None or not u else page.Digits(f"{page.show(v)} {u}") for v, u in zip(row[1:], units, strict=True)
            ]
    return rows


def _figures(runs: Sequence[FinishedRun], stage: str) -> list[str]:
    """The flattened names of a stage's figures, of all runs."""
    return list(dict.fromkeys(name for m in runs for name in flatten(m.facts(stage))))


def unequal_steps(runs: Sequence[FinishedRun]) -> str:
    """What must be known to read a comparison at equal time: that one made many more steps than another in it. Empty if none
    did, or if the fits are not of equal time."""
    held = [
        (name, m.facts("fit").get("steps"), m.facts("fit").get("seconds")) for name, m in zip(labels(runs), runs, strict=True)
    ]
    known = [(name, int(steps), float(seconds)) for name, steps, seconds in held if steps and seconds]
    trained = [one for one in known if one[1] > 1]  # what is solved has one round, whatever it takes
    if len(trained) < 2:
        return ""
    few, many = min(trained, key=lambda one: one[1]), max(trained, key=lambda one: one[1])
    times = [seconds for _, _, seconds in trained]
    if many[1] < UNEQUAL * few[1] or max(times) > EQUAL_TIME * min(times):
        return ""
    each = [
        f"{name} {steps:,} steps of {seconds / steps * 1e3:,.0f} ms"
        for name, steps, seconds in sorted(trained, key=lambda o: -o[1])
    ]
    return (
        f"In about equal time the fits made very different numbers of steps: {', '.join(each)}. {few[0]} has had "
        f"{few[1] / many[1]:.1%} of the steps of {many[0]}: they are compared at equal time, not converged."
    )


def labels(runs: Sequence[FinishedRun]) -> list[str]:
    """The runs' names; with their folders where two are the same."""
    names = [m.name for m in runs]
    return names if len(set(names)) == len(names) else [str(m.folder) for m in runs]


def by_run(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The table as a tree: run -> figure -> value."""
    return {name: {row[0]: row[column] for row in rows} for column, name in enumerate(names, 1)}


def markdown(runs: Sequence[FinishedRun]) -> bytes:
    """The table, for a README or an issue."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    names = labels(runs)
    body = [line([str(row[0]), *(page.show(v) for v in row[1:])]) for row in shown_rows(runs)]
    noted = unequal_steps(runs)
    table = "\n".join([line(["", *names]), line(["---"] * (len(names) + 1)), *body]) + "\n"
    return (f"{noted}\n\n{table}" if noted else table).encode()


def comma_separated(runs: Sequence[FinishedRun]) -> bytes:
    """The table, for programs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["figure", *labels(runs)])
    writer.writerows(["" if v is None else v for v in row] for row in rows_of(runs))
    return out.getvalue().encode()


def compare_page(runs: Sequence[FinishedRun]) -> bytes:
    """The page: views of the shapes with one camera, the losses over each other, the table."""
    names = labels(runs)
    sections = []
    views = [(name, run.task.turning_view(run, "surfaces")) for name, run in zip(names, runs, strict=True)]
    shown = [(name, view) for name, view in views if view is not None]
    if shown:
        figure = Markup("<figure>{}<figcaption>{}</figcaption></figure>")
        cells = [figure.format(view, name) for name, view in shown]
        hint = page.text("The views turn together; a button sets all of them.", quiet=True)
        sections.append(page.Section("Surfaces", [page.gallery(cells, large=True), hint]))
    totals = {
        name: ([row["seconds"] for row in m.history], [sum(row["losses"].values()) for row in m.history])
        for name, m in zip(names, runs, strict=True)
        if len(m.history) > 1
    }
    if totals:
        sections.append(page.Section("Losses", [plots.several(totals, "seconds", "weighted loss", log=True)]))
    noted = unequal_steps(runs)
    sections.append(
        page.Section("Figures", [*([page.text(noted)] if noted else []), page.table(shown_rows(runs), ["", *names])])
    )
    return page.render(" and ".join(names), f"{len(names)} runs", sections, f"shapesiren {__version__}")


WRITERS: dict[str, Callable[[Sequence[FinishedRun]], bytes]] = {
    ".html": compare_page,
    ".md": markdown,
    ".csv": comma_separated,
}

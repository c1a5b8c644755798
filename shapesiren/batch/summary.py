"""What came of a batch: a table for programs, a page with thumbnails for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..metrics.acceptance import percent
from ..reports import page
from ..runtime.files import write_atomically
from ..version import __version__
from .work import THUMBNAIL, Result

TABLE, PAGE = "summary.csv", "summary.html"
ACCEPTED = {"acceptance.passed": "accepted", "acceptance.share": "share within the tolerance"}
SHOWN = (
    *ACCEPTED,
    "watertight",
    "spacings.mean",  # from the points to the mesh, beside what is said of its topology
    "spacings.p99",
    "components",
    "faces",
    "surface.accuracy",
    "surface.f_score",
    "field.eikonal",
    "psnr",
    "snr",
    "steps",
)
PICTURES = 400  # thumbnails in the page, beyond which it would grow too large to mail


def closing_lines(out: Path, results: Sequence[Result]) -> list[str]:
    """What came of the jobs, for people: counts, where the summary is, and every failure."""
    done, same, failed = ([r for r in results if r.status == status] for status in ("done", "unchanged", "failed"))
    counts = f"{len(done)} done, {len(same)} unchanged, {len(failed)} failed"
    warned = [f"warning: {r.name}: {r.facts['warning']}" for r in results if r.facts.get("warning")]
    refused = [
        f"refused: {r.name}: {percent(r.facts['acceptance.share'])} within the tolerance"
        for r in results
        if r.facts.get("acceptance.passed") is False
    ]
    return [
        f"{counts}; summary: {out / PAGE}, {out / TABLE}",
        *warned,
        *refused,
        *(f"failed: {r.name}: {r.error}" for r in failed),
    ]


def by_name(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """The same for programs."""
    return {r.name: {"status": r.status, "error": r.error, "seconds": r.seconds} for r in results}


def write_summary(out: Path, results: Sequence[Result]) -> None:
    """The table and the page, in the batch's folder."""
    facts = list(dict.fromkeys(name for r in results for name in r.facts))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "status", "seconds", "source", "error", *facts])
    for r in results:
        writer.writerow([r.name, r.status, r.seconds, r.source, r.error, *(r.facts.get(f, "") for f in facts)])
    write_atomically(out / TABLE, text.getvalue().encode())
    write_atomically(out / PAGE, summary_page(out, results))


def summary_page(out: Path, results: Sequence[Result]) -> bytes:
    """Failures and warnings first, then a picture and the figures of each run, with links to their reports."""
    failed = [r for r in results if r.status == "failed"]
    good = [r for r in results if r.status != "failed"]
    sections = []
    if failed:
        sections.append(page.Section(f"Failed: {len(failed)}", [page.table([[r.name, r.error] for r in failed])]))
    warned = [[r.name, r.facts["warning"]] for r in good if r.facts.get("warning")]
    if warned:
        sections.append(page.Section(f"Not the surface of their points: {len(warned)}", [page.table(warned)]))
    cells = []
    for r in good[:PICTURES]:
        picture = out / r.name / THUMBNAIL
        if picture.is_file():
            link = f"{r.name}/report.html" if (out / r.name / "report.html").exists() else f"{r.name}/"
            shown = page.image(picture.read_bytes(), r.name)
            cells.append(Markup('<a href="{}">{}</a><p class="note">{}</p>').format(link, shown, r.name))
    if cells:
        figures = [Markup("<figure>{}</figure>").format(cell) for cell in cells]
        sections.append(page.Section("Results", [page.gallery(figures)]))
    names = [n for n in SHOWN if any(n in r.facts for r in good)]
    rows = [[r.name, r.seconds, *(r.facts.get(n) for n in names)] for r in good]
    if rows:
        head = ["", "seconds", *(_heading(n) for n in names)]
        sections.append(page.Section("Figures", [page.table(rows, head)]))
    return page.render(out.resolve().name, f"{len(good)} of {len(results)} good", sections, f"shapesiren {__version__}")


def _heading(name: str) -> str:
    """Of the column of a fact; by its last word, where that is enough."""
    if name in ACCEPTED:
        return ACCEPTED[name]
    group, _, last = name.rpartition(".")
    return (f"{last}, spacings" if group == "spacings" else last).replace("_", " ")

"""What came of a batch: a table for programs, a page with thumbnails for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from ..reports import page
from ..runtime.files import write_atomically
from ..version import __version__
from .work import THUMBNAIL, Result

SHOWN = ("watertight", "components", "faces", "surface.accuracy", "surface.f_score", "field.eikonal", "psnr", "snr", "steps")
PICTURES = 400  # thumbnails in the page, beyond which it would grow too large to mail


def write_summary(out: Path, results: Sequence[Result]) -> list[Path]:
    """``summary.csv`` and ``summary.html`` in the batch's folder."""
    facts = list(dict.fromkeys(name for r in results for name in r.facts))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "status", "seconds", "source", "error", *facts])
    for r in results:
        writer.writerow([r.name, r.status, r.seconds, r.source, r.error, *(r.facts.get(f, "") for f in facts)])
    paths = [out / "summary.csv", out / "summary.html"]
    write_atomically(paths[0], text.getvalue().encode())
    write_atomically(paths[1], summary_page(out, results))
    return paths


def summary_page(out: Path, results: Sequence[Result]) -> bytes:
    failed = [r for r in results if r.status == "failed"]
    good = [r for r in results if r.status != "failed"]
    sections = []
    if failed:
        sections.append(page.Section(f"Failed: {len(failed)}", [page.table([[r.name, r.error] for r in failed])]))
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
        head = ["", "seconds", *(n.split(".")[-1].replace("_", " ") for n in names)]
        sections.append(page.Section("Figures", [page.table(rows, head)]))
    return page.render(out.resolve().name, f"{len(good)} of {len(results)} good", sections, f"shapesiren {__version__}")

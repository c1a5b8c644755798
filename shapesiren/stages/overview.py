"""Which runs a folder holds, and how far each one is. Reads manifests alone, and writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..config import Tree
from ..errors import InputError
from .store import CHECKPOINT, MANIFEST, Run

DEPTH = 4  # folders below the one that is looked at
STAGES = (("report", "reported"), ("evaluate", "evaluated"), ("mesh", "meshed"), ("decode", "decoded"), ("fit", "fitted"))
ORDER = ("ingest", "fit", "mesh", "decode", "evaluate", "report")
# what is shown of a run: the first of these figures that it has, see `key_figure`
FIGURES = (
    ("evaluate", "psnr", "PSNR {:.2f} dB"),
    ("evaluate", "snr", "SNR {:.2f} dB"),
    ("evaluate", "surface.accuracy", "accuracy {:.3g}"),
    ("evaluate", "relative_error", "relative error {:.2g}"),
    ("evaluate", "gradient_psnr", "gradient PSNR {:.2f} dB"),
    ("evaluate", "medium_error", "error of the medium {:.2g}"),
    ("mesh", "verification.faces", "{:,} faces"),
    ("fit", "cells", "{:,} networks"),
    ("fit", "steps", "{:,} steps"),
    ("ingest", "points", "{:,} points"),
)


@dataclass(frozen=True)
class Listed:
    """One run. state : how far it is; changed : when its last stage finished (UTC); bytes : of all its files
    figure : the one that says most of it; trouble : why it cannot be read
    """

    folder: Path
    state: str
    task: str = ""
    changed: datetime | None = None
    bytes: int = 0
    figure: str = ""
    trouble: str = ""

    def tree(self) -> Tree:
        changed = self.changed.isoformat(timespec="seconds") if self.changed else None
        return {**self.__dict__, "folder": str(self.folder), "changed": changed}


def runs_below(root: Path) -> Iterator[Path]:
    """Run folders: ``root`` itself, or those in it, to a depth of `DEPTH`; not in runs, nor in what is hidden.

    Raises InputError if there is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise InputError("no such folder" if not root.exists() else "this is a file", where=root, hint="name a folder of runs")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError("no permission to read it", where=root)
    base = len(root.parts)
    for here, folders, files in os.walk(root):
        folder = Path(here)
        if MANIFEST in files:
            yield folder
            folders.clear()
        elif len(folder.parts) - base >= DEPTH:
            folders.clear()
        folders[:] = sorted(f for f in folders if not f.startswith("."))


def listed(root: Path) -> list[Listed]:
    """All runs below a folder, those that were worked on last first. Raises InputError as `runs_below` does."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted((look_at(folder) for folder in runs_below(root)), key=lambda r: r.changed or never, reverse=True)


def look_at(folder: Path) -> Listed:
    """One run, however damaged it is."""
    size = bytes_of(folder)
    try:
        run = Run.open(folder)
        return Listed(folder, state_of(run), task_name(run), changed(run), size, key_figure(run))
    except InputError as e:
        return Listed(folder, "damaged" if "damaged" in e.what else "unknown", "", touched(folder), size, "", e.what)
    except (KeyError, TypeError, AttributeError, ValueError):
        return Listed(folder, "damaged", "", touched(folder), size, "", "the manifest is damaged")


def state_of(run: Run) -> str:
    """running, stopped, ingested, fitted, meshed ...: the furthest stage."""
    if run.busy:
        return "running"
    if run.record("fit") is None:
        stopped = (run.folder / CHECKPOINT).exists()
        return "stopped" if stopped else "ingested" if run.record("ingest") is not None else "begun"
    return next((name for stage, name in STAGES if _there(run, stage)), "incomplete")


def _there(run: Run, stage: str) -> bool:
    """Whether a stage has finished and all its files are there; what is in them is not looked at."""
    record = run.record(stage)
    return record is not None and _current(run, stage) and all((run.folder / name).is_file() for name in record["outputs"])


def _current(run: Run, stage: str) -> bool:
    """Whether no stage before it was done again since: an evaluation is of the mesh that was there."""
    before = ORDER[: ORDER.index(stage)]
    finished = str(run.manifest["stages"][stage].get("finished"))
    return all(str((run.record(s) or {}).get("finished", "")) <= finished for s in before)


def task_name(run: Run) -> str:
    return str(run.manifest.get("task", ""))


def changed(run: Run) -> datetime | None:
    """When the last stage finished, or, before any has, when the manifest was written."""
    times = [datetime.fromisoformat(r["finished"]) for r in run.manifest["stages"].values()]
    return max((t if t.tzinfo else t.replace(tzinfo=UTC) for t in times), default=touched(run.folder))


def touched(folder: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC)
    except OSError:
        return None


def key_figure(run: Run) -> str:
    """The figure that says most of a run as it is now, e.g. ``PSNR 31.20 dB``; empty before there is one."""
    for stage, path, text in FIGURES:
        value: Any = run.facts(stage) if run.record(stage) and _current(run, stage) else {}
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and value:
            return text.format(value)
    return ""


def bytes_of(folder: Path) -> int:
    """Of all files in a folder and below; those that vanish or cannot be read do not count."""
    total = 0
    for here, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(here, name)).st_size
            except OSError:
                continue
    return total


def size(count: float) -> str:
    """Bytes as people read them: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

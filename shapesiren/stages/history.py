"""What a run's output was before: kept under a number that rises, so that a name always means the same mesh."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ..config import Tree
from .store import Run, digest_file

EARLIER = "earlier"  # in the manifest: a list of what is kept, oldest first


def earlier(run: Run) -> list[Tree]:
    """What the manifest lists of earlier outputs, oldest first: file, digest, bytes, times, command, facts."""
    listed = run.manifest.get(EARLIER, [])
    return [e for e in listed if isinstance(e, dict) and isinstance(e.get("file"), str)] if isinstance(listed, list) else []


@contextmanager
def kept(run: Run, stage: str, name: str, limit: int) -> Iterator[None]:
    """Around the work that replaces a stage's file ``name``: keep it as ``mesh.1.ply``, ``mesh.2.ply`` and so on.

    The copy is made, and listed, before the work, so that nothing is lost at whatever moment that ends. Where the work fails or
    comes to the same bytes, the copy goes. At most ``limit`` are kept, the newest; numbers are not used again.

    Raises RunError if the copy cannot be written.
    """
    entry = _keep(run, stage, name) if limit else None
    try:
        yield
    except Exception:
        if entry is not None:
            _drop(run, [entry])
            run.save()
        raise
    if entry is not None and digest_file(run.folder / name) == entry["digest"]:
        _drop(run, [entry])
    _drop(run, earlier(run)[: max(0, len(earlier(run)) - limit)])


def _keep(run: Run, stage: str, name: str) -> Tree | None:
    """Copy a file that is about to be replaced and list it; None if there is none, or it is kept already."""
    path = run.folder / name
    if not path.is_file():
        return None
    digest = digest_file(path)
    if any(e.get("digest") == digest and (run.folder / e["file"]).is_file() for e in earlier(run)):
        return None
    record = run.record(stage) or {}
    own = record.get("outputs", {}).get(name) == digest
    judged = run.record("evaluate")
    number = _next_number(run, Path(name))
    entry: Tree = {
        "file": f"{Path(name).stem}.{number}{Path(name).suffix}",
        "digest": digest,
        "bytes": path.stat().st_size,
        "replaced": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if own:
        entry |= {"finished": record.get("finished"), "command": record.get("command"), "facts": record.get("facts", {})}
        if judged and str(judged.get("finished")) >= str(record.get("finished")):
            entry["evaluate"] = judged.get("facts", {})
    else:
        entry["edited"] = True  # it is not what the run wrote: no figures are known of it

    def copy(file: IO[bytes]) -> None:
        with open(path, "rb") as source:
            shutil.copyfileobj(source, file)

    run.write(entry["file"], copy)
    run.manifest[EARLIER] = [*earlier(run), entry]
    run.manifest["earlier_number"] = number
    run.save()
    return entry


def _next_number(run: Run, name: Path) -> int:
    """One more than any that was used, also by files that the run does not list."""
    pattern = re.compile(rf"{re.escape(name.stem)}\.(\d+){re.escape(name.suffix)}")
    found = [int(m[1]) for p in run.folder.iterdir() if (m := pattern.fullmatch(p.name))]
    last = run.manifest.get("earlier_number", 0)
    return 1 + max([last if isinstance(last, int) else 0, *found])


def _drop(run: Run, entries: list[Tree]) -> None:
    """Remove kept files, if they are as they were kept, and their lines in the manifest, which the caller saves."""
    for entry in entries:
        path = run.folder / entry["file"]
        if path.is_file() and digest_file(path) == entry.get("digest"):
            path.unlink()
    files = {e["file"] for e in entries}
    run.manifest[EARLIER] = [e for e in earlier(run) if e["file"] not in files]


def forget(run: Run) -> None:
    """Remove all earlier outputs that the run lists."""
    _drop(run, earlier(run))

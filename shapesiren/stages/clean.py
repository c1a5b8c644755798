"""What a folder of runs holds that nothing needs, and its removal. What a run is, its truth, is never touched."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..config import Tree
from ..errors import InputError, RunError
from .fit import LOG, SNAPSHOT
from .history import earlier, forget
from .overview import look_at, runs_below
from .stage import CONFIG
from .store import CHECKPOINT, MANIFEST, Run, digest_file

LOCK = ".lock"
UNFINISHED = "fit not finished"  # the reason that has to be asked for


@dataclass
class Waste:
    """Files of one run that can go. reason : why; whole : whether the run goes with them; problem : why they stayed"""

    folder: Path
    reason: str
    files: list[Path]
    bytes: int
    whole: bool = False
    problem: str = ""

    def tree(self) -> Tree:
        return {**self.__dict__, "folder": str(self.folder), "files": [p.name for p in self.files]}


@dataclass
class Plan:
    """wasted : what can go; kept : unfinished fits, that go where it is asked for; busy : runs that are being worked on"""

    wasted: list[Waste] = field(default_factory=list)
    kept: list[Waste] = field(default_factory=list)
    busy: list[Path] = field(default_factory=list)


def plan(root: Path, unfinished: bool) -> Plan:
    """Look for what can go below a folder; nothing is removed. Damaged runs are left alone.

    Parameters
    ----------
    unfinished : also runs whose fit has not finished, with the state that it would go on from

    Raises InputError if there is no such folder.
    """
    found = Plan()
    for folder in runs_below(root):
        if look_at(folder).state in ("damaged", "unknown"):
            continue
        run = Run.open(folder)
        if run.busy:
            found.busy.append(folder)
            continue
        for waste in waste_of(run):
            (found.kept if waste.reason == UNFINISHED and not unfinished else found.wasted).append(waste)
    found.wasted += [w for folder in sorted(root.glob(f"*/{LOCK}")) if (w := _left_empty(folder.parent)) is not None]
    return found


def waste_of(run: Run) -> list[Waste]:
    """What can go of one run, by reason."""
    folder = run.folder
    if run.record("fit") is None:
        reason = UNFINISHED if run.record("ingest") is not None or (folder / CHECKPOINT).exists() else "nothing in it"
        return [_waste(folder, reason, _files_of(run), whole=True)]
    groups = (
        ("half-written", _half_written(folder)),
        ("checkpoint of a finished fit", [] if _begun_again(run) else [folder / CHECKPOINT]),
        (UNFINISHED, [folder / CHECKPOINT] if _begun_again(run) else []),
        ("earlier results", [folder / e["file"] for e in earlier(run) if _as_kept(folder / e["file"], e)]),
    )
    return [w for reason, files in groups if (w := _waste(folder, reason, files)).files]


def _begun_again(run: Run) -> bool:
    """Whether the checkpoint beside a finished fit is of another one, that was begun with ``--force`` and goes on from it."""
    path, record = run.folder / CHECKPOINT, run.record("fit") or {}
    if not path.is_file():
        return False
    newer = path.stat().st_mtime > datetime.fromisoformat(record["finished"]).timestamp() + 1
    return newer or run.manifest.get("fit_key") not in (None, record["key"])


def remove(waste: Waste) -> bool:
    """Remove it, under the lock of its run, unless that has changed. Returns whether it went; ``problem`` says why not."""
    sizes = {p: p.stat().st_size for p in waste.files if p.is_file()}
    try:
        return _removed(waste)
    except (InputError, RunError) as e:
        waste.problem = e.what
    except OSError as e:
        waste.problem = f"cannot remove it ({e.strerror})"
    finally:
        waste.bytes = sum(count for p, count in sizes.items() if not p.exists())
    return False


def _removed(waste: Waste) -> bool:
    if (waste.folder / MANIFEST).exists():
        run = Run.open(waste.folder)
        with run.locked():
            run = Run.open(waste.folder)  # as it is now that nobody else works on it
            now = next((w for w in waste_of(run) if w.reason == waste.reason), None)
            if now is None:
                return True
            waste.files = now.files
            if waste.reason == "earlier results":
                forget(run)
                run.save()
                return True
            return _remove_files(waste)
    return _remove_files(waste)


def _remove_files(waste: Waste) -> bool:
    for path in waste.files:
        path.unlink(missing_ok=True)
    if waste.whole:
        (waste.folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # a file of the user's is in it: it stays
            waste.folder.rmdir()
    return True


def _waste(folder: Path, reason: str, files: list[Path], whole: bool = False) -> Waste:
    there = [p for p in files if p.is_file()]
    return Waste(folder, reason, there, sum(p.stat().st_size for p in there), whole)


def _half_written(folder: Path) -> list[Path]:
    """What a process that was killed left: temporary files, the snapshot for a viewer."""
    return sorted([*folder.glob(".*.tmp"), folder / SNAPSHOT])


def _files_of(run: Run) -> list[Path]:
    """All files that a run has written, by its manifest, which comes last; what else lies in its folder is the user's."""
    outputs = [name for record in run.manifest["stages"].values() for name in record["outputs"]]
    names = [*outputs, *(e["file"] for e in earlier(run)), *run.manifest.get("formats", {}), CHECKPOINT, LOG, CONFIG]
    inside = [run.folder / n for n in dict.fromkeys(names) if Path(n).name == n]
    return [*inside, *_half_written(run.folder), run.folder / MANIFEST]


def _as_kept(path: Path, entry: Tree) -> bool:
    """Whether an earlier result is still as it was kept: what was edited since is the user's."""
    return Path(entry["file"]).name == entry["file"] and path.is_file() and digest_file(path) == entry.get("digest")


def _left_empty(folder: Path) -> Waste | None:
    """A run folder in which nothing came to be: of a process that was killed as it began."""
    names = [p.name for p in folder.iterdir()]
    if any(n != LOCK and not (n.startswith(".") and n.endswith(".tmp")) for n in names) or Run(folder).busy:
        return None
    return _waste(folder, "nothing in it", [*_half_written(folder), folder / LOCK], whole=True)

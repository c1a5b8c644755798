"""Files that a command writes where its user says: never over a file of somebody else's, unless that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, ShapesirenError
from .store import MANIFEST, Run, digest_file

REMEMBERED = 200  # digests in a manifest


@contextmanager
def guarded(path: Path | None, force: bool, run: Run | None = None, inputs: Sequence[Path] = ()) -> Iterator[None]:
    """Around the work that writes ``path``: refuse before it, and remember afterwards that this run wrote it.

    Parameters
    ----------
    path : that the user named; None: nothing is written
    force : replace whatever is there, except an input
    run : whose result it is, if it is one's; what it wrote before may be replaced
    inputs : files that are read, besides those that the run was made of

    Raises
    ------
    InputError : see `refuse_foreign`
    """
    if path is None:
        yield
        return
    refuse_foreign(path, force, run, inputs)
    yield
    if run is not None:
        remember(run, path)


def refuse_foreign(path: Path, force: bool, run: Run | None = None, inputs: Sequence[Path] = ()) -> None:
    """Raise InputError if writing ``path`` would replace an input, or a file that this run did not write."""
    if path.is_dir():
        raise InputError("this is a folder", where=path, hint="name a file in it with -o")
    if not path.is_file():  # nothing there, or a device or pipe, which has nothing to lose
        return
    refuse_input(path, run, inputs)
    if force or (run is not None and is_own(run, path)):
        return
    reason = "the file exists" if run is None else "the file exists, and is not what this run last wrote there"
    raise InputError(reason, where=path, hint="--force replaces it, -o names another")


def refuse_input(path: Path, run: Run | None = None, inputs: Sequence[Path] = ()) -> None:
    """Raise InputError if ``path`` is a file that is read, or that the run was made of."""
    sources = [*inputs, *(map(Path, run.manifest.get("source", {}).get("paths", ())) if run is not None else ())]
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        raise InputError("this is the input itself", where=path, hint="name another file with -o")


def is_own(run: Run, path: Path) -> bool:
    """Whether a file holds what the run wrote, by its digest: wherever it lies by now, and wherever the run does."""
    digest = digest_file(path)
    outputs = (record.get("outputs", {}).values() for record in run.manifest["stages"].values())
    return digest in run.manifest.get("copies", ()) or any(digest in values for values in outputs)


def remember(run: Run, path: Path) -> None:
    """Note the digest of a file that the run wrote in its manifest.

    Where the run cannot be written, or another process works on it, nothing is noted, and the file counts as foreign later.
    The manifest keeps its time: a run is not the newest one because a picture was taken of it.
    """
    with suppress(ShapesirenError, OSError):
        if not path.is_file() or (digest := digest_file(path)) in run.manifest.get("copies", ()):
            return
        with run.locked():
            now = Run.open(run.folder)  # as another process may have left it meanwhile
            times = (run.folder / MANIFEST).stat()
            now.manifest["copies"] = [*now.manifest.get("copies", ()), digest][-REMEMBERED:]
            now.save()
            os.utime(run.folder / MANIFEST, ns=(times.st_atime_ns, times.st_mtime_ns))
            run.manifest = now.manifest

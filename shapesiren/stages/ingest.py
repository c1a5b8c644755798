"""Stage ``ingest``: file -> arrays."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..config import Tree
from ..errors import InputError
from ..facts import Facts
from ..header import Header
from ..tasks.base import Signal
from .stage import Context, execute, refuse_to_replace, store_config
from .store import digest_data, digest_file

MAPPED = 1 << 26  # bytes from which on an array stays on disk
HEADER = "header.json"  # of the signal, inside the npz as a byte array, so that one file is the whole signal


def ingest(context: Context, sources: Sequence[Path], before_fit: Callable[[], None] | None = None) -> Tree:
    """Read the ``sources``, which together are one input, and write the task's cache file.

    Parameters
    ----------
    before_fit : what this process has to do before the fit that follows; done while it would wait. None: nothing follows

    Raises
    ------
    InputError : the source cannot be used, or the run belongs to another input
    """
    run, task = context.run, context.task
    check_sources(sources, task.folders)
    digests = []
    for source in sources:
        try:
            digests.append(digest_source(source))
        except OSError as e:
            raise InputError(f"cannot read it ({e.strerror})", where=source) from None
    digests += [digest_file(p) for s in sources for p in task.companions(s) if p.is_file()]
    digest = digests[0] if len(digests) == 1 else digest_data(digests)
    held = run.manifest.get("source")
    if held and held["sha256"] != digest and not context.force:
        raise InputError(
            f"this run was made from another input ({held['name']})",
            where=run.folder,
            hint="--out DIR starts a second run, --force replaces this one",
        )

    def body() -> Facts:
        given = sources[0] if len(sources) == 1 else sources
        signal = task.ingest_into(run.folder, given, digest, context.config, context.say, before_fit)
        run.write(task.cache, lambda file: pack(signal, file))
        run.manifest |= {
            "task": task.name,
            "source": {
                "name": " ".join(s.name for s in sources),
                "paths": [str(s) for s in sources],
                "sha256": digest,
                "bytes": sum(size_of(s) for s in sources),
            },
        }
        store_config(context)
        return signal.facts

    named = [digest_file(p) for p in task.files_of(context.config) if p.is_file()]
    named += [p.digest for p in plugins.parts("reader") if any(s.suffix.lower() == p.name for s in sources)]
    key = context.key("ingest", digest_data([digest, *named]) if named else digest)
    refuse_to_replace(context, run.key("ingest") or None, key)
    return execute(context, "ingest", key, lambda: [task.cache, *task.files_beside("ingest", run.folder)], body)


def check_sources(sources: Sequence[Path], folders: bool) -> None:
    """Raise InputError unless every source is there, and is a file or, where ``folders`` may be sources, a folder."""
    for source in sources:
        if source.is_dir() and not folders:
            raise InputError("this is a folder", where=source, hint="name a file in it")
        if not source.exists():
            raise InputError("no such file", where=source)


def digest_source(source: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    if not source.is_dir():
        return digest_file(source)
    files = sorted(p for p in source.iterdir() if p.is_file() and not p.name.startswith("."))
    return digest_data([[p.name, digest_file(p)] for p in files])


def size_of(source: Path) -> int:
    return sum(p.stat().st_size for p in source.iterdir() if p.is_file()) if source.is_dir() else source.stat().st_size


def pack(signal: Signal, file: IO[bytes]) -> None:
    """A signal's arrays and header as one npz (uncompressed: it is read far more often than mailed)."""
    header = np.frombuffer(json.dumps(signal.header.tree()).encode(), np.uint8)
    np.savez(file, allow_pickle=False, **signal.arrays, **{HEADER: header})  # type: ignore[arg-type]


def unpack(path: Path) -> Signal:
    """What `pack` wrote; numpy alone is needed, and nothing in the file runs code. Large arrays are mapped, not read."""
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type == zipfile.ZIP_STORED and member.file_size > MAPPED:
                raw.seek(member.header_offset + 26)
                name_size, extra_size = struct.unpack("<HH", raw.read(4))
                raw.seek(name_size + extra_size, 1)
                version = np.lib.format.read_magic(raw)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(raw)
                if kind.hasobject:
                    raise ValueError("an array of objects")
                arrays[name] = np.memmap(path, kind, "r", raw.tell(), shape)
            else:
                with archive.open(member) as stream:
                    arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return Signal(arrays, Header.model_validate_json(arrays.pop(HEADER).tobytes()))

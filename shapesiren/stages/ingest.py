"""Stage ``ingest``: file -> arrays."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..config import Tree, to_toml
from ..errors import InputError
from ..tasks.base import Signal
from .stage import Context, execute, refuse_to_replace
from .store import digest_data, digest_file

HEADER = "header.json"  # of the signal, inside the npz as a byte array, so that one file is the whole signal


def ingest(context: Context, sources: Sequence[Path]) -> Tree:
    """Read the ``sources``, which together are one input, and write the task's cache file.

    Raises
    ------
    InputError : the source cannot be used, or the run belongs to another input
    """
    run, task = context.run, context.task
    digests = []
    for source in sources:
        if source.is_dir():
            raise InputError("this is a folder", where=source, hint="name a file in it")
        if not source.exists():
            raise InputError("no such file", where=source)
        try:
            digests.append(digest_file(source))
        except OSError as e:
            raise InputError(f"cannot read it ({e.strerror})", where=source) from None
    digest = digests[0] if len(digests) == 1 else digest_data(digests)
    held = run.manifest.get("source")
    if held and held["sha256"] != digest and not context.force:
        raise InputError(
            f"this run was made from another input ({held['name']})", where=run.folder,
            hint="--out DIR starts a second run, --force replaces this one",
        )  # fmt: skip

    def body() -> Tree:
        signal = task.ingest(sources[0] if len(sources) == 1 else sources, context.config, context.say)
        run.write(task.cache, pack(signal))
        run.manifest |= {
            "task": task.name,
            "source": {
                "name": " ".join(s.name for s in sources),
                "paths": [str(s) for s in sources],
                "sha256": digest,
                "bytes": sum(s.stat().st_size for s in sources),
            },
        }
        run.write("config.toml", to_toml(context.config).encode())
        return signal.info

    key = context.key("ingest", digest)
    refuse_to_replace(context, run.key("ingest") or None, key)
    facts, _ = execute(context, "ingest", key, [task.cache], body)
    return facts


def pack(signal: Signal) -> bytes:
    """A signal's arrays and header as one npz (uncompressed: it is read far more often than mailed)."""
    out = io.BytesIO()
    header = np.frombuffer(json.dumps(signal.header).encode(), np.uint8)
    np.savez(out, allow_pickle=False, **signal.arrays, **{HEADER: header})
    return out.getvalue()


def unpack(path: Path) -> Signal:
    """What `pack` wrote; numpy alone is needed, and nothing in the file runs code."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays.pop(HEADER).tobytes())
    return Signal(arrays, header)

"""Reading a file in a process of its own: some native parsers do not raise on a damaged file, they end the program.

    python -m shapesiren.pointcloud.io.isolated READER FILE MOST SEED SELECTION OUT.npz

READER is a function by its name, ``module:name``. Exit codes: 0 and the cloud is in OUT.npz; 2 and the reason is the last line
on stderr, as JSON.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Protocol

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud
from ..region import NothingSelected
from ..selection import ALL, Selection

SECONDS = 20.0  # that a parser has, whatever the size of the file
BYTES_PER_SECOND = 2e5  # of the slowest parser: the time that it has besides
PLAIN = "plain"  # the entry of OUT.npz for what is no array, as JSON


class Reader(Protocol):
    """A function of a module, so that another process finds it: a file, the most points, a seed, a selection -> cloud."""

    __module__: str
    __qualname__: str

    def __call__(self, path: Path, most: int | None, seed: int, selection: Selection, /) -> PointCloud: ...


def read_isolated(reader: Reader, path: Path, most: int | None, seed: int, selection: Selection = ALL) -> PointCloud:
    """``reader(path, most, seed, selection)``, elsewhere.

    Raises
    ------
    InputError : what ``reader`` raised; its process crashed, or did not end in time
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cloud.npz"
        name = f"{reader.__module__}:{reader.__qualname__}"
        limits = -1 if most is None else most, seed, json.dumps(selection.tree())
        words = [sys.executable, "-m", __name__, name, path, *limits, out]
        limit = SECONDS + path.stat().st_size / BYTES_PER_SECOND
        try:
            done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            raise InputError(f"damaged? Its parser did not end within {limit:.0f} s", where=path) from None
        lines = done.stderr.strip().splitlines()
        if done.returncode == 2 and lines:
            found = json.loads(lines[-1])
            kind = NothingSelected if found["nothing"] else InputError
            raise kind(found["what"], where=path, hint=found["hint"])
        if done.returncode or not out.exists():
            raise InputError(f"damaged, or not a {path.suffix[1:].upper()} file (its parser crashed)", where=path)
        return _load(out)


def main() -> None:
    """What the process does."""
    name, path, most, seed, selection, out = sys.argv[1:]
    reader: Reader = pkgutil.resolve_name(name)
    try:
        wanted = Selection.from_tree(json.loads(selection))
        cloud = reader(Path(path), None if most == "-1" else int(most), int(seed), wanted)
    except InputError as e:
        print(json.dumps({"what": e.what, "hint": e.hint, "nothing": isinstance(e, NothingSelected)}), file=sys.stderr)
        sys.exit(2)
    _save(Path(out), cloud)


def _save(path: Path, cloud: PointCloud) -> None:
    """Write every field of a cloud to an NPZ file: arrays as they are, all else as JSON."""
    values = {f.name: getattr(cloud, f.name) for f in fields(cloud)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in values.items() if name not in arrays}
    np.savez(path, allow_pickle=False, **{PLAIN: np.array(json.dumps(plain))}, **arrays)


def _load(path: Path) -> PointCloud:
    """The cloud that `_save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        values = {name: file[name] for name in file.files}
    plain = json.loads(str(values.pop(PLAIN)))
    return PointCloud(**values, **{**plain, "notes": tuple(plain["notes"])})


if __name__ == "__main__":
    main()

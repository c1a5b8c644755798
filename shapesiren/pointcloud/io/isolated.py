"""Reading a file in a process of its own: some native parsers do not raise on a damaged file, they end the program.

    python -m shapesiren.pointcloud.io.isolated FILE MOST SEED OUT.npz

Exit codes: 0 and the cloud is in OUT.npz; 2 and the reason is the last line on stderr.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud

LEAST_SECONDS, SLOWEST = 20.0, 2e5  # what a parser is given, and bytes a second
ARRAYS = ("points", "normals", "colours", "faces", "intensity", "sensors", "sensor")


def read_apart(path: Path, most: int | None, seed: int) -> PointCloud:
    """`readers.read_cloud`, elsewhere. Raises InputError for what is wrong with the file, a crash of its parser included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cloud.npz"
        words = [sys.executable, "-m", "shapesiren.pointcloud.io.isolated", path, -1 if most is None else most, seed, out]
        limit = LEAST_SECONDS + path.stat().st_size / SLOWEST
        try:
            done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            raise InputError(f"damaged? Its parser did not end within {limit:.0f} s", where=path) from None
        lines = done.stderr.strip().splitlines()
        if done.returncode == 2 and lines:
            found = json.loads(lines[-1])
            raise InputError(found["what"], where=path, hint=found["hint"])
        if done.returncode or not out.exists():
            raise InputError(f"damaged, or not a {path.suffix[1:].upper()} file (its parser crashed)", where=path)
        with np.load(out, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS if name in file.files}
            facts = json.loads(str(file["facts"]))
    return PointCloud(**arrays, **{**facts, "notes": tuple(facts["notes"])})


def main() -> None:
    from .read import read_here

    path, most, seed, out = sys.argv[1:]
    try:
        cloud = read_here(Path(path), None if most == "-1" else int(most), int(seed))
    except InputError as e:
        print(json.dumps({"what": e.what, "hint": e.hint}), file=sys.stderr)
        sys.exit(2)
    values = {f.name: getattr(cloud, f.name) for f in dataclasses.fields(cloud)}
    arrays = {name: values.pop(name) for name in ARRAYS}
    np.savez(out, facts=np.array(json.dumps(values)), **{k: v for k, v in arrays.items() if v is not None})


if __name__ == "__main__":
    main()

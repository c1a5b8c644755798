"""The administrator's guide runs as it stands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "administrator.sh"


@pytest.mark.slow
def test_the_administrators_way(tmp_path):
    program = tmp_path / "bin" / "shapesiren"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m shapesiren "$@"\n')
    program.chmod(0o755)
    root = str(GUIDE.parents[2])
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": root, "COLUMNS": "80"}
    done = subprocess.run(["bash", GUIDE], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = {Path(r["folder"]).name: r for r in json.loads((tmp_path / "runs.json").read_text())}
    assert {n: r["state"] for n, r in runs.items()} == {"torus": "evaluated", "trefoil": "evaluated"}
    assert (tmp_path / "runs" / "torus" / "mesh.stl").is_file()  # the profile's format
    assert "for print, a closed body for a 3D printer" in done.stderr
    assert "0 done, 2 unchanged, 0 failed" in done.stderr
    assert "parts.stl: the file exists" in done.stderr

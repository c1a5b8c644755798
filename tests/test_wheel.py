"""The wheel, as somebody gets it who has never seen the repository: installed elsewhere, it makes a mesh of a scan."""

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

import shapesiren

ROOT = Path(__file__).parents[1]
SECONDS = 120  # from a scan to its mesh, compiling included


def worked() -> float:
    """Processor seconds of the processes that this one has waited for; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.slow
def test_the_wheel_makes_a_mesh_of_a_scan(torus_scan, tmp_path):
    """In an environment that has the wheel and, of the tests' own, the packages that it needs: installing torch once more takes
    minutes, and `.github/workflows/package.yml` does it."""

    def run(*words, **options):
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, **options)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT), timeout=200)
    wheel = next(tmp_path.glob("*.whl"))
    assert wheel.name == f"shapesiren-{shapesiren.__version__}-py3-none-any.whl" and wheel.stat().st_size < 2e6
    venv.create(tmp_path / "env", with_pip=False)
    python = next((tmp_path / "env").glob("*/python*.exe" if os.name == "nt" else "bin/python"))
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    run(*pip, "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel), timeout=100)
    (site / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert Path(run(python, "-c", "import shapesiren; print(shapesiren.__file__)").strip()).is_relative_to(site)
    program = python.with_name("shapesiren.exe" if os.name == "nt" else "shapesiren")
    begun, used = time.monotonic(), worked()
    run(program, "fit", str(torus_scan), "--out", "made", "--preset", "fast", timeout=4 * SECONDS)
    told = json.loads(run(program, "mesh", "made", "--resolution", "64", "--json", timeout=4 * SECONDS))
    # by the processor where the system tells: a machine that runs other things beside takes as long as it likes
    assert (worked() - used or time.monotonic() - begun) < SECONDS
    assert told["mesh"]["verification"]["watertight"] and told["mesh"]["verification"]["genus"] == 1
    assert (tmp_path / "made" / "mesh.ply").stat().st_size > 10_000

"""Nothing is lost: killed at any moment, on a full or read-only disk, with files changed under it, the run ends in the right
result or in one clear line."""

import builtins
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.io.read import read_cloud
from tests.conftest import QUICK_ARGS

pytestmark = pytest.mark.slow

KILLS = 3
ARGS = [*QUICK_ARGS, "--set", "fit.checkpoint_seconds=0.2", "--set", "fit.steps=500"]


def command(*words, cwd, **kwargs):
    line = [sys.executable, "-m", "shapesiren", *map(str, words)]
    return subprocess.Popen(line, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, err


@pytest.fixture(scope="module")
def reference(torus_scan, tmp_path_factory):
    """A run that nothing disturbed, and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "p.toml").write_text("")
    start = time.monotonic()
    code, err = finish(command("run", "p.toml", torus_scan, "--out", "run", *ARGS, cwd=folder))
    assert code == 0, err
    return folder / "run", time.monotonic() - start


def same_surface(a, b):
    one, two = (read_cloud(run / "mesh.ply") for run in (a, b))
    found = compare_surfaces(Surface(one.points, one.faces), Surface(two.points, two.faces), 20_000, 0.01, 0)
    return found.chamfer


def test_killed_at_random_moments(reference, torus_scan, tmp_path):
    """SIGKILL at random moments of all stages, again and again on one run; then once to the end."""
    whole, seconds = reference
    (tmp_path / "p.toml").write_text("")
    words = ("run", "p.toml", torus_scan, "--out", "run", *ARGS)
    moments = random.Random(0)
    killed = 0
    for _ in range(3 * KILLS):
        process = command(*words, cwd=tmp_path)
        time.sleep(moments.uniform(0.1, 0.8) * seconds)
        if process.poll() is None:
            killed += 1
            process.send_signal(signal.SIGKILL)
        else:  # it came to its end: begin a new one; the machine was busier when the reference was timed
            shutil.rmtree(tmp_path / "run")
            seconds *= 0.7
        process.communicate()
        for path in (tmp_path / "run").glob("*.json"):  # whatever is there is whole
            json.loads(path.read_text())
        if killed == KILLS:
            break
    assert killed >= 3
    code, err = finish(command(*words, cwd=tmp_path))
    assert code == 0, err
    run = tmp_path / "run"
    assert {p.name for p in run.iterdir()} == {p.name for p in whole.iterdir()}  # no temporary file, no checkpoint
    facts = json.loads((run / "run.json").read_text())["stages"]
    assert facts["fit"]["facts"]["steps"] == 500
    assert facts["mesh"]["facts"]["verification"]["watertight"]
    assert same_surface(run, whole) < 5e-3
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("limit", [100_000, 1_500_000])
def test_full_disk(reference, torus_scan, tmp_path, limit):
    """No file may grow beyond a limit: one line, nothing half-written; with room again the same command ends well. What is
    compiled was compiled for the reference."""
    words = ("fit", torus_scan, "--out", "run", *ARGS, "--set", "net.width=256", "--steps", "60")

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, err = finish(command(*words, cwd=tmp_path, preexec_fn=small_disk))
    assert code == 1, err
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert os.strerror(errno.EFBIG) in last
    assert not list(tmp_path.glob("run/.*.tmp"))
    code, err = finish(command(*words, cwd=tmp_path))
    assert code == 0, err


def test_read_only_disk(reference, tmp_path, monkeypatch):
    """A run on a medium that cannot be written: it can still be loaded and asked; making something new is refused."""
    import shapesiren
    from shapesiren.errors import ShapesirenError

    run = tmp_path / "run"
    shutil.copytree(reference[0], run)
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    really = builtins.open

    def refuse(path, mode="r", *arguments, **more):
        if set(mode) & set("wax+") and str(path).startswith(str(run)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return really(path, mode, *arguments, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    field = shapesiren.load(run)
    assert field([[0.0, 0, 0]]).shape == (1,)
    with pytest.raises(ShapesirenError, match=os.strerror(errno.EROFS)):
        shapesiren.mesh(run, resolution=40)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


@pytest.mark.parametrize("name", ["cloud.npz", "field.safetensors", "mesh.ply", "config.toml"])
def test_changed_files_are_noticed(reference, torus_scan, tmp_path, name, here):
    """A byte flipped, or the end cut off: made again by the same command, or one line."""
    for damage in ("flip", "cut", "gone"):
        run = tmp_path / damage
        shutil.copytree(reference[0], run)
        data = bytearray((run / name).read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 0xFF
            (run / name).write_bytes(data)
        elif damage == "cut":
            (run / name).write_bytes(data[: len(data) // 3])
        else:
            (run / name).unlink()
        if name != "mesh.ply":
            done = here("mesh", run, "--resolution", "40", cwd=tmp_path)
            code, err = done.returncode, done.stderr
            if name == "config.toml" and code == 0:  # settings that still read as TOML are settings, and the user is told
                assert "config.toml" in err
            else:  # all else is refused, in one line
                assert code == 2, err
                assert len(err.splitlines()) == 1, err
        if name == "field.safetensors" and damage != "flip":  # a fit takes long; what is told above is refused alike
            continue
        (tmp_path / "p.toml").write_text("")
        done = here("run", "p.toml", torus_scan, "--out", run, *ARGS, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert same_surface(run, reference[0]) < 5e-3


def test_a_moved_run_goes_on(reference, tmp_path):
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(reference[0], moved)
    code, err = finish(command("mesh", moved, "--resolution", "40", cwd=tmp_path))
    assert code == 0, err
    assert np.isfinite(read_cloud(moved / "mesh.ply").points).all()

"""Run folders: skipped when unchanged, refused when it would overwrite, resumed when killed, moved freely."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import shapesiren
from shapesiren.errors import InputError
from shapesiren.runtime.kdtree import KDTree
from shapesiren.runtime.threads import uninterrupted
from shapesiren.stages.ingest import unpack
from shapesiren.stages.store import Run
from tests.conftest import QUICK, QUICK_ARGS


@pytest.fixture(scope="module")
def finished(torus_scan, tmp_path_factory):
    """A run with all stages done."""
    folder = tmp_path_factory.mktemp("runs") / "torus"
    shapesiren.fit(torus_scan, out=folder, settings=QUICK)
    shapesiren.mesh(folder)
    shapesiren.evaluate(folder)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "moved")


def stamps(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p.name not in (".lock",)}


def test_the_result_is_good(finished):
    manifest = json.loads((finished / "run.json").read_text())
    assert set(manifest["stages"]) == {"ingest", "fit", "mesh", "evaluate"}
    mesh = manifest["stages"]["mesh"]["facts"]["verification"]
    assert mesh["watertight"]
    assert (mesh["components"], mesh["genus"]) == (1, 1)
    # 2 pi^2 R r^2 of the torus
    assert mesh["volume"] == pytest.approx(2 * np.pi**2 * 0.6 * 0.22**2, rel=0.01)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["surface"]["completeness"] < 0.004
    assert metrics["surface"]["normal_consistency"] > 0.99
    assert metrics["field"]["eikonal"] < 0.25  # a width of 64, 400 steps
    assert {"torch", "numpy", "shapesiren"} <= manifest["stages"]["fit"]["versions"].keys()
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == QUICK["fit"]["steps"]
    assert set(lines[-1]["losses"]) == {"on_surface", "normal", "eikonal", "distance", "direction"}


def test_nothing_changed_nothing_done(run, torus_scan):
    said = []
    before = stamps(run)
    shapesiren.fit(torus_scan, out=run, settings=QUICK, say=said.append)
    shapesiren.mesh(run)
    shapesiren.evaluate(run)
    assert stamps(run) == before
    assert [line.split(":")[0] for line in said] == ["ingest", "fit"]  # a line each


def test_only_what_depends_on_a_change_is_done(run):
    before = stamps(run)
    shapesiren.mesh(run, resolution=48)
    after = stamps(run)
    assert {n for n in after if after[n] != before.get(n)} == {"mesh.ply", "mesh.1.ply", "run.json"}
    shapesiren.evaluate(run)
    assert stamps(run)["metrics.json"] != after["metrics.json"]


def test_a_fit_with_other_settings_is_refused(run, torus_scan, tmp_path):
    before = stamps(run)
    with pytest.raises(InputError, match=r"fit\.learning_rate 0\.001 -> 0\.002.*--force"):
        shapesiren.fit(torus_scan, out=run, settings={**QUICK, "fit": {"steps": 400, "learning_rate": 0.002}})
    with pytest.raises(InputError, match=r"ingest\.extent 1\.8 -> 1\.5"):
        shapesiren.fit(torus_scan, out=run, settings={**QUICK, "ingest": {**QUICK["ingest"], "extent": 1.5}})
    other = tmp_path / "other.xyz"
    np.savetxt(other, np.random.default_rng(0).normal(size=(100, 3)))
    with pytest.raises(InputError, match=r"torus\.ply"):
        shapesiren.fit(other, out=run, settings=QUICK)
    assert stamps(run) == before


def test_force_replaces(run, torus_scan):
    field = shapesiren.fit(torus_scan, out=run, settings=QUICK, steps=20, force=True)
    assert Run.open(run).facts("fit")["steps"] == 20
    assert field.run == run


def test_a_damaged_file_is_made_again(run, torus_scan):
    whole = (run / "cloud.npz").read_bytes()
    (run / "cloud.npz").write_bytes(whole[:-100])
    before = stamps(run)
    with pytest.raises(InputError, match="ingest"):
        shapesiren.mesh(run, resolution=32)
    shapesiren.fit(torus_scan, out=run, settings=QUICK, force=False)
    assert unpack(run / "cloud.npz").arrays["points"].shape == (20_000, 3)
    assert stamps(run)["field.safetensors"] == before["field.safetensors"]  # which was not fitted again
    shapesiren.mesh(run, resolution=32)
    (run / "field.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match="shapesiren fit"):
        shapesiren.mesh(run, resolution=40)
    (run / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json"):
        shapesiren.load(run)


def test_two_processes_on_one_run(run, torus_scan):
    before = stamps(run)
    with Run.open(run).locked(), pytest.raises(InputError, match=re.escape(str(run))):
        shapesiren.fit(torus_scan, out=run, settings=QUICK, steps=20, force=True)
    assert stamps(run) == before


@pytest.mark.slow
def test_the_field_speaks_user_coordinates(tmp_path, torus_scan):
    """The same scan, moved to UTM coordinates and scaled to millimetres."""
    from shapesiren.pointcloud.io.read import read_cloud
    from shapesiren.pointcloud.synthetic.shapes import torus

    cloud = read_cloud(torus_scan)
    offset, scale = np.array([512_000.5, 5_403_000.25, 300.0]), 1000.0
    field = shapesiren.fit(cloud.points * scale + offset, normals=cloud.normals, settings=QUICK)
    x = np.random.default_rng(0).uniform(-0.8, 0.8, (500, 3)) * [1, 1, 0.35]
    d = field(x * scale + offset)
    assert np.abs(d - torus(x) * scale).mean() < 0.01 * scale
    assert np.abs(np.linalg.norm(field.gradient(x * scale + offset), axis=1) - 1).mean() < 0.2
    mesh = field.mesh(resolution=64)
    assert mesh.watertight
    assert np.abs(torus((mesh.vertices - offset) / scale)).mean() < 0.004
    mesh.save(tmp_path / "a.ply")
    back = read_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(back.points, mesh.vertices)
    # no float32 staircase: coordinates at 5.4e6 would come in steps of half a unit
    assert len(np.unique(back.points[:, 1])) > 0.5 * len(back.points)


COMMAND = [sys.executable, "-m", "shapesiren", "fit"]
LONG = ["--steps", "1500", "--set", "fit.checkpoint_seconds=0.2"]


def start(torus_scan, folder, *extra):
    return subprocess.Popen(
        [*COMMAND, str(torus_scan), "--out", str(folder), *QUICK_ARGS, *LONG, *extra],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_checkpoint(folder, process):
    deadline = time.monotonic() + 120
    while not (folder / "checkpoint.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)  # SIGINT: see the next test
def test_a_stopped_fit_goes_on(torus_scan, tmp_path, number):
    folder = tmp_path / "run"
    process = start(torus_scan, folder)
    wait_for_checkpoint(folder, process)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        stopped = int(re.search(r"step ([\d,]+)", err.splitlines()[-1])[1].replace(",", ""))
        assert "Traceback" not in err and "stopped at step" not in err  # which "stopped:" says
    assert not (folder / "field.safetensors").exists()  # no half-made result
    process = start(torus_scan, folder)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    facts = Run.open(folder).facts("fit")
    assert facts["resumed_from"] > 0
    assert f"{facts['resumed_from']:,}" in err
    if number != signal.SIGKILL:
        assert facts["resumed_from"] == stopped  # not one step is lost
    assert facts["steps"] == 1500
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))
    facts = shapesiren.mesh(folder)
    assert facts["verification"]["genus"] == 1
    assert facts["input_distance"]["mean"] < 0.002  # as good as undisturbed
    assert not (folder / "checkpoint.safetensors").exists()
    assert not list(folder.glob("*.tmp"))


def test_an_interrupted_ingest_says_so(torus_scan, tmp_path):
    folder = tmp_path / "run"
    process = start(torus_scan, folder)
    while not folder.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in err
    assert not (folder / "cloud.npz").exists()
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    "what",
    ["exec('raise KeyboardInterrupt')", "import slow; print('imported', flush=True); time.sleep(5)"],
    ids=["in an exec of text", "in an import"],
)
def test_an_interrupt_at_a_bad_moment(tmp_path, what):
    """Through an exec of text: CPython then ends itself by the signal, unless it is told not to. While a module is imported:
    native ones would make another error of it, or abort."""
    (tmp_path / "slow.py").write_text("import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(0.3)\n")
    code = f"""
import time
from shapesiren import cli
def app(**_):
    {what}
cli.app = app
cli.main()
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 130
    (line,) = done.stderr.splitlines()
    assert line.startswith("interrupted")
    assert done.stdout.strip() == ("imported" if "import" in what else "")


def test_an_interrupt_waits_for_native_threads():
    reached, before = [], signal.getsignal(signal.SIGINT)

    @uninterrupted()
    def work():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached
    assert signal.getsignal(signal.SIGINT) is before
    with ThreadPoolExecutor(1) as pool:  # where no handler may be set
        assert pool.submit(lambda: KDTree(np.eye(3)).query(np.eye(3))[1].tolist()).result() == [0, 1, 2]


def test_a_seed_fixes_the_result(torus_scan, tmp_path):
    """Bit by bit, on any number of threads; of one ingest, because Poisson's last digits depend on its threads."""
    shapesiren.ingest(torus_scan, tmp_path / "a", settings=QUICK)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    settings = {"fit": {**QUICK["fit"], "precision": "bfloat16"}}
    fields = [shapesiren.fit(tmp_path / r, settings=settings, steps=30, seed=0) for r in "ab"]
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 3))
    np.testing.assert_array_equal(fields[0](x), fields[1](x))
    other = shapesiren.fit(tmp_path / "b", settings=settings, steps=30, seed=4, force=True)
    assert np.abs(other(x) - fields[0](x)).max() > 1e-3


@pytest.mark.slow
def test_the_pace_does_not_count_compiling():
    """On a new machine the first trials go into kernels; what is said is the pace after them."""
    from shapesiren.config import resolve
    from shapesiren.stages import inspect
    from shapesiren.tasks import TASKS

    compiling = iter([3.0])

    class Slow(TASKS["shape"]):
        """Its first step takes as long as compiling would."""

        def losses(self, *arguments):
            time.sleep(next(compiling, 0))
            return super().losses(*arguments)

    small = {
        "net": {"kind": "siren", "width": 16, "hidden_layers": 1},
        "batch": {"on_surface": 50, "off_surface": 50, "eikonal": 25},
    }
    config = resolve(Slow.config_type, Slow.presets, [("test", small)])
    assert min(inspect.paces(Slow, Slow.trial(), config, torch.device("cpu"))) > 3  # not a third of a step a second

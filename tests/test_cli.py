"""The command line as a user meets it: results, help, and one clear line for whatever is wrong."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import QUICK_ARGS


def cli(*args, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "shapesiren", *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder of inputs that cannot be fitted."""
    folder = tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)
    ok = rng.normal(size=(60, 3))

    def text(name, rows):
        np.savetxt(folder / name, rows)

    text("ok.xyz", ok)
    (folder / "empty.ply").write_bytes(b"")
    (folder / "garbage.ply").write_text("hello, this is a letter and no scan\n")
    (folder / "garbage.xyz").write_text("hello, this is\na letter and no scan\n")
    (folder / "binary.xyz").write_bytes(rng.bytes(500))
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 1000\n"
    header += "property float x\nproperty float y\nproperty float z\nend_header\n"
    (folder / "truncated.ply").write_bytes(header.encode() + rng.bytes(3000))
    (folder / "nofields.ply").write_text("ply\nformat ascii 1.0\nelement vertex 1\nproperty float q\nend_header\n1\n")
    (folder / "ragged.xyz").write_text("1 2 3\n" * 20 + "4 5\n")
    (folder / "word.xyz").write_text("1 2 3\n" * 20 + "4 five 6\n")
    text("few.xyz", ok[:9])
    text("equal.xyz", np.ones((50, 3)))
    text("line.xyz", np.arange(50)[:, None] * [[1.0, 2, 3]])
    text("nan.xyz", np.full((50, 3), np.nan))
    text("zeronormals.xyz", np.hstack([ok, np.zeros((60, 3))]))
    text("two.xyz", ok[:, :2])
    np.save(folder / "cube.npy", np.zeros((3, 3, 3)))
    np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(folder / "names.npz", a=ok, b=ok)
    (folder / "scan.las").write_bytes(b"LASF")
    (folder / "noextension").write_bytes(b"1 2 3")
    (folder / "folder.ply").mkdir()
    (folder / "unknown.toml").write_text("[fit]\nstepz = 10\n")
    (folder / "section.toml").write_text("[fitt]\nsteps = 10\n")
    (folder / "type.toml").write_text('[fit]\nsteps = "many"\n')
    (folder / "broken.toml").write_text("[fit\nsteps = 1\n")
    (folder / "file").write_text("x")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("x")
    return folder


CASES = [
    (["fit", "nosuch.ply"], "nosuch.ply: no such file"),
    (["fit", "empty.ply"], "empty.ply: the file is empty"),
    (["fit", "garbage.ply"], "garbage.ply: .*PLY"),
    (["fit", "garbage.xyz"], "garbage.xyz: .*not a number"),
    (["fit", "binary.xyz"], "binary.xyz"),
    (["fit", "truncated.ply"], "truncated.ply: .*truncated"),
    (["fit", "nofields.ply"], "lack x y z.*they have q"),
    (["fit", "ragged.xyz"], "line 21 has 2 columns, not 3"),
    (["fit", "word.xyz"], "line 21: 'five' is not a number"),
    (["fit", "few.xyz"], "9 usable points; at least 10"),
    (["fit", "equal.xyz"], "all 50 points are equal"),
    (["fit", "line.xyz"], "all points lie on one line"),
    (["fit", "nan.xyz"], "NaN"),
    (["fit", "zeronormals.xyz"], "all normals are zero.*ingest.normals=estimate"),
    (["fit", "two.xyz"], r"shape \(60, 2\)"),
    (["fit", "cube.npy"], r"shape \(3, 3, 3\)"),
    (["fit", "objects.npy"], "objects.npy"),
    (["fit", "names.npz"], "found: a, b"),
    (["fit", "scan.las"], "unknown extension '.las'; known: .ply"),
    (["fit", "noextension"], "no extension"),
    (["fit", "folder.ply"], "this is a folder"),
    (["fit", "."], "this is a folder"),
    (["fit", "ok.xyz", "--config", "unknown.toml"], "unknown.toml: unknown setting 'fit.stepz'; did you mean 'steps'"),
    (["fit", "ok.xyz", "--config", "section.toml"], "section.toml: unknown setting 'fitt'; did you mean 'fit'"),
    (["fit", "ok.xyz", "--config", "type.toml"], "type.toml: setting 'fit.steps'.*'many'"),
    (["fit", "ok.xyz", "--config", "broken.toml"], "broken.toml: not valid TOML"),
    (["fit", "ok.xyz", "--config", "nosuch.toml"], "nosuch.toml: no such settings file"),
    (["fit", "ok.xyz", "--set", "net.width"], "--set: .*section.name=value"),
    (["fit", "ok.xyz", "--set", "net.width=-1"], "--set: setting 'net.width'.*given: -1"),
    (["fit", "ok.xyz", "--set", "net.widht=64"], "unknown setting 'net.widht'; did you mean 'width'"),
    (["fit", "ok.xyz", "--preset", "fastest"], "no preset 'fastest'; one of default, fast"),
    (["fit", "ok.xyz", "--time", "soon"], "--time: 'soon' is no time"),
    (["fit", "ok.xyz", "--steps", "5", "--time", "5s"], "either steps or a time"),
    (["fit", "ok.xyz", "--device", "tpu"], "--device: unknown device 'tpu'"),
    (["fit", "ok.xyz", "--out", "file"], "file: this is a file"),
    (["fit", "ok.xyz", "--out", "full"], "full: the folder is not empty and no run"),
    (["fit", "ok.xyz", "--out", "/proc/runs"], "/proc/runs: "),
    (["fit", "ok.xyz", "--steps", "none"], "steps"),
    (["mesh", "nosuch"], "nosuch: no run here"),
    (["mesh"], "runs: no runs here"),
    (["evaluate", "full"], "full: no run here"),
    (["simulate", "sphear", "-o", "a.ply"], "no such file or shape"),
    (["simulate", "sphere", "-o", "a.doc"], "cannot write scans as '.doc'"),
    (["simulate", "sphere", "-o", "no/a.ply"], "its folder does not exist"),
    (["simulate", "sphere", "-o", "ok.xyz"], "the file exists"),
    (["simulate", "ok.xyz", "-o", "a.ply"], "the scanner needs a mesh"),
    (["picture", "ok.xyz", "-o", "a.gif"], "unknown picture format"),
    (["run", "nosuch.toml", "ok.xyz"], "no such settings file"),
    (["frobnicate"], "No such command"),
]


@pytest.mark.parametrize(("args", "message"), CASES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_is_one_line_and_exit_code_2(bad, args, message):
    import re

    before = sorted(bad.rglob("*"))
    done = cli(*args, cwd=bad)
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stdout == ""
    if "Usage" not in done.stderr:  # typer's own usage errors are framed
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    left = [p for p in sorted(bad.rglob("*")) if p not in before and p != bad / "runs"]
    assert not left  # nothing half-written, no empty run


def test_unwritable_mesh_output(tmp_path, torus_scan):
    run = tmp_path / "run"
    assert cli("fit", torus_scan, "--out", run, *QUICK_ARGS, "--steps", "20", "-q").returncode == 0
    for name, message in (("a.xyz", "unknown mesh format"), ("no/a.ply", "does not exist")):
        done = cli("mesh", run, "-o", tmp_path / name)
        assert done.returncode == 2
        assert message in done.stderr
    assert not (run / "mesh.ply").exists()  # refused before the work
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        assert "no permission" in cli("mesh", run, "-o", locked / "a.ply").stderr


def test_the_whole_path(tmp_path, torus_scan):
    run = tmp_path / "runs" / "torus"
    done = cli("fit", torus_scan, *QUICK_ARGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "next: shapesiren mesh runs/torus" in done.stderr
    assert "normals given" in done.stderr
    assert done.stdout == ""
    done = cli("mesh", "--json", "-o", "out.glb", "--resolution", "48", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "watertight (closed, edge-manifold, oriented), genus 1" in done.stderr
    assert json.loads(done.stdout)["mesh"]["verification"]["watertight"]
    assert (tmp_path / "out.glb").read_bytes()[:4] == b"glTF"
    done = cli("evaluate", "--reference", torus_scan, "--json", "-q", cwd=tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout)["evaluate"]["reference"] == torus_scan.name
    done = cli("picture", torus_scan, run / "mesh.ply", "-o", "p.png", "--size", "120", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    from PIL import Image

    picture = np.asarray(Image.open(tmp_path / "p.png")).astype(float)
    assert picture.shape == (120, 240, 3)
    for panel in (picture[:, :120], picture[:, 120:]):
        drawn = (panel < 250).any(2)
        assert 0.1 < drawn.mean() < 0.9
        assert panel[drawn].std() > 10  # shaded, not flat
        assert abs(np.argwhere(drawn).mean(0) - 60).max() < 12  # in the middle


def test_pipeline_and_version(tmp_path, torus_scan):
    (tmp_path / "p.toml").write_text('task = "shape"\npreset = "fast"\n[fit]\nsteps = 30\n[mesh]\nresolution = 32\n')
    args = ["run", "p.toml", torus_scan, *QUICK_ARGS[: -2 * 3]]
    done = cli(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"cloud.npz", "config.toml", "field.safetensors", "mesh.ply", "metrics.json", "metrics.jsonl", "run.json"} == {
        p.name for p in (tmp_path / "runs" / "torus").iterdir() if not p.name.startswith(".")
    }
    assert cli(*args, cwd=tmp_path).stderr.count("unchanged, skipped") == 4
    assert cli("--version").stdout.startswith("shapesiren ")


def test_ingest_here_fit_there(tmp_path, torus_scan):
    assert cli("ingest", torus_scan, "--out", tmp_path / "a", *QUICK_ARGS).returncode == 0
    (tmp_path / "a").rename(tmp_path / "b")
    done = cli("fit", tmp_path / "b", "--steps", "20", "--json", "-q")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fit"]["steps"] == 20
    # a preset named now counts, though the run's own settings are complete; what was ingested stays
    from shapesiren.stages.stage import stored_config
    from shapesiren.stages.store import Run

    config = stored_config(Run.open(tmp_path / "b"), [("--preset", {"preset": "fast"})])[1]
    assert (config.fit.steps, config.net.width, config.ingest.guide_depth) == (1250, 256, 6)


def test_doctor():
    done = cli("doctor", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["packages"]["open3d"]
    assert "open3d loads" in done.stderr

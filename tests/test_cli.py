"""The command line as a user meets it: results, help, and one clear line for whatever is wrong."""

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from shapesiren.config import resolve
from shapesiren.tasks import TASKS
from tests.conftest import QUICK_ARGS


def cli(*args, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "shapesiren", *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def next_command(stderr):
    """The words of the command that a finished one says to go on with."""
    return shlex.split(re.search(r"next: shapesiren (.*)", stderr)[1])


def stamps(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if not p.name.startswith(".")}


def facts_of(run, stage):
    return json.loads((run / "run.json").read_text())["stages"][stage]["facts"]


def test_help_lists_what_the_registries_hold():
    from shapesiren import export
    from shapesiren.cli import names
    from shapesiren.config import NETWORKS
    from shapesiren.export.drawing import DRAWINGS
    from shapesiren.pointcloud.io.read import SUFFIXES
    from shapesiren.pointcloud.synthetic.shapes import SHAPES
    from shapesiren.profiles import MEANINGS, PROFILES
    from shapesiren.reports import compare
    from shapesiren.surface import io as surfaces
    from shapesiren.tasks import TASKS

    assert tuple(TASKS) == names.TASKS
    assert NETWORKS == names.NETWORKS
    assert names.INPUTS["scan or mesh"] == tuple(SUFFIXES)
    assert list(names.INPUTS.values()) == list(dict.fromkeys(task.suffixes for task in TASKS.values()))
    assert all(set(names.PRESETS) == {n for n in task.presets if "/" not in n} for task in TASKS.values())
    assert tuple(SHAPES) == names.SHAPES
    assert all(tuple(known) == names.PROFILES == tuple(MEANINGS) for known in PROFILES.values())
    assert tuple(surfaces.WRITERS) == names.MESH_FILES
    assert export.SUFFIXES == names.FIELD_FILES
    assert tuple(DRAWINGS) == names.DRAWING_FILES
    assert surfaces.TEXTURED == names.TEXTURED
    assert tuple(compare.WRITERS) == names.TABLE_FILES


def test_help_of_every_command_is_light():
    """What a help page imports is what the page of all commands does, see tests/test_imports.py."""
    code = """
import contextlib, io, sys
from shapesiren.cli import app
for words in (*([c.name or c.callback.__name__] for c in app.registered_commands), ["config", "show"], ["config", "schema"]):
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        app([*words, "--help"])
    assert "Usage" in shown.getvalue()
print(sorted({"torch", "open3d", "trimesh", "numpy", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_command_takes_groups_of_options():
    """A group's options stand where its parameter does, and reach the command as the group."""
    from dataclasses import dataclass
    from typing import Annotated

    import typer
    from typer.testing import CliRunner

    from shapesiren.cli.app import command
    from shapesiren.cli.composed import Default

    Shared = Annotated[int, typer.Option(help="Shared."), Default(3)]

    @dataclass(frozen=True, kw_only=True)
    class Inner:
        shared: Shared

    @dataclass(frozen=True, kw_only=True)
    class Outer:
        inner: Inner
        level: Annotated[float, typer.Option(help="Of the group.")] = 0.5
        hidden: Annotated[str, typer.Option()] = "default"

    app, got = typer.Typer(), []

    @command(parent=app, without=("hidden",))
    def act(*, name: str, first: int = 1, outer: Outer, last: bool = False) -> None:
        """What it does."""
        got.append((name, first, outer, last))

    shown = CliRunner().invoke(app, ["--help"]).output
    places = [shown.index(f"--{name}") for name in ("first", "shared", "level", "last")]
    assert places == sorted(places) and "What it does." in shown and "hidden" not in shown
    assert CliRunner().invoke(app, ["a", "--shared", "7", "--last"]).exit_code == 0
    assert CliRunner().invoke(app, ["a"]).exit_code == 0
    assert got[0] == ("a", 1, Outer(inner=Inner(shared=7), level=0.5, hidden="default"), True)
    assert got[1][2].inner.shared == 3
    assert CliRunner().invoke(app, ["a", "--hidden", "x"]).exit_code == 2


def test_unwritable_mesh_output(tmp_path, torus_scan, here):
    run = tmp_path / "run"
    assert here("fit", torus_scan, "--out", run, *QUICK_ARGS, "--steps", "20", "-q").returncode == 0
    for name in ("a.xyz", "no/a.ply"):  # an unknown format, a folder that does not exist
        done = here("mesh", run, "-o", tmp_path / name)
        assert done.returncode == 2
        assert name in done.stderr
    assert not (run / "mesh.ply").exists()  # refused before the work
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        refused = here("mesh", run, "-o", locked / "a.ply")
        assert refused.returncode == 2
        assert str(locked) in refused.stderr
        assert not (run / "mesh.ply").exists()


@pytest.mark.slow
def test_the_whole_path(tmp_path, torus_scan):
    run = tmp_path / "runs" / "torus"
    done = cli("fit", torus_scan, *QUICK_ARGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert facts_of(run, "ingest")["normals"]["origin"] == "given"
    done = cli(*next_command(done.stderr), "--json", "-o", "out.glb", "--resolution", "48", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["mesh"]["verification"]
    assert (found["watertight"], found["genus"]) == (True, 1)
    assert str(found["faces"]) in done.stderr.replace(",", "")  # on the screen too
    assert (tmp_path / "out.glb").read_bytes()[:4] == b"glTF"
    done = cli(*next_command(done.stderr), "--reference", torus_scan, "--json", "-q", cwd=tmp_path)
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


@pytest.mark.slow
def test_pipeline_and_version(tmp_path, torus_scan):
    (tmp_path / "p.toml").write_text(
        'task = "shape"\npreset = "fast"\n[fit]\nsteps = 30\n[mesh]\nresolution = 32\n[evaluate]\nsamples = 5000\n'
    )
    args = ["run", "p.toml", torus_scan, *QUICK_ARGS[: -2 * 4], *QUICK_ARGS[-2:]]
    done = cli(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {
        "cloud.npz",
        "config.toml",
        "field.safetensors",
        "mesh.ply",
        "metrics.json",
        "metrics.jsonl",
        "report.html",
        "run.json",
    }
    before = stamps(tmp_path / "runs" / "torus")
    assert made == set(before)
    assert cli(*args, cwd=tmp_path).returncode == 0
    assert stamps(tmp_path / "runs" / "torus") == before  # nothing is done twice
    assert cli("--version").stdout.startswith("shapesiren ")


@pytest.mark.slow
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
    assert (config.net.kind, config.local.units, config.ingest.guide_depth) == ("local", 256, 6)


@pytest.mark.slow
def test_doctor():
    done = cli("doctor", "--json")
    assert done.returncode == 0, done.stderr
    packages = json.loads(done.stdout)["packages"]
    assert packages["trimesh"]
    assert all(name in done.stderr for name in packages)


def test_errors_of_a_real_process(tmp_path):
    """What `tests/test_bad_inputs.py` checks in this process, once in its own."""
    for args, code in ((["fit", "nosuch.ply"], 2), (["mesh"], 2), (["frobnicate"], 2)):
        done = cli(*args, cwd=tmp_path)
        assert done.returncode == code
        assert done.stdout == ""
    (line,) = cli("fit", "nosuch.ply", cwd=tmp_path).stderr.splitlines()
    assert line.startswith("error: nosuch.ply: ")


@pytest.mark.slow
def test_inspect(tmp_path, torus_scan):
    done = cli("inspect", torus_scan, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["points"] == 20_000
    assert not facts["open"]
    assert facts["normals"]["origin"] == "given"
    assert facts["neighbours_agree"] > 0.99
    assert facts["fit_rate"] > 0
    steps = resolve(TASKS["shape"].config_type, TASKS["shape"].presets, []).fit.steps
    assert facts["fit_seconds"] == pytest.approx(steps / facts["fit_rate"])
    assert facts["spacing"]["median"] < facts["spacing"]["q95"] < facts["spacing"]["q99"]
    assert {c["setting"] for c in facts["choices"]} == {"ingest.guide_depth", "ingest.surface"}
    solved = json.loads(cli("inspect", torus_scan, "--json", "--preset", "fast", cwd=tmp_path).stdout)
    assert "fit_rate" not in solved and 0 < solved["fit_seconds"] < 60
    # the screen shows what the data say
    shown = ["20,000", f"{facts['spacing']['median']:.3g}", *(c["setting"] for c in facts["choices"])]
    assert [text for text in shown if text not in done.stderr] == []
    assert not list(tmp_path.iterdir())  # it makes no run


def test_what_was_asked_for_is_on_stdout(tmp_path, here):
    """So that it can be piped: `shapesiren inspect scan.ply | grep noise`."""
    directions = np.random.default_rng(0).normal(size=(1000, 3))
    np.savetxt(tmp_path / "ball.xyz", directions / np.linalg.norm(directions, axis=1, keepdims=True))
    done = here("inspect", "ball.xyz", cwd=tmp_path)
    assert "1,000" in done.stdout
    assert "1,000" not in done.stderr
    assert "trimesh" in here("doctor", cwd=tmp_path).stdout


@pytest.mark.slow
def test_what_the_columns_of_a_table_are(tmp_path, here):
    """What is guessed or ignored is one line, else nothing is said; --columns has the last word, and is a run's setting."""
    rng = np.random.default_rng(1)
    ball = rng.normal(size=(900, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    spin = rng.uniform(-1, 1, (900, 1))
    np.savetxt(tmp_path / "plain.xyz", np.hstack([ball, ball]))
    np.savetxt(tmp_path / "more.xyz", np.hstack([ball, ball, spin]))
    np.savetxt(tmp_path / "named.txt", np.hstack([spin, ball, 2 * ball]), header="spin nx ny nz x y z", comments="# ")

    def said(*words):
        done = here(*words, "--set", "ingest.guide_samples=1000", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if line.startswith("columns")]

    assert said("inspect", "plain.xyz") == []
    assert said("inspect", "more.xyz") == [
        "columns: x y z, nx ny nz; column 7 ignored (told by their values; --columns names them)"
    ]
    assert said("ingest", "named.txt", "--out", "a") == ["columns: x y z, nx ny nz; spin ignored"]
    assert said("ingest", "named.txt", "--out", "b", "--columns", "_,nx,ny,nz,x,y,z") == []
    assert said("ingest", "more.xyz", "--out", "c", "--columns", "x,y,z,nx,ny,nz,intensity") == []
    assert 'columns = "x,y,z,nx,ny,nz,intensity"' in (tmp_path / "c" / "config.toml").read_text()
    arrays = [dict(np.load(tmp_path / run / "cloud.npz")) for run in "abc"]
    np.testing.assert_array_equal(arrays[0]["points"], arrays[1]["points"])
    assert "intensity" in arrays[2] and "intensity" not in arrays[0]


@pytest.mark.slow
def test_inspect_says_how_much_noisy_points_count(tmp_path, here):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.savetxt(tmp_path / "ball.xyz", directions * (1 + 0.005 * rng.normal(size=(4000, 1))))

    def chosen(*words):
        done = here("inspect", "ball.xyz", "--json", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {c["setting"]: float(c["value"]) for c in json.loads(done.stdout)["choices"] if c["setting"] == "loss.fidelity"}

    assert chosen()["loss.fidelity"] == 0.3  # noise .0043 of the box
    assert chosen("--set", "loss.fidelity=1") == {}


def test_several_scans_are_one_input(tmp_path, torus_scan, here):
    from shapesiren.pointcloud.io.read import read_cloud
    from shapesiren.pointcloud.synthetic.scanner import write_scan

    cloud = read_cloud(torus_scan)
    left = cloud.points[:, 0] < 0
    write_scan(tmp_path / "a.ply", cloud.take(left))
    write_scan(tmp_path / "b.xyz", cloud.take(~left))
    done = here("fit", "a.ply", "b.xyz", *QUICK_ARGS, "--steps", "20", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "a"
    assert json.loads((run / "run.json").read_text())["source"]["name"] == "a.ply b.xyz"
    assert facts_of(run, "ingest")["points"] == 20_000
    before = stamps(run)
    assert here("fit", "a.ply", "b.xyz", *QUICK_ARGS, "--steps", "20", cwd=tmp_path).returncode == 0
    assert stamps(run) == before
    other = here("fit", "a.ply", "--out", "runs/a", *QUICK_ARGS, cwd=tmp_path)
    assert other.returncode == 2
    assert "a.ply b.xyz" in other.stderr  # whose run it is
    assert stamps(run) == before


@pytest.mark.slow
def test_the_same_in_python(tmp_path, torus_scan):
    import shapesiren
    from tests.conftest import QUICK

    facts = shapesiren.inspect(torus_scan)
    assert facts["points"] == 20_000
    assert facts["normals"]["origin"] == "given"
    field = shapesiren.fit([torus_scan, str(torus_scan)], settings=QUICK, steps=20)  # the second one adds only duplicates
    assert len(field.arrays["points"]) == 20_000


def test_an_image_from_the_command_line(tmp_path, here):
    from shapesiren.media.image import read_image, write_image
    from tests.samples import is_a_picture, picture

    write_image(tmp_path / "a.png", picture(30, 40, 3), 8)
    small = ["--width", "48", "--hidden-layers", "2", "--learning-rate", "2e-3", "--steps", "150"]
    done = here("fit", "a.png", *small, "--grey", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = facts_of(tmp_path / "runs" / "a", "ingest")
    assert (facts["width"], facts["height"], facts["mode"]) == (40, 30, "grey")
    done = here(*next_command(done.stderr), "--scale", "2", "-o", "b.webp", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["decode"]["width"], read_image(tmp_path / "b.webp").values.shape[:2]) == (80, (60, 80))
    done = here("decode", "runs/a", "--crop", "4,5,20,10", cwd=tmp_path)
    assert read_image(tmp_path / "runs" / "a" / "decoded.png").values.shape[:2] == (10, 20)
    done = here("evaluate", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["evaluate"]["psnr"] > 22
    wrong = here("mesh", "runs/a", cwd=tmp_path)
    assert wrong.returncode == 2 and "shapesiren decode runs/a" in wrong.stderr  # what to do instead
    before = (tmp_path / "a.png").read_bytes()
    onto = here("decode", "runs/a", "-o", "a.png", cwd=tmp_path)
    assert onto.returncode == 2 and "a.png" in onto.stderr
    assert (tmp_path / "a.png").read_bytes() == before  # the input itself
    assert here("picture", "runs/a", "-o", "p.png", cwd=tmp_path).returncode == 0
    assert is_a_picture(tmp_path / "p.png")
    done = here("diagnose", "runs/a", "--steps", "0,5", "--omega", "10,30", "-o", "d.png", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert set(rows) == {"omega 10", "omega 30"} and len(rows["omega 30"]) == 2 * 3
    first = [r for r in rows["omega 30"] if r["step"] == 0]
    assert all(0.6 < r["output"] < 0.8 for r in first)  # arcsine: sqrt(1/2) at every depth
    assert is_a_picture(tmp_path / "d.png")


def test_several_kinds_of_network(tmp_path, torus_scan, here):
    """The same task with another network: a shape too."""
    done = here("fit", torus_scan, *QUICK_ARGS, "--net", "finer", "--steps", "60", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert here("mesh", cwd=tmp_path).returncode == 0

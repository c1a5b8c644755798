"""What README and the guides tell to type works as it stands, line by line, on a small scan."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh

import shapesiren
from shapesiren import plugins
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import write_scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = ROOT / "docs" / "guides"
SMALL_NET = ("--set", "net.width=32", "--set", "ingest.guide_samples=0", "--set", "evaluate.samples=20000")
SMALL_LOCAL = ("--set", "local.units=64", "--set", "evaluate.samples=20000")


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.M | re.S)


def typed(page):
    """The lines after a $ of a page, as words."""
    return [shlex.split(line[2:]) for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def knot():
    """The scan that ships, thinned, so that a fit takes a second."""
    cloud = read_cloud(ROOT / "data" / "trefoil.ply")
    return cloud.take(np.arange(0, cloud.points.shape[0], 20))


@pytest.fixture
def walk(here, tmp_path):
    """Types the lines of a page one after the other, on small networks; gives what each said.

    Commands in ``without`` take seconds and are run by other tests.
    """

    def go(page, without=()):
        said = {}
        for words in typed(page):
            if words[1] in without:
                continue
            small = SMALL_NET if "siren" in words else SMALL_LOCAL if words[1] == "fit" else ()
            if words[0] == "cp":
                shutil.copy(tmp_path / words[1], tmp_path / words[2])
                continue
            assert words[0] == "shapesiren", words
            done = here(*words[1:], *small, cwd=tmp_path)
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
            said[" ".join(words[1:])] = done.stdout + done.stderr
        assert said
        return said

    yield go
    plugins.unregister()


def test_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert 1 <= len(pictures) <= 3
    assert sum((ROOT / p).stat().st_size for p in pictures) <= 300_000


@pytest.mark.slow
def test_readmes_lines(walk, knot, tmp_path, monkeypatch, capfd):
    (tmp_path / "data").mkdir()
    write_scan(tmp_path / "data" / "trefoil.ply", knot)
    said = walk(README)
    assert len(said) == 3
    assert list(said)[-1] == "mesh -o trefoil.obj" and "watertight (closed, edge-manifold, oriented)" in list(said.values())[-1]
    assert trimesh.load_mesh(tmp_path / "trefoil.obj").is_watertight
    shown = re.search(r"^runs/trefoil/\n(.*?)^```", README.read_text(), re.M | re.S)[1]
    files = {line.split()[0] for line in shown.splitlines()}
    assert files - {p.name for p in (tmp_path / "runs" / "trefoil").iterdir()} == {
        "metrics.json",
        "report.html",
    }  # not asked for
    (code,) = blocks(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert float(capfd.readouterr().out.strip("[]\n ")) == pytest.approx(SHAPES["trefoil"](np.zeros((1, 3)))[0], abs=0.06)
    assert trimesh.load_mesh(tmp_path / "trefoil.ply").is_watertight


@pytest.mark.slow
def test_getting_started(walk, tmp_path, monkeypatch):
    said = walk(ROOT / "docs" / "getting-started.md", without=("inspect", "picture", "report"))
    mesh = next(text for words, text in said.items() if words.startswith("mesh"))
    assert "watertight (closed, edge-manifold, oriented)" in mesh
    assert (tmp_path / "runs/scan/metrics.json").stat().st_size > 500
    (code,) = blocks(ROOT / "docs" / "getting-started.md", "python")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "getting-started.md", "exec"), {})
    assert trimesh.load_mesh(tmp_path / "scan.glb").is_watertight


@pytest.mark.slow
def test_the_museums_way(walk, knot, tmp_path):
    write_scan(tmp_path / "trefoil.ply", knot)
    said = walk(GUIDES / "museum.md", without=("report",))
    run = tmp_path / "runs" / "object"
    textured = trimesh.load(tmp_path / "object.glb", force="mesh")
    assert textured.visual.kind == "texture" and textured.visual.material.baseColorTexture.size == (512, 512)
    assert len(textured.faces) <= 4400
    for name in ("mesh.glb", "mesh.obj", "metrics.json", "cloud.npz", "field.safetensors"):
        assert (run / name).is_file(), name
    assert "for museum, the object as it looks" in said["fit object.ply --for museum --preset fast --out runs/object"]
    assert json.loads((run / "run.json").read_text())["stages"]["ingest"]["facts"]["points"] == len(knot.points)


@pytest.mark.slow
def test_the_researchers_way(walk, tmp_path):
    page = GUIDES / "research.md"
    (code,) = blocks(page, "python")
    (tmp_path / re.match(r"# (\S+)", code)[1]).write_text(code)
    said = walk(page)
    judged, _ = json.JSONDecoder().raw_decode(next(text for words, text in said.items() if words.startswith("evaluate")))
    assert 0 < judged["evaluate"]["surface"]["chamfer"] < 0.01
    row = json.loads((tmp_path / "runs" / "thin" / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["losses"]["thin"] > 0
    assert "solved" in next(text for words, text in said.items() if words.startswith("compare"))
    assert shapesiren.__version__ in (tmp_path / "runs" / "thin" / "run.json").read_text()
    assert os.environ.get("SHAPESIREN_PLUGINS") is None  # nothing is loaded that was not named

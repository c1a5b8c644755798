"""Runs that an earlier version made still mesh, report and resume. See tests/data/old_runs/README.md."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import shapesiren
from shapesiren.cli import app

OLD = Path(__file__).parents[1] / "data" / "old_runs"


@pytest.fixture
def old_run(tmp_path):
    def copy(name: str) -> Path:
        return Path(shutil.copytree(OLD / name, tmp_path / name))

    return copy


def command(*words, capsys) -> dict:
    with pytest.raises(SystemExit) as ended:
        app([*map(str, words), "--json", "-q"])
    assert ended.value.code in (0, None)
    return json.loads(capsys.readouterr().out)


def test_a_shape_is_meshed_as_it_was(old_run):
    run = old_run("shape")
    before = json.loads((run / "run.json").read_text())["stages"]["mesh"]["facts"]
    mesh = shapesiren.load(run).mesh()
    assert mesh.watertight
    assert len(mesh.faces) == before["verification"]["faces"]
    assert shapesiren.mesh(run, resolution=24)["resolution"] == 24


def test_what_was_finished_is_not_done_again(old_run, capsys):
    run = old_run("shape")
    before = (run / "field.safetensors").stat().st_mtime_ns
    assert command("fit", run, capsys=capsys)["fit"]["steps"] == 300
    assert (run / "field.safetensors").stat().st_mtime_ns == before


def test_a_shape_gets_a_report_and_a_judgement(old_run):
    run = old_run("shape")
    page = shapesiren.report(run).read_text()
    assert "Slices of the field" in page and "watertight" in page
    held = json.loads((run / "metrics.json").read_text())
    again = shapesiren.evaluate(run, samples=3000)
    assert again["surface"]["chamfer"] == pytest.approx(held["surface"]["chamfer"], rel=0.2)
    assert again.keys() == held.keys() | {"deviation", "samples"} and again["surface"].keys() == held["surface"].keys()


def test_a_stopped_fit_goes_on(old_run, capsys):
    run = old_run("stopped")
    facts = command("fit", run, capsys=capsys)["fit"]
    assert 0 < facts["resumed_from"] < facts["steps"] == 900
    distance = shapesiren.load(run)(np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0]]))
    assert distance[0] > 0 > distance[1]  # the middle of the hole; the middle of the tube


def test_an_image_is_decoded_and_gets_a_report(old_run):
    run = old_run("image")
    field = shapesiren.load(run, task="image")
    assert field.decode(scale=2).shape == (32, 40, 1)
    held = json.loads((run / "metrics.json").read_text())
    assert shapesiren.evaluate(run, weights=[32])["psnr"] == pytest.approx(held["psnr"], abs=0.01)
    assert shapesiren.report(run).is_file()

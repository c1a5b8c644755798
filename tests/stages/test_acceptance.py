"""From ``evaluate --tolerance`` to the verdict, the exit code and the report, on a small run that an earlier version made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh

import shapesiren
from shapesiren.stages.ingest import unpack
from shapesiren.stages.store import Run
from shapesiren.surface.io import read_mesh

OLD = Path(__file__).parents[1] / "data" / "old_runs" / "shape"
FEW = ["--set", "evaluate.samples=4000"]


@pytest.fixture
def run(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "run"))


def shifted(run, path, by):
    """The run's own mesh as a reference, moved along its normals by ``by`` (n,) or one number."""
    mesh = read_mesh(run / "mesh.ply")
    moved = mesh.vertices + np.broadcast_to(by, len(mesh.vertices))[:, None] * mesh.normals
    trimesh.Trimesh(moved, mesh.faces, process=False).export(path)
    return path


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def test_a_scan_is_its_own_judge_where_there_is_no_reference(run, here):
    done = here("evaluate", run, "--tolerance", "10", *FEW)
    assert done.returncode == 0 and "PASS: 100.00 % of the input points within 10 of the mesh" in done.stdout
    assert "95 % required" in done.stdout and "without a reference" in done.stdout
    held = metrics(run)
    limit = held["deviation"]["p68_3"]
    done = here("evaluate", run, "--tolerance", f"{limit!r}", "--required", "68%", *FEW)
    assert done.returncode == 0 and "PASS" in done.stdout
    done = here("evaluate", run, "--tolerance", f"{limit!r}", "--json", "-q", *FEW)
    assert done.returncode == 1
    told = json.loads(done.stdout)["evaluate"]
    assert told == metrics(run)  # a refusal is written like anything else
    assert told["acceptance"]["share"] == pytest.approx(0.683, abs=0.01)
    assert told["acceptance"] | {"share": 0} == {"tolerance": limit, "required": 0.95, "share": 0, "passed": False}
    assert here("evaluate", run, "--tolerance", f"{limit!r}", *FEW).returncode == 1  # and not forgotten where it is skipped


def test_deviations_are_those_of_the_mesh_stage(run):
    told = shapesiren.evaluate(run, samples=4000)
    assert "acceptance" not in told
    field_facts, points = Run.open(run).facts("mesh")["input_distance"], unpack(run / "cloud.npz").arrays["points"]
    assert told["deviation"]["count"] == len(points)
    assert told["deviation"]["p95"] == pytest.approx(field_facts["p95"], rel=1e-3)
    assert max(told["deviation"]["highest"], -told["deviation"]["lowest"]) == pytest.approx(field_facts["max"], rel=1e-3)


def test_a_reference_that_is_larger_makes_deviations_negative(run, tmp_path, here):
    size = float(np.ptp(read_mesh(run / "mesh.ply").vertices, axis=0).max())
    off = size / 200
    reference = shifted(run, tmp_path / "larger.stl", off)
    done = here("evaluate", run, "--reference", reference, "--tolerance", f"{2 * off:.6g}", *FEW)
    assert done.returncode == 0 and "of larger.stl within" in done.stdout
    told = metrics(run)
    for one in (told["deviation"], told["reverse"]):
        assert one["mean"] == pytest.approx(-off, rel=0.05)
        assert one["positive"] == "the mesh is outside larger.stl"
    assert told["surface"]["accuracy"] == pytest.approx(abs(told["deviation"]["mean"]), rel=0.02)
    assert here("evaluate", run, "--reference", reference, "--tolerance", f"{off / 2:.6g}", *FEW).returncode == 1


def test_the_worst_place_is_where_the_reference_was_dented(run, tmp_path):
    mesh = read_mesh(run / "mesh.ply")
    size = float(np.ptp(mesh.vertices, axis=0).max())
    at = mesh.vertices[np.argmax(mesh.vertices[:, 0])]
    dent = -size / 50 * np.exp(-((np.linalg.norm(mesh.vertices - at, axis=1) / (size / 15)) ** 2))
    told = shapesiren.evaluate(run, reference=shifted(run, tmp_path / "dented.ply", dent), samples=20_000)
    first = told["deviation"]["places"][0]
    assert np.linalg.norm(np.array(first["position"]) - at) < size / 30
    assert first["deviation"] == pytest.approx(size / 50, rel=0.15)
    assert len(told["deviation"]["places"]) == 10


def test_check_points_are_measured_from_the_mesh_and_not_the_mesh_from_them(run, tmp_path, here):
    mesh = read_mesh(run / "mesh.ply")
    size = float(np.ptp(mesh.vertices, axis=0).max())
    some = np.random.default_rng(0).choice(len(mesh.vertices), 25, replace=False)
    np.savetxt(tmp_path / "check.xyz", mesh.vertices[some] + size / 100 * mesh.normals[some])
    done = here("evaluate", run, "--reference", tmp_path / "check.xyz", "--tolerance", f"{size / 50:.6g}", *FEW)
    assert done.returncode == 0 and "the points of check.xyz" in done.stdout
    told = metrics(run)
    assert told["deviation"]["count"] == 25 and "reverse" not in told
    assert told["deviation"]["mean"] == pytest.approx(-size / 100, rel=0.05)  # the mesh is inside them


def test_only_what_lies_in_the_box_of_the_mesh_is_measured(run, here):
    low, high = (f(read_mesh(run / "mesh.ply").vertices, 0) for f in (np.min, np.max))
    middle = (low + high) / 2
    box = ",".join(f"{v:.6g}" for v in (*(low - 1), middle[0], *(high + 1)[1:]))
    assert here("mesh", run, "--box", box, "--resolution", "32").returncode == 0
    assert here("evaluate", run, "--tolerance", "1", *FEW).returncode == 0
    told, every = metrics(run), len(unpack(run / "cloud.npz").arrays["points"])
    assert 0.3 * every < told["deviation"]["count"] < 0.7 * every
    assert told["surface"]["hausdorff"] < 0.2 * float((high - low).max())  # what is beside the box is not missing


def test_what_is_asked_wrongly_is_said(run, here):
    for words, said in (
        (["--required", "90%"], "add --tolerance"),
        (["--tolerance", "1", "--required", "most"], "no share"),
        (["--tolerance", "1", "--required", "120%"], "less than or equal to 1"),
        (["--tolerance", "0"], "greater than 0"),
    ):
        done = here("evaluate", run, *words)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr

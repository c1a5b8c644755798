"""Runs whose field is solved, not trained: `fast`, and `default` where a scan is clean and closed."""

import json

import numpy as np
import pytest

import shapesiren
from shapesiren.errors import Interrupted
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES
from shapesiren.stages.store import Run

FEW = {"local": {"units": 128, "far_units": 128}, "mesh": {"resolution": 96}, "evaluate": {"samples": 20_000}}
FEW_ARGS = ["--set", "local.units=128", "--set", "local.far_units=128"]


@pytest.fixture(scope="module")
def solved(torus_scan, tmp_path_factory):
    """A finished run of `fast`."""
    run = tmp_path_factory.mktemp("solved") / "torus"
    shapesiren.fit(torus_scan, out=run, preset="fast", settings=FEW)
    shapesiren.mesh(run)
    shapesiren.evaluate(run)
    return run


def test_the_surface_is_right_and_the_field_a_distance(solved):
    run = Run.open(solved)
    mesh = run.facts("mesh")
    assert mesh["verification"]["watertight"] and mesh["verification"]["genus"] == 1
    assert mesh["verification"]["components"] == 1
    vertices = shapesiren.load(solved).mesh(resolution=96).vertices
    assert np.abs(SHAPES["torus"](vertices)).mean() < 2e-4
    x = np.random.default_rng(0).uniform(-0.8, 0.8, (5000, 3))
    field = shapesiren.load(solved)
    assert np.abs(field(x) - SHAPES["torus"](x)).mean() < 4e-3
    assert np.abs(np.linalg.norm(field.gradient(x), axis=1) - 1).mean() < 0.06


def test_the_four_losses_are_told(solved):
    facts = Run.open(solved).facts("fit")
    assert facts["cells"] > 100 and facts["steps"] == 1
    assert {"on_surface", "normal", "eikonal"} <= set(facts["losses"])
    assert [json.loads(line)["step"] for line in (solved / "metrics.jsonl").read_text().splitlines()][-1] == 1


def test_it_makes_a_report(solved):
    page = shapesiren.report(solved)
    text = page.read_text()
    assert "networks" in text and "solved in" in text


def test_default_solves_clean_dense_closed_scans_and_trains_the_rest(torus_scan, tmp_path, here):
    dense, noisy = tmp_path / "dense.ply", tmp_path / "noisy.ply"
    write_scan(dense, scan("torus", Scanner(points=120_000)))
    write_scan(noisy, scan("torus", Scanner(points=120_000, noise=0.003)))
    small = [
        *FEW_ARGS,
        "--set",
        "net.width=16",
        "--steps",
        "5",
        "--set",
        "ingest.guide_samples=500",
        "--set",
        "ingest.guide_depth=5",
    ]
    for source, cells in ((dense, True), (noisy, False), (torus_scan, False)):
        run = tmp_path / source.stem
        assert here("fit", source, "--out", run, *small).returncode == 0
        assert (Run.open(run).facts("fit")["cells"] > 0) == cells


def test_normals_without_sides_are_trained_and_cannot_be_solved(torus_scan, tmp_path, here):
    few = ["--steps", "3", "--set", "net.width=16", "--set", "ingest.guide_samples=500"]
    done = here("fit", torus_scan, "--preset", "fast", "--set", "ingest.normals=unsigned", "--out", tmp_path / "a", *few)
    assert done.returncode == 0 and Run.open(tmp_path / "a").facts("fit")["cells"] == 0
    done = here("fit", torus_scan, "--net", "local", "--set", "ingest.normals=unsigned", "--out", tmp_path / "b", *few)
    assert done.returncode == 2 and "--net siren finds the sides" in done.stderr


def test_a_run_without_guide_is_not_trained_silently(solved, here):
    done = here("fit", solved, "--net", "siren", "--force")
    assert done.returncode == 2 and "ingested to be solved" in done.stderr


def test_stopped_it_keeps_nothing_and_says_so(torus_scan, tmp_path, monkeypatch):
    from shapesiren.stages import fit as stage

    class Stop:
        def __enter__(self):
            return lambda: True

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(stage, "stop_signals", Stop)
    run = tmp_path / "run"
    with pytest.raises(Interrupted, match="before it was solved"):
        shapesiren.fit(torus_scan, out=run, preset="fast", settings=FEW)
    assert not (run / "field.safetensors").exists()
    monkeypatch.undo()  # the same command solves it
    shapesiren.fit(torus_scan, out=run, preset="fast", settings=FEW)
    assert (run / "field.safetensors").exists()

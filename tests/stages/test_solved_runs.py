"""Runs whose field is solved, not trained: `fast`, and `default` where a scan is closed, and dense or noisy."""

import json

import numpy as np
import pytest

import shapesiren
from shapesiren.errors import Interrupted
from shapesiren.pointcloud.header import known_well
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES
from shapesiren.stages.store import Run
from shapesiren.surface.io import error_bars_of, read_mesh

FEW = {
    "local": {"units": 128, "far_units": 128},
    "mesh": {"resolution": 96},
    "evaluate": {"samples": 20_000},
    "report": {"size": 96},
}
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


def test_default_solves_what_is_known_well_without_a_guide_and_trains_the_rest(torus_scan, tmp_path, here):
    dense, noisy = tmp_path / "dense.ply", tmp_path / "noisy.ply"
    write_scan(dense, scan("torus", Scanner(points=120_000)))
    write_scan(noisy, scan("torus", Scanner(points=20_000, noise=0.004)))
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
    for source, solved in ((dense, True), (noisy, True), (torus_scan, False)):
        folder = tmp_path / source.stem
        assert here("fit", source, "--out", folder, *small).returncode == 0
        run = Run.open(folder)
        assert (run.facts("fit")["cells"] > 0) == solved
        assert (run.facts("ingest")["guide"].get("samples", 0) == 0) == solved
    again = here("fit", tmp_path / "dense", "--net", "siren", "--force")
    assert again.returncode == 2 and "ingested to be solved" in again.stderr
    trained = tmp_path / "trained"
    assert here("fit", dense, "--net", "siren", "--out", trained, *small).returncode == 0
    assert Run.open(trained).facts("ingest")["guide"]["samples"] == 500


def test_noise_without_normals_is_solved_where_points_are_dense_enough():
    assert known_well(0.004, 0.0, True) and known_well(0.004, 0.0, False)
    assert not known_well(0.006, 0.0, True)
    assert known_well(0.01, 0.005, True) and not known_well(0.01, 0.005, False)
    assert known_well(0.0063, 0.009, False)
    assert not known_well(0.01, 0.0009, True)  # too little to be noise


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
    with pytest.raises(Interrupted, match="before it was solved, nothing is kept"):
        shapesiren.fit(torus_scan, out=run, preset="fast", settings=FEW)
    assert not (run / "field.safetensors").exists()
    monkeypatch.undo()  # the same command solves it
    shapesiren.fit(torus_scan, out=run, preset="fast", settings=FEW)
    assert (run / "field.safetensors").exists()


def test_error_bars_from_mesh_to_report(torus_scan, tmp_path, here):
    noisy, run = tmp_path / "noisy.ply", tmp_path / "run"
    write_scan(noisy, scan("torus", Scanner(points=15_000, noise=0.004)))
    shapesiren.fit(noisy, out=run, preset="fast", settings=FEW)
    shapesiren.mesh(run)
    assert error_bars_of(run / "mesh.ply") is None
    assert "within" not in shapesiren.evaluate(run, tolerance=0.002)  # judged by the scan's points alone
    made = here("mesh", run, "--uncertainty", "--resolution", "64", "-o", tmp_path / "copy.ply")
    assert made.returncode == 0 and "error bars" in made.stdout + made.stderr
    bars, copied = error_bars_of(run / "mesh.ply"), error_bars_of(tmp_path / "copy.ply")
    assert np.array_equal(bars, copied)
    assert len(bars) == len(read_mesh(run / "mesh.ply").uncertainty)
    told = Run.open(run).facts("mesh")["uncertainty"]
    assert told["median"] == pytest.approx(float(np.median(bars)))

    tolerance = 1.7 * told["median"]
    done = here("evaluate", run, "--tolerance", f"{tolerance:.6g}")
    assert done.returncode in (0, 1) and "90 % confidence" in done.stdout
    within = Run.open(run).facts("evaluate")["within"]
    assert 0.4 < within["sure"] / within["vertices"] <= 1 and 0.75 < within["expected"] < 0.97
    assert "within" not in within
    assert "error bars" in shapesiren.report(run).read_text()


def test_a_trained_field_has_no_error_bars(torus_scan, tmp_path, here):
    run = tmp_path / "run"
    few = ["--steps", "3", "--set", "net.width=16", "--set", "ingest.guide_samples=500", "--set", "ingest.guide_depth=5"]
    assert here("fit", torus_scan, "--net", "siren", "--out", run, *few).returncode == 0
    done = here("mesh", run, "--uncertainty", "--resolution", "32")
    assert done.returncode == 2 and "solved fields only" in done.stderr


def test_settings_of_a_fit_that_do_nothing_for_what_is_solved_are_named(torus_scan, tmp_path, here):
    few = ("--preset", "fast", *FEW_ARGS)
    done = here("fit", torus_scan, *few, "--steps", "70", "--set", "fit.learning_rate=1e-3", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert "without effect: fit.steps, fit.learning_rate (--net siren trains)" in done.stderr
    done = here("fit", torus_scan, *few, "--time", "1s", "--out", tmp_path / "b")
    assert "without effect: fit.seconds (" in done.stderr
    assert "without effect" not in here("fit", torus_scan, *few, "--out", tmp_path / "c").stderr

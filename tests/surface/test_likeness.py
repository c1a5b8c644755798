"""A mesh is judged by its points: nothing is said of a good one, and of others what is wrong and why."""

import json
import shutil

import numpy as np
import pytest

from shapesiren.field import Field
from shapesiren.header import BoxBounds
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.scan.noise import scatter, support_distance
from shapesiren.similarity import Similarity
from shapesiren.stages.store import Run
from shapesiren.surface.extract import extract
from shapesiren.surface.likeness import causes
from shapesiren.surface.settings import MeshSettings
from tests.conftest import QUICK_ARGS


class Exact(Field):
    """A distance in closed form instead of a network. spine : half the length of a capsule along x, and its ``radius``"""

    def __init__(self, spine, radius, points, scale=1.0, **known):
        self.spine, self.radius, self.net = spine, radius, None
        low, high = points.min(0), points.max(0)
        measured = scatter(points)
        self.header = CloudHeader(
            frame=Similarity((0.0, 0.0, 0.0), scale),
            bounds=BoxBounds(low=tuple(low), high=tuple(high)),
            **{"spacing": measured.spacing, "noise": measured.noise, "support": support_distance(points, measured.spacing)}
            | known,
        )
        self.frame = self.header.frame

    def box_values(self, x):
        return self.box_values_and_gradients(x)[0]

    def box_values_and_gradients(self, x, dtype=None):
        away = x - np.stack([np.clip(x[:, 0], -self.spine, self.spine), *np.zeros((2, len(x)))], 1)
        length = np.linalg.norm(away, axis=1)
        return (length - self.radius).astype(np.float32), (away / np.maximum(length, 1e-12)[:, None]).astype(np.float32)


def capsule(spine, radius, count, rng):
    """Points (count, 3) on one, even over its straight part and its ends, and their normals."""
    round_ends = rng.uniform(size=count) < 2 * radius / (2 * radius + 2 * spine)
    ball = rng.normal(size=(count, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    angle = rng.uniform(0, 2 * np.pi, count)
    side = np.stack([np.zeros(count), np.cos(angle), np.sin(angle)], 1)
    normals = np.where(round_ends[:, None], ball, side)
    centre = np.where(round_ends, np.sign(ball[:, 0]) * spine, rng.uniform(-spine, spine, count))
    return radius * normals + centre[:, None] * np.array([1.0, 0, 0]), normals


def judged(field, points, normals, **settings):
    arrays = {"points": points.astype(np.float32), "normals": normals.astype(np.float32)}
    return extract(field, arrays, MeshSettings(**settings))[1]


@pytest.mark.parametrize("noise", [0, 0.01])
def test_of_a_good_sphere_nothing_is_said(rng, noise):
    points, normals = capsule(0, 0.5, 10_000, rng)
    facts = judged(Exact(0, 0.5, points), points + noise * rng.normal(size=(10_000, 1)) * normals, normals, resolution=64)
    assert facts.warnings == []
    noisy = Exact(0, 0.5, points, noise=noise)
    assert judged(noisy, points + noise * rng.normal(size=(10_000, 1)) * normals, normals, resolution=64).warnings == []
    found = facts.likeness
    assert found.unsupported_share < 0.001 and found.far_share == 0 and found.against_share == 0
    assert found.mean < (1.5 if noise else 0.02)
    # what is said of its topology stands beside how near its points are
    (line,) = [line for line in facts.lines() if "watertight" in line]
    assert f"{found.mean:.2g} spacings" in line


def test_a_pipe_too_thin_for_the_grid(rng):
    """200 m long, half a metre in radius, in cells of .7 m: the field is right, and its mesh is scraps."""
    spine, radius = 0.9, 0.9 / 200
    points, normals = capsule(spine, radius, 20_000, rng)
    field = Exact(spine, radius, points, scale=200 / 1.8)
    coarse, fine = (judged(field, points, normals, resolution=r) for r in (300, 1024))
    assert coarse.likeness.field_mean < 0.01
    (warning,) = coarse.warnings
    assert "too thin for the grid (cells of 0.737)" in warning and "cut the scan or raise --resolution" in warning
    assert fine.warnings == []


def test_a_field_of_other_points(rng):
    points, normals = capsule(0, 0.5, 10_000, rng)
    others = points * [1.0, 1.0, 1.3]
    facts = judged(Exact(0, 0.5, points), others, normals, resolution=64)
    assert facts.verification.watertight
    assert facts.likeness.field_mean > 2 and facts.likeness.mean > 2
    assert facts.warnings and facts.warnings[0].startswith("the fit is not the scan")


def test_normals_on_both_sides(rng):
    points, normals = capsule(0, 0.5, 10_000, rng)
    some = np.where(rng.uniform(size=(10_000, 1)) < 0.3, -1, 1)
    (warning,) = judged(Exact(0, 0.5, points), points, some * normals, resolution=64).warnings
    assert warning.startswith("30% of the points' normals look against the surface")
    assert judged(Exact(0, 0.5, points, signed=False), points, some * normals, resolution=64).warnings == []


def test_what_no_point_supports_and_what_was_cut_off(rng):
    points, normals = capsule(0, 0.5, 20_000, rng)
    half = points[:, 2] > 0.1
    field = Exact(0, 0.5, points)
    (warning,) = judged(field, points[half], normals[half], resolution=64).warnings
    assert "has no point near" in warning
    trimmed = judged(field, points[half], normals[half], resolution=64, trim="on")
    assert trimmed.trimmed.area_share > 0.4 and trimmed.warnings == []
    rare = half | (rng.uniform(size=20_000) < 0.03)
    (warning,) = judged(field, points[rare], normals[rare], resolution=64, trim="on", trim_distance=0.008).warnings
    assert "of the points lie where the surface was cut off" in warning


def test_a_far_part_that_was_dropped_is_named(rng):
    points, normals = capsule(0, 0.5, 20_000, rng)
    found = judged(Exact(0, 0.5, points), points, normals, resolution=64).likeness
    off = found.model_copy(update={"far_share": 0.012})
    assert "cut off, dropped" in causes(off, 0.0, 0.012, 0.03)[0]
    assert "is not near its points" in causes(off, 0.0, 0.0, 0.03)[0]
    assert causes(found, 0.01, 0.01, 0.03) == []


def test_strict_fails_after_writing(tmp_path, quick_run, here):
    run = tmp_path / "torus"
    shutil.copytree(quick_run, run)
    done = here("mesh", run, "--strict")
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    coarse = ("mesh", run, "--resolution", "9")
    assert here(*coarse).returncode == 0
    (run / "mesh.ply").unlink()
    done = here(*coarse, "--strict")
    assert done.returncode == 1
    assert (run / "mesh.ply").is_file()
    (warning,) = Run.open(run).facts("mesh")["warnings"]
    assert f"warning: {warning}" in done.stderr and "too thin for the grid" in warning
    assert here(*coarse, "--strict").returncode == 1  # skipped, and the same as before
    assert here("report", run).returncode == 0
    assert "too thin for the grid" in (run / "report.html").read_text()


@pytest.mark.slow
def test_a_pipe_from_file_to_report(tmp_path, rng, here):
    points, normals = capsule(100, 0.5, 16_000, rng)
    np.save(tmp_path / "pipe.npy", np.concatenate([points, normals], 1))
    (tmp_path / "p.toml").write_text(
        'preset = "fast"\n[mesh]\nresolution = 320\n[evaluate]\nsamples = 5000\n[report]\nsize = 96\n'
    )
    done = here("run", "p.toml", "pipe.npy", "--strict", cwd=tmp_path)
    assert done.returncode == 1
    assert "too thin for the grid" in done.stderr
    assert (tmp_path / "runs" / "pipe" / "report.html").is_file()


def test_a_strict_batch_fails_when_all_is_done(tmp_path, torus_scan, here):
    """As `mesh` and `run` do; the grid is too coarse for the second alone."""
    (tmp_path / "scans.jsonl").write_text(
        "".join(
            json.dumps({"source": str(torus_scan), "name": name, "mesh.resolution": n}) + "\n"
            for name, n in (("fine", 64), ("coarse", 9))
        )
    )
    words = ("batch", "--manifest", "scans.jsonl", *QUICK_ARGS, "--out", "runs")
    done = here(*words, cwd=tmp_path)
    assert done.returncode == 0 and "warning: coarse:" in done.stderr, done.stderr
    done = here(*words, "--strict", cwd=tmp_path)
    assert done.returncode == 1 and "2 unchanged, 0 failed" in done.stderr
    (tmp_path / "scans.jsonl").write_text((tmp_path / "scans.jsonl").read_text().splitlines()[0])
    assert here(*words, "--strict", cwd=tmp_path).returncode == 0

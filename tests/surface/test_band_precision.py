"""Signs in bfloat16: those of float32, and the same mesh once its vertices are on the level set."""

import numpy as np
import pytest
import torch

import shapesiren
from shapesiren.surface import band_precision
from shapesiren.surface.level_set import band_of
from shapesiren.surface.marching_cubes import sparse_marching_cubes
from shapesiren.surface.refine import newton_refine

pytest.importorskip("numba")


def test_the_same_mesh(quick_run, monkeypatch):
    monkeypatch.setattr(band_precision, "MIN_POINTS", 1000)
    field = shapesiren.load(quick_run)
    asked = {"rough": 0, "exact": 0}
    rough, exact = type(field).box_rough_values, type(field).box_values

    def counted(name, function):
        def call(self, x):
            asked[name] += len(x)
            return function(self, x)

        return call

    monkeypatch.setattr(type(field), "box_rough_values", counted("rough", rough))
    monkeypatch.setattr(type(field), "box_values", counted("exact", exact))
    band = band_of(field, 96, 0.05, torch.bfloat16)
    assert asked["rough"] > 2 * asked["exact"] > 0
    before = asked["rough"]
    twin = band_of(field, 96, 0.05)
    assert asked["rough"] == before
    (v, f), (twin_v, twin_f) = sparse_marching_cubes(band), sparse_marching_cubes(twin)
    np.testing.assert_array_equal(f, twin_f)
    assert 0 < np.abs(v - twin_v).max() < 0.5
    refined = newton_refine(field.box_values_and_gradients, band.grid.positions(v), band.grid.step)[0]
    value, slope = field.box_values_and_gradients(refined)
    assert (np.abs(value) / np.linalg.norm(slope, axis=1)).max() < 2e-3 * band.grid.step


def test_wrong_signs_are_not_taken(quick_run, monkeypatch):
    """Where bfloat16 is off by more than a cell it is not asked; where it is off by less, not close to the surface."""
    monkeypatch.setattr(band_precision, "MIN_POINTS", 1000)
    field = shapesiren.load(quick_run)
    points = field.arrays["points"][:5000].astype(np.float64)
    points += np.random.default_rng(0).normal(scale=0.02, size=points.shape)
    expected = field.box_values(points)

    def noisy(scale):
        noise = np.random.default_rng(1)
        return lambda self, x: self.box_values(x) + noise.uniform(-scale, scale, len(x)).astype(np.float32)

    for scale, wanted in ((0.005, True), (0.5, False)):
        monkeypatch.setattr(type(field), "box_rough_values", noisy(scale))
        values = band_precision.BandValues(field, 0.02, torch.bfloat16)
        found = values(points)
        np.testing.assert_array_equal(found < 0, expected < 0)
        assert (values.margin is not None) == wanted
        assert (np.abs(found - expected).max() > 0) == wanted

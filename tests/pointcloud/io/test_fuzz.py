"""Clouds and files that nobody would make on purpose: a cloud, or one clear line; never a traceback, never a hang."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.ingest import ingest_shape
from shapesiren.pointcloud.io.read import BY_SUFFIX
from shapesiren.pointcloud.settings import IngestSettings
from tests.pointcloud.io.fuzz_readers import check, damaged, good_files

SETTINGS = IngestSettings(guide_samples=200, guide_depth=4)
FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def clouds(draw):
    """Point clouds of every kind of degeneracy, with and without normals."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([0, 1, 3, 9, 10, 11, 40, 300]))
    kind = draw(st.sampled_from(["blob", "ball", "plane", "line", "point", "two", "grid", "planes", "curve", "cross"]))
    points = rng.normal(size=(n, 3))
    if kind == "ball":
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    elif kind == "plane":
        points = points * [1, 1, 0]
    elif kind == "line":
        points = points[:, :1] * [[1, 2, 3]]
    elif kind == "point":
        points = np.ones((n, 3))
    elif kind == "two":
        points = np.round(rng.random((n, 1))) * [[1, 0, 0]]
    elif kind == "grid":
        points = rng.integers(0, 3, (n, 3)).astype(float)
    elif kind == "planes":
        points[:, 2] = np.round(rng.random(n)) * 1e-6
    elif kind == "curve":
        t = np.linspace(0, 9, n)
        points = np.stack([np.cos(t), np.sin(t), t], 1)
    elif kind == "cross":
        points[np.arange(n), rng.integers(0, 3, n)] = 0
    points = points * 10.0 ** draw(st.sampled_from([-300, -30, -9, 0, 9, 30, 120, 300]))
    points = points * draw(st.sampled_from([[1, 1, 1], [1, 1, 1e-9], [1, 1e-7, 1e7]]))
    points = points + draw(st.sampled_from([0.0, 1.0, 5e6, 1e15, -1e300]))
    if draw(st.booleans()) and n:
        points[rng.random(n) < 0.3] = rng.choice([np.nan, np.inf, -np.inf, 0.0])
    if draw(st.booleans()) and n:
        points = points[rng.integers(0, n, 2 * n)]
    normals = rng.normal(size=points.shape) * draw(st.sampled_from([0.0, 1e-300, 1.0, 1e200]))
    if draw(st.booleans()):
        normals[rng.random(len(points)) < 0.5] = np.nan
    return PointCloud(points, normals if draw(st.booleans()) else None)


@pytest.mark.slow
@FEW
@given(clouds())
def test_any_cloud(cloud):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            arrays, header, _ = ingest_shape(cloud, SETTINGS, 0, lambda _: None)
        except InputError as e:
            assert "\n" not in e.line()
            return
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    assert np.abs(arrays["points"]).max() <= 1
    np.testing.assert_allclose(np.linalg.norm(arrays["normals"], axis=1), 1, atol=1e-3)
    assert np.isfinite([header.noise, header.spacing, header.support]).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return good_files(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("suffix", sorted(BY_SUFFIX))
def test_mutated_files(tmp_path, files, suffix):
    """The reader gives a cloud or one line, in bounded time and memory."""
    rng = np.random.default_rng(sum(suffix.encode()))
    path = tmp_path / f"a{suffix}"
    for data in files[suffix]:
        path.write_bytes(data)
        assert not check(path)
    refused = 0
    for i in range(8 if BY_SUFFIX[suffix].isolated else 300):  # a process each
        path.write_bytes(damaged(files[suffix][i % len(files[suffix])], rng))
        refused += check(path)
    assert refused

"""A reader in a process of its own: the same cloud comes back, and nothing that its parser does ends this program."""

import os
import sys
import time

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io import isolated
from shapesiren.pointcloud.io.isolated import read_isolated


def everything(path, most, seed, box):
    """A cloud with every field, that says what it was asked for."""
    rng = np.random.default_rng(seed)
    return PointCloud(
        rng.normal(size=(4, 3)),
        rng.normal(size=(4, 3)),
        np.arange(12, dtype=np.uint8).reshape(4, 3),
        np.array([[0, 1, 2]]),
        np.ones(4, np.float32),
        np.zeros((1, 3)),
        np.zeros(4, np.int32),
        depth_axis=2,
        sure=False,
        notes=(path.name, str(most)),
    )


def only_points(path, most, seed, box):
    return PointCloud(np.ones((2, 3)))


def refuses(path, most, seed, box):
    raise InputError("its moon is blue", where=path, hint="wait")


def aborts(path, most, seed, box):
    os.abort()


def hangs(path, most, seed, box):
    time.sleep(60)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file, and a way for another process to import this module."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    (tmp_path / "a.raw").write_bytes(b"x")
    return tmp_path / "a.raw"


@pytest.mark.parametrize("reader", [everything, only_points])
def test_every_field_comes_back(path, reader):
    for most in (None, 7):
        here, there = reader(path, most, 3, None), read_isolated(reader, path, most, 3)
        for name, value in vars(here).items():
            np.testing.assert_array_equal(getattr(there, name), value)
            assert getattr(getattr(there, name), "dtype", None) == getattr(value, "dtype", None)


def test_a_reason_comes_back(path):
    with pytest.raises(InputError) as error:
        read_isolated(refuses, path, None, 0)
    assert error.value.line() == InputError("its moon is blue", where=path, hint="wait").line()


def test_a_parser_that_crashes_or_hangs(path, monkeypatch):
    with pytest.raises(InputError, match="a.raw: damaged, or not a RAW file .its parser crashed"):
        read_isolated(aborts, path, None, 0)
    monkeypatch.setattr(isolated, "SECONDS", 2.0)
    with pytest.raises(InputError, match="did not end within 2 s"):
        read_isolated(hangs, path, None, 0)

"""Which way is up, told by a scan itself."""

import numpy as np
import pytest

from shapesiren.header import BoxBounds
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.upright import vertical_of_points, vertical_of_run
from shapesiren.reports.render import draw_files
from shapesiren.similarity import Similarity


def header(centre=(0.0, 0.0, 0.0), **known):
    bounds = BoxBounds(low=(-0.9, -0.9, -0.9), high=(0.9, 0.9, 0.9))
    return CloudHeader(frame=Similarity(centre, 1.0), bounds=bounds, **known)


def manifest(origin="none", name="part.ply"):
    return {"source": {"name": name}, "stages": {"ingest": {"facts": {"sensors": {"origin": origin}}}}}


@pytest.mark.parametrize(
    ("wanted", "scan", "held", "up"),
    [
        ("auto", header(), manifest(), "y"),
        ("auto", header(open=True), manifest(), "z"),
        ("auto", header(), manifest("above"), "z"),
        ("auto", header((500_000.0, 5_000_000.0, 300.0)), manifest(), "z"),
        ("auto", header(), manifest(name="tile.LAZ"), "z"),
        ("x", header(open=True), manifest("above"), "x"),
        ("auto", header(), {"stages": {}}, "y"),  # of a run that says nothing
    ],
)
def test_of_runs(wanted, scan, held, up):
    assert vertical_of_run(wanted, scan, held) == up


def hills(count=120):
    x, y = np.meshgrid(np.linspace(0, 10, count), np.linspace(0, 10, count))
    return np.stack([x, y, 0.5 * np.sin(x) * np.cos(y)], -1).reshape(-1, 3) + np.random.default_rng(0).normal(
        0, 0.01, (count**2, 3)
    )


def test_of_files():
    ball = np.random.default_rng(0).normal(size=(20_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert vertical_of_points(hills()) == "z"
    assert vertical_of_points(ball) == "y"
    assert vertical_of_points(ball + (4e5, 5e6, 100)) == "z"
    assert vertical_of_points(ball, "scan.e57") == "z"
    assert vertical_of_points(np.full((5, 3), np.nan)) == "y"


def test_terrain_is_drawn_from_above(tmp_path):
    from PIL import Image

    np.savetxt(tmp_path / "hills.xyz", hills())
    pictures = {}
    for up in ("auto", "y", "z"):
        draw_files([tmp_path / "hills.xyz"], tmp_path / f"{up}.png", size=96, up=up)
        pictures[up] = np.asarray(Image.open(tmp_path / f"{up}.png")).astype(int)
    assert np.array_equal(pictures["auto"], pictures["z"])
    assert np.abs(pictures["auto"] - pictures["y"]).max() > 50

"""PTX: scans with their own frames."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.read import read_cloud

FRAMES = [(Rotation.from_euler("z", 30, degrees=True).as_matrix(), [10.0, 20, 1]), (np.eye(3), [500_000.0, 5_400_000, 2])]


def scan_text(own, rotation, place, columns, more=None):
    """A scan of points (n, 3) in the scanner's frame; numbers of another column count beside them."""
    rows = own if more is None else np.column_stack([own, more])
    head = [columns, len(own) // columns, " ".join(map(str, place)), *(" ".join(map(str, row)) for row in rotation.T)]
    matrix = np.vstack([np.column_stack([rotation.T, np.zeros(3)]), [*place, 1]])
    head += [" ".join(f"{x:.12g}" for x in row) for row in matrix]
    return "\n".join([*map(str, head), *(" ".join(f"{x:.6g}" for x in row) for row in rows)]) + "\n"


def write_ptx(path, rng, colours=True):
    """-> points in the common frame, and which scan each is of; every fifth direction returned nothing."""
    text, points, scan = "", [], []
    for i, (rotation, place) in enumerate(FRAMES):
        own = np.round(rng.normal(size=(20, 3)), 4)
        own[::5] = 0
        more = np.column_stack([np.full(20, 0.5), *([rng.integers(0, 256, (20, 3))] if colours else [])])
        text += scan_text(own, rotation, place, 4, more)
        kept = (own != 0).any(1)
        points.append(own[kept] @ rotation.T + place)
        scan += [i] * int(kept.sum())
    path.write_text(text)
    return np.concatenate(points), scan


def test_scans_in_their_frames(tmp_path, rng):
    path = tmp_path / "a.ptx"
    points, scan = write_ptx(path, rng)
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, points, atol=1e-8)
    assert cloud.sensor.tolist() == scan and cloud.colours.shape == (32, 3) and (cloud.intensity == 0.5).all()
    np.testing.assert_allclose(cloud.sensors, [place for _, place in FRAMES])
    assert "8 directions from which nothing returned are left out" in cloud.notes


def test_without_colours_and_a_part(tmp_path, rng):
    write_ptx(tmp_path / "a.ptx", rng, colours=False)
    cloud = read_cloud(tmp_path / "a.ptx", most=10)
    assert cloud.colours is None and len(cloud.points) == 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-3], "the file is truncated: 17 of 20 points of a scan"),
        (lambda rows: rows[:5], "truncated in the head"),
        (lambda rows: ["4.5", *rows[1:]], "line 1: '4.5' is no number of a scan's columns or rows"),
        (lambda rows: [*rows[:8], "1 2 x 4", *rows[9:]], "line 9: 'x' is not a number"),
        (lambda rows: [*rows[:8], "1 2 nan 4", *rows[9:]], "'1 2 nan 4' is no row of a matrix"),
        (lambda rows: ["0", *rows[1:10]], "there are no points in it"),
    ],
)
def test_damaged(tmp_path, rng, change, said):
    path = tmp_path / "a.ptx"
    path.write_text(scan_text(rng.normal(size=(20, 3)), *FRAMES[0], 4))
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(InputError) as e:
        read_cloud(path)
    assert said in str(e.value)

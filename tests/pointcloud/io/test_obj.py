"""OBJ: indices that count from the face's own line, clouds of vertices, colours and normals."""

import numpy as np
import pytest
import trimesh

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.obj import absolute_indices
from shapesiren.pointcloud.io.read import read_cloud


def test_indices_count_from_their_own_line(tmp_path):
    ball = trimesh.creation.icosphere(2)
    lines = []
    for triangle in ball.triangles:
        lines += ["v {} {} {}".format(*corner) for corner in triangle] + ["f -3 -2 -1"]
    path = tmp_path / "a.obj"
    path.write_text("\n".join(lines))
    back = read_cloud(path)
    assert back.faces.shape == (320, 3) and len(np.unique(back.faces)) == 960
    np.testing.assert_allclose(back.points[back.faces], ball.triangles, atol=1e-6)


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3\nf 1 3 4\n",
        "f -4 -3 -2\nf -4 -2 -1\n",
        "f 1 -3 3\nf -4 3 4\n",
        "f 1 2 3 4\n",
        "f -4 -3 -2 -1\n",
        "f -4//-1 -3//-1 -2//-1\nf 1//1 3//1 4//1\n",
        "f -4/-2 -3/-1 -2/-2\nf 1/1 3/1 4/1\n",
        "f -4/-2/-1 -3/-1/-1 \\\n-2/-2/-1\nf 1/1/1 3/1/1 4/1/1\n",
    ],
)
def test_corners_of_any_kind(tmp_path, faces):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 1\nvn 0 0 1\n" + faces + "v 9 9 9\nvt 0 1\nvn 1 0 0\n")
    back = read_cloud(path)
    triangles = {tuple(map(tuple, back.points[face].tolist())) for face in back.faces}
    one, two = ((0, 0, 0), (1, 0, 0), (1, 1, 0)), ((0, 0, 0), (1, 1, 0), (0, 1, 0))
    assert triangles in ({one, two}, {two, ((1, 0, 0), (1, 1, 0), (0, 0, 0))}) or len(triangles) == 2
    assert all(corner[:2] != (9, 9) for triangle in triangles for corner in triangle)
    area = sum(np.linalg.norm(np.cross(b - a, c - a)) / 2 for a, b, c in back.points[back.faces])
    assert area == pytest.approx(1)


def test_an_index_before_the_first():
    text = "v 0 0 0\nv 1 0 0\nv 1 1 0\n"
    assert absolute_indices(text + "f -3 -2 -1\n", "a").endswith("f 1 2 3\n")
    with pytest.raises(InputError, match="a: line 4: v -4 of a face, of which 3 stand before it"):
        absolute_indices(text + "f -4 -2 -1\n", "a")


def test_vertices_alone(tmp_path, rng):
    points, normals, colours = rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), rng.integers(0, 256, (20, 3))
    path = tmp_path / "a.obj"

    def write(*columns, kind="v", append=False):
        rows = [" ".join([kind, *map(str, row)]) for row in np.hstack(columns).tolist()]
        path.write_text((path.read_text() if append else "# a cloud\no cloud\n") + "\n".join(rows) + "\n")
        return path

    np.testing.assert_array_equal(read_cloud(write(points)).points, points)
    np.testing.assert_array_equal(read_cloud(write(points, np.ones((20, 1)))).points, points)  # with a weight
    for rgb in (colours, colours / 255):
        back = read_cloud(write(points, rgb))
        np.testing.assert_array_equal(back.points, points)
        np.testing.assert_array_equal(back.colours, colours)
    write(points)
    back = read_cloud(write(normals, kind="vn", append=True))
    np.testing.assert_array_equal(back.normals, normals)
    assert back.faces is None and back.colours is None
    assert read_cloud(write(normals[:1], kind="vn", append=True)).normals is None  # as many as vertices, or none


def test_lines_that_are_wrong(tmp_path):
    path = tmp_path / "a.obj"
    for text, message in (
        ("v 0 0 0\nv 0 0\n", "line 2 has 2 columns, not 3"),
        ("v 0 0 0\nv 0 five 0\n", "line 2: 'five' is not a number"),
        ("v 0 0\nv 0 0\n", "its vertices have 2 coordinates"),
        ("vn 0 0 1\n", "there are no points in it"),
        ("v 0 0 0\nf -1 -2 -3\n", "line 2: v -2 of a face, of which 1 stand before it"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=f"a.obj: {message}"):
            read_cloud(path)

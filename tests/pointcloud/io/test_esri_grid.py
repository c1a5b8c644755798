"""Heights in a grid, as text."""

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.read import read_cloud

HEAD = "ncols 4\nnrows 3\nxllcorner 500000.0\nyllcorner 5400000.0\ncellsize 2\nNODATA_value -9999\n"
CELLS = "1 2 3 4\n5 6 -9999 8\n9 10 11 12\n"


def test_heights_from_the_north(tmp_path):
    path = tmp_path / "a.asc"
    path.write_text(HEAD + CELLS)
    cloud = read_cloud(path)
    assert len(cloud.points) == 11
    assert [500_001, 5_400_005, 1] in cloud.points.tolist() and [500_007, 5_400_001, 12] in cloud.points.tolist()


def test_centres_and_cells_of_two_sides(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("NCOLS 2\nNROWS 1\nXLLCENTER 10\nYLLCENTER 20\nDX 1\nDY 3\n7 8")
    np.testing.assert_array_equal(read_cloud(path).points, [[10, 20, 7], [11, 20, 8]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + CELLS[:-3], "announces 4 x 3 cells and holds 11"),
        (HEAD.replace("ncols 4", "ncols four") + CELLS, "ncols is 'four'"),
        (HEAD.replace("cellsize 2", "cellsize 0") + CELLS, "without ncols, nrows or cellsize"),
        (HEAD + CELLS.replace("6", "x"), "its cells are no numbers"),
    ],
)
def test_damaged(tmp_path, text, said):
    (tmp_path / "a.asc").write_text(text)
    with pytest.raises(InputError) as e:
        read_cloud(tmp_path / "a.asc")
    assert said in str(e.value)


def test_a_table_of_points_may_be_called_asc_or_csv(tmp_path):
    for suffix, text in ((".asc", "1 2 3\n4 5 6\n"), (".csv", "X,Y,Z\n1,2,3\n4,5,6\n")):
        (tmp_path / f"a{suffix}").write_text(text)
        np.testing.assert_array_equal(read_cloud(tmp_path / f"a{suffix}").points, [[1, 2, 3], [4, 5, 6]])

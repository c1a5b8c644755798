"""Tables in text: every dialect gives the same numbers, what is missing is said, and what is no table is one line."""

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.io.text import read_table

ROWS = np.round(np.random.default_rng(3).uniform(-5, 5, (30, 3)), 3)
CELLS = [[f"{v:.3f}" for v in row] for row in ROWS]


def lines(separator=" ", cells=CELLS):
    return "\n".join(separator.join(row) for row in cells) + "\n"


def decimal(separator):
    return lines(separator, [[cell.replace(".", ",") for cell in row] for row in CELLS])


def quoted(text):
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(";")) for line in text.splitlines()) + "\n"


def thousands(value):
    return f"{value + 1234567:,.3f}".translate(str.maketrans(",.", ".,"))


SAME = {
    "blanks": lines(),
    "aligned": "\n".join("".join(f"{v:12.3f}" for v in row) for row in ROWS),
    "tabs": lines("\t"),
    "commas": lines(","),
    "commas and blanks": lines(", "),
    "semicolons": lines(";"),
    "bars": lines(" | "),
    "a table with borders": "|x|y|z|\n" + "\n".join("| " + " | ".join(row) + " |" for row in CELLS),
    "tabs on both sides": "\n".join("\t" + "\t".join(row) + "\t" for row in CELLS),
    "several separators": "\n".join(f"{a}, {b}; {c}" for a, b, c in CELLS),
    "a comma at the end": "\n".join(",".join(row) + "," for row in CELLS),
    "decimal commas, semicolons": decimal(";"),
    "decimal commas, tabs": decimal("\t"),
    "decimal commas, blanks": decimal(" "),
    "decimal commas, commas and blanks": decimal(", "),
    "decimal commas, quoted": quoted(decimal(";")),
    "quoted": quoted(lines(";")),
    "lines of Windows": lines().replace("\n", "\r\n"),
    "lines of an old Mac": lines().replace("\n", "\r"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + lines().encode(),
    "UTF-16": lines().encode("utf-16"),
    "UTF-16, the other way": b"\xfe\xff" + lines().encode("utf-16-be"),
    "exponents of Fortran": "\n".join(" ".join(f"{v:.10e}".replace("e", "D") for v in row) for row in ROWS),
    "a header": "x y z\n" + lines(),
    "a header in Latin-1": "x y größe\n".encode("latin-1") + lines().encode(),
    "a header in quotes": '"X","Y","Z"\n' + lines(","),
    "a header with units": "X [m];Y [m];Z [m]\n" + decimal(";"),
    "a header with units between blanks": "X [m] Y [m] Z [m]\n" + lines(),
    "a header that says nothing": "one two three\n" + lines(),
    "comments": "# a scan\n% of a torus\n" + lines() + "# the end\n",
    "comments behind": lines().replace("\n", " # a point\n"),
    "a count": "30\n" + lines(),
    "two counts": f"12\n{lines(cells=CELLS[:12])}18\n{lines(cells=CELLS[12:])}",
    "a comment with names, and a count": "//X Y Z\n30\n" + lines(),
    "empty lines": "\n\n" + lines().replace("\n", "\n\n"),
}


@pytest.mark.parametrize("dialect", SAME)
def test_every_dialect_says_the_same(tmp_path, dialect):
    text = SAME[dialect]
    path = tmp_path / "a.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    np.testing.assert_allclose(read_cloud(path).points, ROWS, rtol=1e-9)


def test_thousands(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(";".join(map(thousands, row)) for row in ROWS))
    np.testing.assert_allclose(read_cloud(path).points, ROWS + 1234567)


NAMED = {
    "z y x": (2, 1, 0),
    "id,x,y,z": (1, 2, 3),
    "t X Y Z": (1, 2, 3),
    "# z y x": (2, 1, 0),
    "//Z,Y,X": (2, 1, 0),
    "# columns: z y x": (2, 1, 0),
    "# fields = z, y, x": (2, 1, 0),
    ",z,y,x": (3, 2, 1),  # as pandas writes its index
}


@pytest.mark.parametrize("header", NAMED)
def test_a_header_decides(tmp_path, header):
    order, width = NAMED[header], max(NAMED[header]) + 1
    cells = [["0.5"] * width for _ in CELLS]
    for row, cell in zip(CELLS, cells, strict=True):
        for i, value in zip(order, row, strict=True):
            cell[i] = value
    path = tmp_path / "a.txt"
    path.write_text(header + "\n" + lines("," if "," in header else " ", cells))
    np.testing.assert_allclose(read_cloud(path).points, ROWS)


def test_a_last_column_that_is_empty(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x,y,z,intensity\n" + "".join(",".join(row) + ",\n" for row in CELLS))
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, ROWS)
    assert not back.intensity.any() and back.notes[0] == "30 cells without a number, in column intensity"


def test_names_of_rows(tmp_path):
    """R's write.table: the header has no name for them."""
    path = tmp_path / "a.txt"
    path.write_text('"x" "y" "z"\n' + lines(cells=[[f'"{i}"', *row] for i, row in enumerate(CELLS, 1)]))
    np.testing.assert_allclose(read_cloud(path).points, ROWS)
    assert read_cloud(path).notes == ("columns: x y z; row ignored",)


def test_names_for_all_columns(tmp_path):
    """A header as CloudCompare writes it: colours, a scalar that is no intensity, normals."""
    path = tmp_path / "a.txt"
    rows = [[*row, "10", "20", "30", "0.25", "0.6", "0", "-0.8"] for row in CELLS]
    path.write_text("//X Y Z R G B C2C_absolute_distances Nx Ny Nz\n30\n" + lines(cells=rows))
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, ROWS)
    np.testing.assert_array_equal(back.colours, np.tile([10, 20, 30], (30, 1)))
    np.testing.assert_allclose(back.normals, np.tile([0.6, 0, -0.8], (30, 1)))
    assert back.notes == ("columns: X Y Z, Nx Ny Nz, R G B; C2C_absolute_distances ignored",)


@pytest.mark.parametrize(
    "spelling",
    ["-1.#IND", "1.#QNAN", "-1.#IND00", "nan(ind)", "-nan(ind)", "NaN", "-nan", "null", "NULL", "N/A", "NA", "1.#INF"],
)
@pytest.mark.parametrize("separator", [" ", ",", ";", "\t"])
def test_what_is_no_number(tmp_path, spelling, separator):
    cells = [list(row) for row in CELLS]
    cells[4][1] = cells[17][0] = cells[17][2] = spelling
    path = tmp_path / "a.txt"
    path.write_text(lines(separator, cells))
    back = read_cloud(path)
    good = np.isfinite(back.points).all(1)
    assert np.flatnonzero(~good).tolist() == [4, 17]
    np.testing.assert_array_equal(back.points[good], ROWS[good])
    assert back.notes[0] == "3 cells without a number, in columns 1 2 3"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_empty_cells(tmp_path, separator):
    cells = [[*row, "0.5"] for row in CELLS]
    cells[0][3] = cells[9][3] = cells[3][0] = cells[3][1] = ""
    path = tmp_path / "a.txt"
    path.write_text(lines(separator, [["x", "y", "z", "intensity"], *cells]))
    back = read_cloud(path)
    assert np.flatnonzero(~np.isfinite(back.points).all(1)).tolist() == [3]
    assert np.flatnonzero(back.intensity == 0).tolist() == [0, 9]
    assert back.notes == ("4 cells without a number, in columns x y intensity", "2 points without an intensity: taken as 0")


def test_scans_that_are_joined(tmp_path):
    path = tmp_path / "a.pts"
    path.write_text(f"12\n{lines(cells=CELLS[:12])}18\n{lines(cells=CELLS[12:])}")
    assert read_cloud(path).notes == ("2 scans in it",)
    path.write_text(f"12\n{lines(cells=CELLS[:12])}19\n{lines(cells=CELLS[12:])}")
    assert read_cloud(path).notes == ("2 scans in it", "it announces 31 points and holds 30")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n" * 20 + "4 5\n", "line 21 has 2 columns, not 3"),
        ("1 2 3\n" * 20 + "4\n", "line 21 has 1 columns, not 3"),  # no count: the file does not begin with one
        ("1,2,3\n" * 20 + "4,five,6\n", "line 21: 'five' is not a number"),
        ("1;2;3\n" * 20 + "4;;\n7;8\n", "line 22 has 2 columns, not 3"),
        ("x,y,z\n" + "1,2,3\n" * 20 + "4,#5,6\n", "line 22: '#5' is not a number"),
        ("x y z\n", "there are no points in it"),
        ("# x y z\n\n", "there are no points in it"),
        ("1 2\n" * 20, r"shape \(20, 2\) holds no points"),
        ("lon,lat,height\n" + "8.5,47.3,400\n" * 20, "longitude and latitude, in degrees; project them to metres"),
        ("# Latitude Longitude Elevation\n" + "47.3 8.5 400\n" * 20, "longitude and latitude"),
    ],
)
def test_what_is_no_table(tmp_path, text, message):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"a.txt: .*{message}"):
        read_cloud(path)


def test_degrees_beside_metres_are_no_matter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("lat,lon,x,y,z\n" + lines(",", [["47.3", "8.5", *row] for row in CELLS]))
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, ROWS)
    assert back.notes == ("columns: x y z; lat lon ignored",)


def test_a_table_says_what_it_is():
    table = read_table(b"X;Y;Z;Name\n" + b"1,5;2,5;3;4\n" * 3, "a.txt")
    assert table.names == ("X", "Y", "Z", "Name")
    np.testing.assert_array_equal(table.values, [[1.5, 2.5, 3, 4]] * 3)

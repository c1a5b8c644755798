"""One table of names for all formats; columns without names are told by what is in them; a user has the last word."""

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud, merge
from shapesiren.pointcloud.io.by_value import names_by_value
from shapesiren.pointcloud.io.colours import of_harmonics, to_uint8, unpack
from shapesiren.pointcloud.io.columns import find, plain, words_of
from shapesiren.pointcloud.io.read import read_cloud
from tests.pointcloud.io.test_survey import write_las

N = 40


@pytest.fixture
def columns(rng):
    """Columns of every kind, (N,) or (N, 3)."""
    normals = rng.normal(size=(N, 3))
    return {
        "points": np.round(rng.uniform(-5, 5, (N, 3)), 3),
        "normals": normals / np.linalg.norm(normals, axis=1, keepdims=True),
        "colours": rng.integers(0, 256, (N, 3)),
        "intensity": np.round(rng.uniform(0, 1, N), 3),
        "curvature": np.round(rng.uniform(0, 0.3, N), 3),
        "signed": np.round(rng.normal(size=N), 3),
        "strong": rng.integers(-2048, 2048, N),
        "opaque": np.full(N, 255),
        "id": np.arange(7, 7 + N),
    }


def table_of(columns, kinds):
    return np.column_stack([columns[kind] for kind in kinds.split()])


def write_ply(path, names, values, types=None):
    table = np.empty(len(values), [(n, t) for n, t in zip(names, types or ["f4"] * len(names), strict=True)])
    for name, column in zip(names, values.T, strict=True):
        table[name] = column
    PlyData([PlyElement.describe(table, "vertex")]).write(str(path))


@pytest.mark.parametrize(
    ("spelled", "is_"),
    [
        ("//X", "x"),
        ("#x", "x"),
        ("X [m]", "x"),
        ("y(m)", "y"),
        ("Normal_X", "normalx"),
        ("NormalX", "normalx"),
        ("normal x", "normalx"),
        ("scalar_Intensity", "intensity"),
        ("Reflectance (dB)", "reflectance"),
        ("f_dc_0", "fdc0"),
        ("_", ""),
    ],
)
def test_one_spelling_for_each_name(spelled, is_):
    assert plain(spelled) == is_


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        ("x y z", "points"),
        ("//X Y Z R G B Nx Ny Nz", "points normals colours"),
        ("X Y Z Red Green Blue Reflectance", "points colours intensity"),
        ("x y z normal_x normal_y normal_z curvature", "points normals"),
        ("x y z diffuse_red diffuse_green diffuse_blue scalar_Intensity", "points colours intensity"),
        ("x y z nx ny", "points"),  # a normal has three
        ("x y z rgb", "points packed"),
        ("x y z r g b rgb", "points colours"),
        ("x y z f_dc_0 f_dc_1 f_dc_2 red green blue", "points colours"),
        ("Easting Northing Elevation I", "points intensity"),
        ("Points_0 Points_1 Points_2 Normals_0 Normals_1 Normals_2", "points normals"),
        ("a b c", ""),
    ],
)
def test_names_say_what_columns_are(names, kinds):
    assert " ".join(find(names.split()).used) == kinds


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ("points", "x y z"),
        ("points normals", "x y z nx ny nz"),
        ("points colours", "x y z r g b"),
        ("points intensity", "x y z intensity"),
        ("points strong colours", "x y z intensity r g b"),
        ("points colours intensity", "x y z r g b intensity"),
        ("points colours strong", "x y z r g b intensity"),
        ("points colours opaque", "x y z r g b opacity"),
        ("points intensity colours opaque", "x y z intensity r g b opacity"),
        ("points normals curvature", "x y z nx ny nz curvature"),
        ("points normals signed", "x y z nx ny nz column7"),
        ("points normals colours", "x y z nx ny nz r g b"),
        ("points colours normals", "x y z r g b nx ny nz"),
        ("points intensity normals", "x y z intensity nx ny nz"),
        ("points strong colours normals", "x y z intensity r g b nx ny nz"),
        ("id points", "id x y z"),
        ("id points normals", "id x y z nx ny nz"),
        ("points colours id", "x y z r g b id"),
        ("points signed intensity", "x y z column4 column5"),
    ],
)
def test_columns_are_told_by_what_is_in_them(columns, kinds, names):
    told = names_by_value(table_of(columns, kinds).astype(float))
    assert " ".join(name.replace(" ", "") for name in told) == names


def test_what_is_not_obvious_is_said(tmp_path, columns):
    """Unit vectors and whole numbers up to 255 speak for themselves; three columns of anything else are a guess."""
    for kinds, factor, said in (
        ("points", 1, ""),
        ("points normals", 1, ""),
        ("points colours", 1, ""),
        ("points strong colours", 1, ""),
        ("points intensity", 1, "columns: x y z, intensity "),
        ("points normals", [1, 1, 1, 3, 3, 3], "columns: x y z, nx ny nz "),
        ("points colours", [1, 1, 1, 0.001, 0.001, 0.001], "columns: x y z, r g b "),
        ("points signed intensity", 1, "columns: x y z; column 4 column 5 ignored "),
        ("id points", 1, "columns: x y z; id ignored "),
    ):
        np.savetxt(tmp_path / "a.txt", table_of(columns, kinds) * factor)
        back = read_cloud(tmp_path / "a.txt")
        assert back.notes == ((said + "(told by their values; --columns names them)",) if said else ())
        np.testing.assert_allclose(back.points, columns["points"])


def test_one_grey_value_is_no_opacity(columns):
    """All white points with an intensity up to 255, as PTS files have them; normals that are all zero are normals."""
    white = np.column_stack([columns["points"], columns["colours"][:, 0], np.full((N, 3), 255)])
    assert names_by_value(white)[3:] == ["intensity", "r", "g", "b"]
    assert names_by_value(np.column_stack([columns["points"], np.zeros((N, 3))]))[3:] == ["nx", "ny", "nz"]
    fractions = np.column_stack([columns["points"], columns["colours"] / 300])
    assert names_by_value(fractions)[3:] == ["r", "g", "b"]


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        ("x y z normal_x normal_y normal_z", "points normals"),
        ("X Y Z NX NY NZ", "points normals"),
        ("x y z r g b", "points colours"),
        ("x y z R G B reflectance", "points colours intensity"),
        ("intensity z y x", ""),
    ],
)
def test_ply(tmp_path, columns, names, kinds):
    path = tmp_path / "a.ply"
    values = table_of(columns, kinds or "intensity points")
    write_ply(path, names.split(), values)
    back = read_cloud(path)
    if not kinds:
        np.testing.assert_allclose(back.points[:, ::-1], columns["points"], atol=1e-6)
        return
    for kind in ("normals", "colours", "intensity"):
        found = getattr(back, kind)
        if kind in kinds:
            np.testing.assert_allclose(found, columns[kind], atol=1e-6)
        else:
            assert found is None
    assert back.notes == ()


def test_what_is_ignored_is_said(tmp_path, columns):
    path = tmp_path / "a.ply"
    names = ["x", "y", "z", "confidence", *(f"f_rest_{i}" for i in range(9))]
    write_ply(path, names, np.column_stack([columns["points"], np.ones((N, 10))]))
    assert read_cloud(path).notes == (
        "columns: x y z; confidence f_rest_0 f_rest_1 f_rest_2 f_rest_3 f_rest_4 and 4 more ignored",
    )


def test_gaussian_splats_have_colours(tmp_path, columns):
    path = tmp_path / "a.ply"
    factors = (columns["colours"] / 255 - 0.5) / 0.28209479177387814
    write_ply(path, ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2"], np.column_stack([columns["points"], factors]))
    back = read_cloud(path)
    np.testing.assert_array_equal(back.colours, columns["colours"])
    assert back.notes == ("columns: x y z, f_dc_0 f_dc_1 f_dc_2",)
    assert of_harmonics(np.array([[-9.0, 0, 9]])).tolist() == [[0, 128, 255]]


def test_colours_of_any_range():
    assert to_uint8(np.array([[0, 0.5, 1]])).tolist() == [[0, 128, 255]]
    assert to_uint8(np.array([[0, 128, 65535]])).tolist() == [[0, 0, 255]]
    assert to_uint8(np.array([[np.nan, np.inf, 200.0]])).tolist() == [[0, 0, 200]]
    packed = np.array([0x00102030, 0xFF010203], np.uint32)
    for same in (packed, packed.astype(np.int32), packed.view(np.float32), packed.astype(float)):
        assert unpack(same).tolist() == [[16, 32, 48], [1, 2, 3]]
    assert unpack(packed[:1].view(np.float32).astype(float)).tolist() == [[16, 32, 48]]  # written in text


def test_las_extra_bytes(tmp_path, columns):
    laspy = pytest.importorskip("laspy")
    path = tmp_path / "a.las"
    write_las(path, columns["points"])
    las = laspy.read(path)
    names = ("normal x", "normal y", "normal z", "Reflectance", "Deviation")
    las.add_extra_dims([laspy.ExtraBytesParams(name, "f4") for name in names])
    for name, values in zip(names, [*columns["normals"].T, columns["signed"], columns["signed"]], strict=True):
        las[name] = values
    las.write(path)
    back = read_cloud(path)
    np.testing.assert_allclose(back.normals, columns["normals"], atol=1e-6)
    np.testing.assert_allclose(back.intensity, columns["signed"], atol=1e-6)  # the file's own is 0 everywhere
    assert back.notes[-1] == "extra bytes: normal x normal y normal z, Reflectance; Deviation ignored"
    assert len(read_cloud(path, most=10).normals) == 10


def test_arrays_with_names(tmp_path, columns):
    points, normals, rgb = columns["points"], columns["normals"], columns["colours"]
    np.savez(tmp_path / "a.npz", x=points[:, 0], Y=points[:, 1], z=points[:, 2], label=columns["id"])
    back = read_cloud(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.points, points)
    assert back.notes == ("columns: x Y z; label ignored",)
    np.savez(tmp_path / "a.npz", Vertices=points, Normal=normals, Color=rgb / 255, reflectance=columns["intensity"])
    back = read_cloud(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.normals, normals)
    np.testing.assert_array_equal(back.colours, rgb)
    np.testing.assert_allclose(back.intensity, columns["intensity"])
    gaps = np.where(np.arange(N) < 3, np.nan, columns["intensity"])
    np.savez(tmp_path / "a.npz", points=points, Intensity=gaps[:, None])
    back = read_cloud(tmp_path / "a.npz")
    assert np.flatnonzero(back.intensity == 0)[:3].tolist() == [0, 1, 2]
    assert back.notes == ("3 points without an intensity: taken as 0",)
    np.savez(tmp_path / "a.npz", x=points[:, 0], y=points[:5, 1], z=points[:, 2])
    with pytest.raises(InputError, match=r"different shapes: x \(40,\), y \(5,\)"):
        read_cloud(tmp_path / "a.npz")
    table = np.empty(N, [("t", "f8"), ("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
    for name, values in zip(table.dtype.names, [columns["id"], *points.T, *rgb.T], strict=True):
        table[name] = values
    np.save(tmp_path / "a.npy", table)
    back = read_cloud(tmp_path / "a.npy")
    np.testing.assert_allclose(back.points, points, atol=1e-6)
    np.testing.assert_array_equal(back.colours, rgb)
    assert len(read_cloud(tmp_path / "a.npy", most=10).points) == 10


def test_a_user_has_the_last_word(tmp_path, columns):
    values = table_of(columns, "id colours points")
    np.savetxt(tmp_path / "a.txt", values)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", values)
    write_ply(tmp_path / "a.ply", list("abcdefg"), values)
    for suffix in (".txt", ".npy", ".npz", ".ply"):
        back = read_cloud(tmp_path / f"a{suffix}", columns="_,r,g,b,x,y,z")
        np.testing.assert_allclose(back.points, columns["points"], atol=1e-6)
        np.testing.assert_array_equal(back.colours, columns["colours"])
        assert back.notes == ()
    np.savetxt(tmp_path / "b.txt", values, header="id r g b x y z", comments="")
    back = read_cloud(tmp_path / "b.txt", columns="_,x,y,z,_,_,intensity")
    np.testing.assert_allclose(back.points, columns["colours"])
    np.testing.assert_allclose(back.intensity, columns["points"][:, 2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x,y,z", r"ingest.columns names 3 columns, but there are 4 \(id x y z\)"),
        ("x,y,height,_", "x y z are not all among ingest.columns; for example x,y,z,_,r,g,b"),
        ("x,y,z,nx", "'nx' of ingest.columns is there twice, or lacks those that belong to it"),
        ("x,y,z,x", "'x' of ingest.columns is there twice"),
        ("x,y,z,cheese", "--columns: 'cheese' of ingest.columns means nothing; known: x y z"),
        ("_,_,_,intensity", "x y z are not all among"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, words, message):
    (tmp_path / "a.txt").write_text("id x y z\n" + "1 2 3 4\n" * 20)
    with pytest.raises(InputError, match=message):
        read_cloud(tmp_path / "a.txt", columns=words)


def test_a_mesh_has_no_columns(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\n" * 20)
    with pytest.raises(InputError, match="a OBJ file has no columns that ingest.columns could name"):
        read_cloud(tmp_path / "a.obj", columns="x,y,z")
    assert words_of("") == ()


def test_what_several_scans_note_is_noted_once(columns):
    scans = [PointCloud(columns["points"], notes=("columns: x y z; id ignored", f"scan {i}")) for i in range(3)]
    assert merge(scans).notes == ("columns: x y z; id ignored", "scan 0", "scan 1", "scan 2")

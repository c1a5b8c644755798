"""Every format in, the same cloud out; and what happens to damaged files."""

import numpy as np
import pytest
import trimesh
from plyfile import PlyData, PlyElement

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud, clean, random_rows, sample_mesh, subsample
from shapesiren.pointcloud.io.mesh import strip_triangles, triangulate
from shapesiren.pointcloud.io.read import BY_SUFFIX, FORMATS, SUFFIXES, Format, read_cloud
from shapesiren.pointcloud.synthetic.scanner import write_scan


@pytest.fixture
def cloud(rng):
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colours = rng.integers(0, 256, (50, 3)).astype(np.uint8)
    return PointCloud(rng.uniform(-5, 5, (50, 3)), normals, colours)


@pytest.mark.parametrize("suffix", [".ply", ".xyz", ".npy", ".npz"])
def test_written_scans_come_back(tmp_path, cloud, suffix):
    path = tmp_path / f"a{suffix}"
    write_scan(path, cloud)
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, cloud.points, atol=1e-6)
    np.testing.assert_allclose(back.normals, cloud.normals, atol=1e-6)
    if suffix in (".ply", ".npz"):
        np.testing.assert_array_equal(back.colours, cloud.colours)


def test_utm_coordinates_survive(tmp_path, rng):
    cloud = PointCloud(rng.uniform(0, 1, (50, 3)) + np.array([512_345.678, 5_403_210.123, 300.0]))
    for suffix in (".ply", ".xyz", ".npz"):
        write_scan(tmp_path / f"a{suffix}", cloud)
        np.testing.assert_array_equal(read_cloud(tmp_path / f"a{suffix}").points, cloud.points)


@pytest.mark.parametrize("compression", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("double", [False, True])
def test_pcd(tmp_path, cloud, compression, double):
    from shapesiren.runtime.open3d_loader import open3d

    o3d = open3d()
    real = np.float64 if double else np.float32
    pcd = o3d.t.geometry.PointCloud(o3d.core.Tensor((cloud.points + 5e6 * double).astype(real)))
    pcd.point.normals = o3d.core.Tensor(cloud.normals.astype(real))
    path = tmp_path / "a.pcd"
    o3d.t.io.write_point_cloud(
        str(path), pcd, write_ascii=compression == "ascii", compressed=compression == "binary_compressed"
    )
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, cloud.points + 5e6 * double, atol=1e-5)
    np.testing.assert_allclose(back.normals, cloud.normals, atol=1e-5)


@pytest.mark.parametrize("suffix", [".obj", ".stl", ".off", ".glb", ".ply"])
def test_meshes(tmp_path, suffix):
    ball = trimesh.creation.icosphere(2)
    ball.apply_translation([10, 20, 30])
    path = tmp_path / f"a{suffix}"
    ball.export(path)
    back = read_cloud(path)
    assert back.faces.shape == (320, 3)
    sampled = sample_mesh(back, 1000, 0, path)
    distance = np.linalg.norm(sampled.points - [10, 20, 30], axis=1)
    assert distance.min() > 0.95
    assert distance.max() < 1.0001
    assert ((sampled.points - [10, 20, 30]) * sampled.normals).sum(1).min() > 0.9  # outward


def test_an_inward_mesh_is_turned(tmp_path):
    ball = trimesh.creation.icosphere(2)
    ball.invert()
    ball.export(tmp_path / "a.ply")
    sampled = sample_mesh(read_cloud(tmp_path / "a.ply"), 500, 0, "a")
    assert (sampled.points * sampled.normals).sum(1).min() > 0.9


def test_obj_polygons_and_obj_points(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert read_cloud(path).faces.shape == (2, 3)
    path.write_text("".join(f"v {i} {i * i} 0\n" for i in range(12)))
    back = read_cloud(path)
    assert back.faces is None
    assert len(back.points) == 12


def test_ply_triangle_strips(tmp_path):
    """A strip of an octahedron-like band: the triangles must alternate, restart at -1, and keep one orientation."""
    vertices = np.array([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 0)], np.float32)
    vertex = np.array([tuple(v) for v in vertices], [(n, "f4") for n in "xyz"])
    strips = np.empty(1, [("vertex_indices", "O")])
    strips["vertex_indices"][0] = np.array([0, 2, 1, 3, -1, 2, 4, 3, 5, -1], np.int32)
    for text in (True, False):
        PlyData(
            [
                PlyElement.describe(vertex, "vertex"),
                PlyElement.describe(strips, "tristrips", len_types={"vertex_indices": "i4"}),
            ],
            text=text,
        ).write(str(tmp_path / "a.ply"))
        back = read_cloud(tmp_path / "a.ply")
        assert len(back.faces) == 4
        a, b, c = back.points[back.faces].transpose(1, 0, 2)
        assert (np.cross(b - a, c - a)[:, 2] > 0).all()
        assert "strips" in back.notes[0]


def test_strips_with_degenerate_links():
    # repeated indices link strips in old files: they make no triangle, and the parity runs on
    np.testing.assert_array_equal(strip_triangles(np.array([0, 1, 2, 2, 3, 3, 4, 5])), [[0, 1, 2], [4, 3, 5]])
    assert len(strip_triangles(np.array([0, 1, -1, -1, 3]))) == 0


def test_polygons_become_fans():
    polygons = np.empty(2, object)
    polygons[:] = [np.array([0, 1, 2, 3]), np.array([4, 5, 6])]
    assert sorted(map(tuple, triangulate(polygons).tolist())) == [(0, 1, 2), (0, 2, 3), (4, 5, 6)]


def test_text_columns(tmp_path):
    rows = np.arange(30.0).reshape(10, 3) * 7 % 5
    normal = np.tile([0.6, 0.0, -0.8], (10, 1))
    rgb = np.tile([10, 200, 30], (10, 1))
    path = tmp_path / "a.pts"
    path.write_text("10\n" + "\n".join(" ".join(map(str, r)) for r in np.hstack([rows, np.ones((10, 1)), rgb])))
    back = read_cloud(path)
    assert back.normals is None
    np.testing.assert_array_equal(back.colours, rgb)
    path = tmp_path / "a.xyz"
    path.write_text("x,y,z,nx,ny,nz # names\n" + "\n".join(",".join(map(str, r)) for r in np.hstack([rows, normal])))
    np.testing.assert_allclose(read_cloud(path).normals, normal)
    path.write_text("// header\n" + "\n".join(" ".join(map(str, r)) for r in np.hstack([rows, rgb, normal])))
    back = read_cloud(path)
    np.testing.assert_allclose(back.normals, normal)
    np.testing.assert_array_equal(back.colours, rgb)


def test_clean_counts(rng):
    points = rng.normal(size=(30, 3))
    points[3] = np.nan
    points[4, 1] = np.inf
    points[7] = points[8] = points[9]
    cloud, counts = clean(PointCloud(points, points.copy()), "x")
    assert (counts.read, counts.non_finite, counts.duplicates) == (30, 2, 2)
    np.testing.assert_array_equal(cloud.points, cloud.normals)
    assert len(subsample(cloud, 12, 0).points) == 12


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((100, 3)), "all 100 points are equal"),
        (np.linspace(0, 1, 300).reshape(100, 3).mean(1, keepdims=True) * [[1, 2, 3]], "one line"),
        (np.linspace(0, 1, 100)[:, None] * [[1, 0, 0]] + [[5e5, 5e6, 0]], "one line"),
        (np.full((100, 3), np.nan), "NaN"),
        (np.eye(3), "at least 10"),
        (np.random.default_rng(0).normal(size=(50, 3)) * 1e200, "units"),
    ],
)
def test_clouds_without_a_surface(points, message):
    with pytest.raises(InputError, match=message):
        clean(PointCloud(points), "x")


@pytest.mark.parametrize("suffix", sorted(set(SUFFIXES) - {".las", ".laz", ".e57", ".ptx"}))  # those: test_fuzz.py
def test_damaged_files_give_one_line(tmp_path, cloud, suffix, rng):
    """Empty, garbage, binary noise and truncations of a good file: an InputError that names the file, or a smaller cloud."""
    path = tmp_path / f"a{suffix}"
    if suffix in (".ply", ".npy", ".npz"):
        write_scan(path, cloud)
    elif suffix == ".pcd":
        path.write_text("FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 9\nHEIGHT 1\nPOINTS 9\nDATA ascii\n1 2 3\n")
    elif suffix in (".xyz", ".pts", ".txt", ".csv", ".asc"):
        path.write_text("1 2 3\n4 5 6\n" * 10)
    else:
        trimesh.creation.icosphere(1).export(path)
    whole = path.read_bytes()
    bad = [b"", b"this is not a scan\nreally not\n", rng.bytes(2000), b"\0" * 500]
    bad += [whole[: int(len(whole) * share)] for share in (0.02, 0.3, 0.7, 0.95)]
    for data in bad:
        path.write_bytes(data)
        try:
            back = read_cloud(path)
        except InputError as e:
            assert path.name in e.line()
            assert "\n" not in e.line()
        else:
            assert len(back.points) > 0
            assert suffix in (".xyz", ".pts", ".txt", ".csv", ".asc", ".obj", ".off", ".stl")


@pytest.mark.parametrize("suffix", [".ply", ".npy"])
def test_a_large_file_is_read_in_part(tmp_path, suffix):
    n = 5000
    points = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, points)
    else:
        write_scan(path, PointCloud(points.astype(float), normals=points.astype(float)))
    whole, part = read_cloud(path), read_cloud(path, 700, seed=3)
    assert part.points.shape == (700, 3) and f"{n:,} points: a random 700" in part.notes[-1]
    index = {tuple(p): i for i, p in enumerate(whole.points.tolist())}
    rows = [index[tuple(p)] for p in part.points.tolist()]
    assert rows == sorted(set(rows)) and max(rows) > 0.9 * n and min(rows) < 0.1 * n
    if suffix == ".ply":
        np.testing.assert_array_equal(part.normals, whole.normals[rows])
    assert read_cloud(path, n).points.shape == (n, 3)
    np.testing.assert_array_equal(read_cloud(path, 700, seed=3).points, part.points)


@pytest.mark.parametrize(("total", "count"), [(10, 10), (10, 4), (100_000, 700)])
def test_random_rows_differ_and_ascend(total, count):
    rows = random_rows(total, count, 1)
    assert len(rows) == count and (np.diff(rows) > 0).all() and rows.min() >= 0 and rows.max() < total


def test_a_format_is_one_entry(tmp_path, monkeypatch):
    """A format made up here is read whole, or in part, and what its parser raises is one line about the file."""
    rows = np.arange(300.0).reshape(100, 3)
    path = tmp_path / "a.raw"
    path.write_bytes(rows.tobytes())

    def read_raw(path, choose):
        table = np.frombuffer(path.read_bytes()).reshape(-1, 3)
        chosen = choose(len(table))
        return PointCloud(table if chosen is None else table[chosen])

    monkeypatch.setitem(BY_SUFFIX, ".raw", Format((".raw",), in_part=read_raw))
    np.testing.assert_array_equal(read_cloud(path).points, rows)
    part = read_cloud(path, 20)
    assert len(part.points) == 20 and "100 points" in part.notes[-1]
    path.write_bytes(b"12345")
    with pytest.raises(InputError, match="a.raw: damaged, or not a RAW file"):
        read_cloud(path)
    with pytest.raises(TypeError, match="one function"):
        Format((".raw",))


def test_every_extension_belongs_to_one_format():
    assert sorted(s for form in FORMATS for s in form.suffixes) == sorted(set(SUFFIXES))

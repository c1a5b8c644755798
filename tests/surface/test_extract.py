"""The sparse path against its dense twin, refinement, verification, files."""

import numpy as np
import pytest
import trimesh
from numpy.lib.stride_tricks import sliding_window_view

from shapesiren.errors import InputError, RunError
from shapesiren.field import Field
from shapesiren.header import BoxBounds
from shapesiren.nets.siren import Siren
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient
from shapesiren.runtime.kdtree import KDTree
from shapesiren.similarity import Similarity
from shapesiren.surface import connected_components
from shapesiren.surface.attributes import carry_attributes
from shapesiren.surface.band_corners import evaluate_corners
from shapesiren.surface.cell_tables import LEAF
from shapesiren.surface.components import drop_components, drop_phantoms, drop_small_components, keep_largest
from shapesiren.surface.grid import Band, Grid
from shapesiren.surface.io import read_mesh, write_mesh
from shapesiren.surface.level_set import resolution_of
from shapesiren.surface.marching_cubes import dense_marching_cubes, sparse_marching_cubes
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.narrow_band import narrow_band
from shapesiren.surface.refine import newton_refine
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.verify import verify
from tests.scans import support_of

LOW, HIGH = np.array([-0.99, -0.98, -0.97]), np.array([0.98, 0.99, 0.96])


def counted(distance):
    count = [0]

    def values(x):
        count[0] += len(x)
        return distance(x).astype(np.float32)

    return values, count


def as_mesh(vertices, faces, grid=None):
    vertices = grid.positions(vertices) if grid else np.asarray(vertices, float)
    return TriangleMesh(vertices, np.asarray(faces), np.zeros((len(vertices), 3), np.float32))


def wrinkled(p):
    """No distance field: its slope reaches 2.5."""
    return SHAPES["torus"](p) + 0.06 * np.sin(25 * p[:, 0])


def corners_of_crossed_cells(distance, grid):
    """How many corners have the cells that the surface passes: the least that a method of whole cells must know."""
    index = np.stack(np.meshgrid(*[np.arange(c + 1) for c in grid.cells], indexing="ij"), -1).reshape(-1, 3)
    negative = (distance(grid.positions(index)) < 0).reshape([c + 1 for c in grid.cells])
    least, most = (f(sliding_window_view(negative, (2, 2, 2)), axis=(3, 4, 5)) for f in (np.min, np.max))
    crossed = np.pad(most & ~least, 1)
    return int(sliding_window_view(crossed, (2, 2, 2)).any((3, 4, 5)).sum())


@pytest.mark.parametrize(
    ("name", "resolution"),
    [(name, resolution) for name in (*sorted(SHAPES), "wrinkled") for resolution in (32, 77)]
    + [pytest.param(name, 128, marks=pytest.mark.slow) for name in ("plate", "wrinkled")],
)
def test_sparse_is_dense(name, resolution):
    distance, slope = (wrinkled, 2.6) if name == "wrinkled" else (SHAPES[name], 1.1)
    grid = Grid.covering(LOW, HIGH, resolution)
    values, count = counted(distance)
    band = narrow_band(values, grid, slope)
    assert band.evaluations == count[0]
    v, f = sparse_marching_cubes(band)
    dense_v, dense_f = dense_marching_cubes(lambda x: distance(x).astype(np.float32), grid)
    assert len(v) == len(dense_v)
    assert len(f) == len(dense_f)
    distance_to_twin, twin = KDTree(dense_v).query(v)
    assert distance_to_twin.max() < 2e-4
    assert len(np.unique(twin)) == len(v)
    a, b = verify(as_mesh(v, f, grid)), verify(as_mesh(dense_v, dense_f, grid))
    assert (a.genus, a.components, a.watertight) == (b.genus, b.components, b.watertight)
    # scikit-image's float32 indices: 8e-6 of a cell at 128, on a plate 2.6 cells thick
    assert a.volume == pytest.approx(b.volume, rel=1e-5)
    if resolution == 128:
        assert count[0] < 2 * corners_of_crossed_cells(distance, grid)


EXPECTED = {
    "sphere": (1, 0),
    "torus": (1, 1),
    "box": (1, 0),
    "cylinder": (1, 0),
    "holed_plate": (1, 6),
    "two_spheres": (2, 0),
    "trefoil": (1, 1),
    "plate": (1, 0),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_topology_and_refinement(name):
    distance = SHAPES[name]
    grid = Grid.covering(LOW, HIGH, 100)
    v, f = sparse_marching_cubes(narrow_band(lambda x: distance(x).astype(np.float32), grid, 1.1))

    def field(x):
        return distance(x).astype(np.float32), gradient(distance, x).astype(np.float32)

    before = grid.positions(v)
    after, normals, residual, _ = newton_refine(field, before, grid.step)
    mesh = TriangleMesh(after, f, normals)
    found = verify(mesh)
    assert found.watertight
    assert (found.components, found.genus) == EXPECTED[name]
    assert found.nonmanifold_vertices == 0
    assert found.volume > 0  # outward
    assert np.abs(distance(after)).mean() <= np.abs(distance(before)).mean() + 1e-9
    assert np.abs(distance(after)).max() < 1e-3 * grid.step or name in ("box", "plate", "cylinder", "holed_plate")
    assert np.linalg.norm(after - before, axis=1).max() <= 0.5 * grid.step + 1e-9
    assert residual.mean() < 1e-3 * grid.step


def test_a_low_bound_still_gives_whole_surfaces():
    """With a slope bound that is far too small the band leaks, is followed, and closes."""
    grid = Grid.covering(LOW, HIGH, 64)
    values, _ = counted(wrinkled)
    band = narrow_band(values, grid, 0.5)
    v, f = sparse_marching_cubes(band)
    assert verify(as_mesh(v, f, grid)).watertight
    # what was found leaf by leaf is what all leaves have that are evaluated at once, bound or no bound
    whole = Band(grid, band.leaves)
    evaluate_corners(whole, values, band.leaves, np.inf)
    all_v, all_f = sparse_marching_cubes(whole)
    np.testing.assert_array_equal(f, all_f)
    np.testing.assert_array_equal(v, all_v)
    first = narrow_band(values, grid, 2.6)
    assert len(first.leaves) > 0 and set(map(tuple, band.leaves)) <= set(map(tuple, first.leaves))


def test_a_field_of_noise_is_refused():
    rng = np.random.default_rng(0)
    grid = Grid.covering(LOW, HIGH, 64)
    with pytest.raises(RunError, match="fit has failed"):
        narrow_band(lambda x: rng.normal(size=len(x)).astype(np.float32), grid, 4.0, max_leaves=4000)


def test_no_surface_gives_an_empty_mesh():
    grid = Grid.covering(LOW, HIGH, 32)
    v, f = sparse_marching_cubes(narrow_band(lambda x: np.ones(len(x), np.float32), grid, 1.1))
    assert v.shape == (0, 3)
    assert f.shape == (0, 3)
    assert not verify(as_mesh(v, f)).watertight


def test_anisotropic_grid():
    grid = Grid.covering(np.array([-0.9, -0.1, -0.01]), np.array([0.9, 0.1, 0.01]), 128)
    assert grid.cells[0] == 128
    assert all(c % LEAF == 0 for c in grid.cells)
    assert grid.cells[2] < 8


CUBE = trimesh.creation.box()


def test_verify_a_cube_and_its_faults():
    v, f = np.asarray(CUBE.vertices), np.asarray(CUBE.faces)
    good = verify(as_mesh(v, f))
    assert good.watertight
    assert (good.components, good.genus, good.volume, good.area) == (1, 0, pytest.approx(1), pytest.approx(6))
    hole = verify(as_mesh(v, f[1:]))
    assert (hole.boundary_edges, hole.watertight, hole.volume) == (3, False, None)
    flipped = f.copy()
    flipped[0] = flipped[0, ::-1]
    assert verify(as_mesh(v, flipped)).misoriented_edges == 3
    fin = verify(as_mesh(np.vstack([v, [[5, 5, 5]]]), np.vstack([f, [[*f[0, :2], 8]]])))
    assert fin.nonmanifold_edges == 1
    assert not fin.watertight
    two = verify(as_mesh(np.vstack([v, v + 3]), np.vstack([f, f + 8])))
    assert (two.components, two.genus) == (2, 0)
    # two cubes that share one corner: closed, but that vertex has two fans
    touching = np.vstack([v, v + 1])
    g = f + 8
    corner, same = np.flatnonzero((v == 0.5).all(1))[0], np.flatnonzero((v == -0.5).all(1))[0] + 8
    g[g == same] = corner
    assert verify(as_mesh(touching, np.vstack([f, g]))).nonmanifold_vertices == 1


def test_small_components_go():
    big, small = trimesh.creation.icosphere(3), trimesh.creation.icosphere(1, radius=0.01)
    both = trimesh.util.concatenate([big, small])
    mesh, dropped = drop_small_components(as_mesh(both.vertices, both.faces), 0.001)
    assert dropped == 1
    assert len(mesh.faces) == len(big.faces)
    assert len(mesh.vertices) == len(big.vertices)


def test_a_small_body_with_points_stays():
    """A hundredth in size, a ten-thousandth in area: surface all the same, where the scan has points on it."""
    big, small = trimesh.creation.icosphere(4), trimesh.creation.icosphere(2, radius=0.01)
    small.apply_translation([1.5, 0, 0])
    both = trimesh.util.concatenate([big, small])
    mesh = as_mesh(both.vertices, both.faces)
    on_both = support_of(both.vertices, 0.005, 0.05)
    assert drop_small_components(mesh, 0.001, support=on_both)[1] == 0
    few = support_of(np.concatenate([big.vertices, small.vertices[:20]]), 0.005, 0.05)
    assert drop_small_components(mesh, 0.001, support=few)[1] == 1
    # what was asked for by number is done, whatever the points say
    assert drop_components(mesh, on_both, MeshSettings(min_component=0.001), False)[1].small == 1


def test_a_large_component_of_hardly_a_point_goes():
    """What a few outliers hold up is dropped though it is not small; as large a body that is thinly scanned stays."""
    big, sheet = trimesh.creation.icosphere(4), trimesh.creation.icosphere(3, radius=0.1)
    sheet.apply_translation([1.5, 0, 0])
    both = trimesh.util.concatenate([big, sheet])
    mesh = as_mesh(both.vertices, both.faces)
    outliers = support_of(np.concatenate([big.vertices, sheet.vertices[:2]]), 0.2, 0.5)
    kept, dropped = drop_small_components(mesh, 0.001, support=outliers)
    assert dropped == 1 and len(kept.faces) == len(big.faces)
    thin = support_of(
        np.concatenate([big.vertices, sheet.vertices[::40]]), 0.2, 0.5
    )  # 17 points, by area as many as the big one
    assert drop_small_components(mesh, 0.001, support=thin)[1] == 0


def test_largest_and_phantoms():
    big, small = trimesh.creation.icosphere(3), trimesh.creation.icosphere(2, radius=0.3)
    small.apply_translation([2, 0, 0])
    both = trimesh.util.concatenate([big, small])
    mesh = as_mesh(both.vertices, both.faces)
    kept, dropped = keep_largest(mesh, 1)
    assert (dropped, len(kept.faces)) == (1, len(big.faces))
    assert keep_largest(mesh, 2)[1] == 0
    supported, phantoms = drop_phantoms(mesh, support_of(big.vertices, 0.01, 0.1))
    assert (phantoms, len(supported.faces)) == (1, len(big.faces))
    assert drop_phantoms(mesh, support_of(both.vertices, 0.01, 0.1))[1] == 0
    assert drop_phantoms(mesh, support_of(both.vertices + 9, 0.01, 0.1))[1] == 0  # never all of it


def test_colours_and_intensity_are_blended():
    points = np.array([[0.0, 0, 0], [1, 0, 0]])
    colours = np.array([[0, 0, 0], [200, 100, 50]], np.uint8)
    mesh = TriangleMesh(np.array([[0.0, 0, 0], [0.5, 0, 0], [1, 0, 0]]), np.array([[0, 1, 2]]), np.zeros((3, 3), np.float32))
    out = carry_attributes(mesh, KDTree(points), colours, np.array([0, 8], np.float32))
    np.testing.assert_array_equal(out.colours, [[0, 0, 0], [100, 50, 25], [200, 100, 50]])
    np.testing.assert_allclose(out.intensity, [0, 4, 8], atol=1e-6)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl", ".off", ".glb"])
@pytest.mark.parametrize("utm", [False, True])
def test_mesh_files_keep_the_coordinates(tmp_path, suffix, utm):
    ball = trimesh.creation.icosphere(3, radius=50)
    centre = (512_345.678, 5_403_210.123, 300.25) if utm else (1.0, 2.0, 3.0)
    colours = np.tile(np.array([[10, 20, 30]], np.uint8), (len(ball.vertices), 1))
    mesh = TriangleMesh(
        np.asarray(ball.vertices) + centre, np.asarray(ball.faces), np.asarray(ball.vertex_normals, np.float32), colours
    )
    path = tmp_path / f"a{suffix}"
    write_mesh(path, mesh, Similarity(centre, 55.0), 256)
    back = read_cloud(path)
    assert len(back.faces) == len(mesh.faces)
    # measured triangle by triangle: STL shares no vertices
    a = np.sort(back.points[back.faces].mean(1), axis=0)
    b = np.sort(mesh.vertices[mesh.faces].mean(1), axis=0)
    np.testing.assert_allclose(a, b, atol=2e-5 if not utm else 1e-4)
    if suffix in (".ply", ".obj", ".glb"):
        assert back.colours is not None
        np.testing.assert_array_equal(back.colours[0], [10, 20, 30])
    if suffix == ".ply":
        again = read_mesh(path)
        np.testing.assert_allclose(again.vertices, mesh.vertices, atol=0 if utm else 1e-5)
        np.testing.assert_array_equal(again.faces, mesh.faces)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no temporary file is left


def test_unwritable_places(tmp_path):
    mesh = as_mesh(CUBE.vertices, CUBE.faces)
    frame = Similarity((0, 0, 0), 1)
    for path, message in (
        (tmp_path / "a.xyz", "unknown mesh format"),
        (tmp_path / "no" / "a.ply", "does not exist"),
        (tmp_path, "unknown mesh format"),
    ):
        with pytest.raises(InputError, match=message):
            write_mesh(path, mesh, frame, 64)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_components_by_hand_and_without_numba(kind, rng, monkeypatch):
    groups = np.array([[4, 1, 4], [6, 7, 1], [3, 0, 3]], kind)
    many = rng.integers(0, 2000, (1500, 2)).astype(kind)
    with_numba = [
        connected_components.connected_components(groups, 8),
        connected_components.connected_components(many, 2000),
        connected_components.connected_components(groups[:0], 2),
    ]
    monkeypatch.setattr(connected_components, "numba_works", lambda: False)
    for groups_, n, (count, labels) in zip((groups, many, groups[:0]), (8, 2000, 2), with_numba, strict=True):
        other, expected = connected_components.connected_components(groups_, n)
        assert count == other
        np.testing.assert_array_equal(labels, expected)
    assert with_numba[0][1].tolist() == [0, 1, 2, 0, 1, 3, 1, 1]
    assert 100 < with_numba[1][0] < 2000


@pytest.mark.parametrize(
    ("spacing", "resolution"), [(0.024, 128), (0.0142, 128), (0.0135, 256), (0.0045, 256), (0.0025, 352), (0.001, 512)]
)
def test_the_resolution_follows_what_the_points_can_carry(spacing, resolution):
    bounds = BoxBounds(low=(-0.9, -0.9, -0.9), high=(0.9, 0.9, 0.9))
    header = CloudHeader(frame=Similarity((0.0, 0.0, 0.0), 1.0), bounds=bounds, spacing=spacing)
    field = Field(Siren(3, 1, 8, 1), "shape", header)
    assert resolution_of(field, MeshSettings()) == resolution
    assert resolution_of(field, MeshSettings(resolution=40)) == 40

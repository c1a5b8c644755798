"""Contour lines, cross-sections and grids of heights, read by other programs at the place where the surface is."""

import io
from pathlib import Path

import ezdxf
import numpy as np
import pytest
import rasterio

import shapesiren
from shapesiren.errors import InputError
from shapesiren.export.drawing import dxf, write_drawing
from shapesiren.export.sections import positions_every, sections
from shapesiren.export.terrain import HeightGrid, MapSystem, epsg_of, height_grid, system_of_scan, write_geotiff
from shapesiren.export.volume import Terrain, volume_between
from shapesiren.surface.mesh import TriangleMesh

UTM = np.array([512_700.0, 5_403_500.0, 290.0])
MILLIMETRE = 1e-3


def sheet(height, n=81, size=40.0) -> TriangleMesh:
    """A square terrain at UTM coordinates, of ``height`` (x, y) above its corner."""
    x, y = np.meshgrid(np.linspace(0, size, n), np.linspace(0, size, n), indexing="ij")
    vertices = np.stack([x, y, height(x, y)], -1).reshape(-1, 3) + UTM
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return TriangleMesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (n * n, 1)))


def slope(x, y):
    return 5 + 0.2 * x + 0.1 * y


def test_a_grid_lies_where_the_terrain_is(tmp_path):
    grid = height_grid(sheet(slope), 0.5)
    write_geotiff(tmp_path / "dem.tif", grid, MapSystem(epsg_of("EPSG:32632")))
    with rasterio.open(tmp_path / "dem.tif") as tif:
        assert tif.crs.to_epsg() == 32632 and tif.shape == (80, 80)
        assert tif.read(1, masked=True).count() == 6400
        for x, y in ((0.25, 0.25), (39.75, 10.25), (12.75, 33.25)):
            (height,) = next(tif.sample([(UTM[0] + x, UTM[1] + y)]))
            assert height == pytest.approx(UTM[2] + slope(x, y), abs=MILLIMETRE)


def test_cells_without_points_have_no_height(tmp_path, rng):
    points = np.column_stack([rng.uniform(0, 20, 4000), rng.uniform(0, 40, 4000)])
    points = np.column_stack([points, slope(*points.T)]) + UTM
    write_geotiff(tmp_path / "dem.tif", height_grid(sheet(slope), 0.5, points, reach=2.0), MapSystem())
    with rasterio.open(tmp_path / "dem.tif") as tif:
        heights = tif.read(1, masked=True)
    assert not heights.mask[:, :38].any() and heights.mask[:, 46:].all()


def test_the_highest_surface_counts():
    low, high = sheet(slope), sheet(lambda x, y: slope(x, y) + 3)
    both = TriangleMesh(
        np.concatenate([high.vertices, low.vertices]),
        np.concatenate([high.faces, low.faces + len(high.vertices)]),
        np.concatenate([high.normals, low.normals]),
    )
    np.testing.assert_array_equal(height_grid(both, 1.0).heights, height_grid(high, 1.0).heights)


def test_contours_lie_on_the_terrain(tmp_path):
    mesh = sheet(slope)
    every = positions_every(mesh.vertices[:, 2].min(), mesh.vertices[:, 2].max(), 1.0)
    assert every == [float(z) for z in range(295, 308)]
    write_drawing(tmp_path / "c.dxf", sections(mesh, 2, every))
    drawing = ezdxf.readfile(tmp_path / "c.dxf")
    assert not drawing.audit().errors
    lines = list(drawing.modelspace())
    assert {line.dxf.layer for line in lines} == {f"Z_{z}" for z in range(296, 307)}
    for line in lines:
        x, y, z = (np.array([tuple(p) for p in line.points()]) - UTM).T
        np.testing.assert_allclose(slope(x, y), z, atol=1e-6)
        assert f"Z_{z[0] + UTM[2]:.0f}" == line.dxf.layer


def test_a_hill_has_closed_contours_and_a_plane_through_vertices_is_no_trouble():
    hill = sheet(lambda x, y: 10 - ((x - 20) ** 2 + (y - 20) ** 2) / 100)
    (cut,) = sections(hill, 2, [UTM[2] + 9.0])
    (line,) = cut.lines
    assert (line[0] == line[-1]).all()
    np.testing.assert_allclose(np.hypot(*(line[:, :2] - UTM[:2] - 20).T), 10, atol=0.02)
    drawing = ezdxf.read(io.StringIO(dxf([cut]).decode()))
    assert [e.is_closed for e in drawing.modelspace()] == [True]
    (profile,) = sections(hill, 0, [UTM[0] + 20.0])[0].lines  # along a row of vertices
    assert np.ptp(profile[:, 1]) == pytest.approx(40) and not np.ptp(profile[:, 0])


def test_reference_systems():
    wkt = 'PROJCS["WGS 84 / UTM zone 32N",GEOGCS["WGS 84",AUTHORITY["EPSG","4326"]],AUTHORITY["EPSG","32632"]]'
    assert epsg_of(wkt) == epsg_of("32632") == 32632 and epsg_of(None) is None
    for wrong in ("EPSG:4326", "Lambert"):
        with pytest.raises(InputError):
            epsg_of(wrong)


PROJECTED = (
    'PROJCS["{name}",GEOGCS["ETRS89",DATUM["ETRS89",SPHEROID["GRS 1980",6378137,298.257222101]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",48],'
    'PARAMETER["central_meridian",9.5],PARAMETER["scale_factor",1],PARAMETER["false_easting",1000],PARAMETER["false_northing",2000],'
    'UNIT["metre",1]{code}]'
)
SITE = PROJECTED.format(name="site A & B", code="")
UTM_32 = PROJECTED.format(name="ETRS89 / UTM 32", code=',AUTHORITY["EPSG","25832"]')
COMPOUND = (  # the code of the whole stands last, and is none of a projection
    f'COMPD_CS["both",{UTM_32},'
    'VERT_CS["DHHN2016 height",VERT_DATUM["d",2005],UNIT["metre",1],AUTHORITY["EPSG","7837"]],AUTHORITY["EPSG","9932"]]'
)


def test_a_scans_own_system_of_two_parts_or_without_a_code(tmp_path):
    grid, path = HeightGrid(np.arange(12.0).reshape(3, 4), 1000.0, 2003.0, 1.0), tmp_path / "dem.tif"

    def written(crs):
        write_geotiff(path, grid, system_of_scan(crs))
        with rasterio.open(path) as tif:
            np.testing.assert_array_equal(tif.read(1), grid.heights)
            return tif.crs

    both = written(COMPOUND).to_wkt()
    assert both.startswith("COMPD_CS") and '["EPSG","25832"]' in both and '["EPSG","7837"]' in both
    beside = tmp_path / "dem.tif.aux.xml"
    assert not beside.exists()
    own = written(SITE)
    assert own.to_dict()["lon_0"] == 9.5 and own.to_dict()["y_0"] == 2000 and 'PROJCS["site A & B"' in own.to_wkt()
    assert (
        beside.exists() and written("EPSG:32632").to_epsg() == 32632 and not beside.exists()
    )  # which would have the last word
    beside.write_text("<PAMDataset></PAMDataset>")  # of another program
    assert not system_of_scan(None) and not system_of_scan('LOCAL["no system"]') and written("EPSG:32632").to_epsg() == 32632
    assert beside.exists()


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), 1e-6, 1000.0])
def test_intervals_that_make_no_sense(interval):
    with pytest.raises(InputError, match="--every"):
        positions_every(1.0, 50.0, interval)


@pytest.mark.slow
def test_the_surveyors_way(tmp_path, rng, here):
    """A scan at UTM coordinates to OBJ, DXF and GeoTIFF, which tell one place."""
    x, y = rng.uniform(0, 40, (2, 8000))
    z = 4 + 2 * np.sin(x / 8) + np.cos(y / 6)
    (tmp_path / "scan.xyz").write_text("\n".join(" ".join(f"{v:.4f}" for v in p) for p in np.column_stack([x, y, z]) + UTM))
    run = tmp_path / "run"
    shapesiren.fit(tmp_path / "scan.xyz", out=run, preset="fast", settings={"ingest": {"surface": "open"}})
    for words in (
        ["mesh", run, "-o", "m.obj", "--set", "mesh.resolution=96"],
        ["slice", run, "--every", 0.5, "-o", "c.dxf"],
        ["terrain", run, "--crs", "EPSG:32632", "-o", "d.tif"],
    ):
        done = here(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    rows = [line.split()[1:4] for line in Path(tmp_path / "m.obj").read_text().splitlines() if line.startswith("v ")]
    vertices = np.array(rows, float)
    with rasterio.open(tmp_path / "d.tif") as tif:
        heights, box = tif.read(1, masked=True), tif.bounds
    assert 0 <= vertices[:, 0].min() - box.left < 0.5 and 0 <= box.top - vertices[:, 1].max() < 0.5
    middle = heights[20:-20, 20:-20]
    rows_at, columns_at = np.indices(heights.shape)
    east, north = box.left + 0.25 + columns_at * 0.5 - UTM[0], box.top - 0.25 - rows_at * 0.5 - UTM[1]
    truth = 4 + 2 * np.sin(east / 8) + np.cos(north / 6) + UTM[2]
    assert np.sqrt(np.mean((middle - truth[20:-20, 20:-20]) ** 2)) < 0.05  # of the fit, not of the file
    lines = [np.array([tuple(p) for p in e.points()]) for e in ezdxf.readfile(tmp_path / "c.dxf").modelspace()]
    from scipy.spatial import cKDTree

    ends = np.concatenate(lines)
    near, _ = cKDTree(vertices - UTM).query(ends - UTM)
    assert near.max() < 0.5 and np.allclose(ends[:, 2] * 2, np.round(ends[:, 2] * 2), atol=MILLIMETRE)


def test_an_invented_sheet_does_not_hide_the_ground(rng):
    ground, sheet_above = sheet(slope), sheet(lambda x, y: slope(x, y) + 8)
    both = TriangleMesh(
        np.concatenate([ground.vertices, sheet_above.vertices]),
        np.concatenate([ground.faces, sheet_above.faces + len(ground.vertices)]),
        np.concatenate([ground.normals, sheet_above.normals]),
    )
    heights = height_grid(both, 1.0, ground.vertices, reach=2.0).heights
    np.testing.assert_array_equal(heights, height_grid(ground, 1.0).heights)


def terrain_of(height, rng, shift=0.0) -> Terrain:
    mesh = sheet(height)
    points = mesh.vertices + [0, 0, shift]
    return Terrain(mesh, points + np.column_stack([np.zeros((len(points), 2)), rng.normal(0, 0.01, len(points))]), 2.0)


def test_a_pit_is_cut_and_a_heap_is_fill(rng):
    def changed(x, y):  # two cones of radius 8 m: 4 m down, 2 m up
        pit, heap = np.hypot(x - 12, y - 12), np.hypot(x - 28, y - 28)
        return slope(x, y) - 4 * np.clip(1 - pit / 8, 0, None) + 2 * np.clip(1 - heap / 8, 0, None)

    found = volume_between(terrain_of(slope, rng), terrain_of(changed, rng), 0.5)
    cone = np.pi * 8**2 / 3
    assert found.cut == pytest.approx(4 * cone, rel=0.01) and found.fill == pytest.approx(2 * cone, rel=0.01)
    assert found.net == pytest.approx(found.fill - found.cut) and found.area == 1600
    assert abs(found.net + 2 * cone) < 2 * found.error < 0.5 * cone * 2


def test_a_surface_off_its_points_makes_the_volume_uncertain(rng):
    sound = volume_between(terrain_of(slope, rng), terrain_of(slope, rng), 0.5)
    off = volume_between(terrain_of(slope, rng), terrain_of(slope, rng, shift=0.1), 0.5)
    assert off.error > 0.09 * off.area > sound.error


def test_no_common_area_is_said(rng):
    a = terrain_of(slope, rng)
    far = Terrain(TriangleMesh(a.mesh.vertices + [500, 0, 0], a.mesh.faces, a.mesh.normals), a.points + [500, 0, 0], 2.0)
    with pytest.raises(InputError, match="no area in common"):
        volume_between(a, far, 0.5)


def test_a_closed_body_has_no_cut_and_fill(here, quick_run):
    done = here("compare", "--volume", quick_run, quick_run)
    assert done.returncode == 2 and "a closed body, not a terrain" in done.stderr

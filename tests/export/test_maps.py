"""Contour lines, cross-sections and grids of heights, read by other programs at the place where the surface is."""

import io
from pathlib import Path
from xml.etree import ElementTree

import ezdxf
import numpy as np
import pytest
import rasterio
import trimesh

import shapesiren
from shapesiren.errors import InputError
from shapesiren.export.drawing import dxf, write_drawing
from shapesiren.export.sections import positions_every, sections
from shapesiren.export.terrain import HeightGrid, MapSystem, epsg_of, height_grid, system_of_scan, write_geotiff
from shapesiren.export.volume import Terrain, volume_between, volume_of_bodies
from shapesiren.pointcloud.units import in_scan_units
from shapesiren.runtime.triangles import Triangles
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


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "survey.md"


def commands_of(heading):
    """The commands of the guide's section, in order, without the program's name."""
    section = GUIDE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split()[1:] for block in section.split("```")[1::2] for line in block.strip().splitlines()]


@pytest.mark.slow
def test_the_surveyors_way(tmp_path, rng, here):
    """The guide's commands, from a scan at UTM coordinates: files tell one surface at one place, to a millimetre."""

    def scan(name, dug=0.0):
        x, y = rng.uniform(0, 40, (2, 3000))
        z = 4 + 2 * np.sin(x / 8) + np.cos(y / 6) - dug * np.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 40)
        rows = np.column_stack([x, y, z]) + UTM
        (tmp_path / name).write_text("\n".join(" ".join(f"{v:.4f}" for v in row) for row in rows))

    scan("site.xyz")
    commands = commands_of("From a scan to CAD and maps")
    assert [c[0] for c in commands] == ["fit", "mesh", "evaluate", "slice", "slice", "terrain", "compare"]
    for words in commands:
        if words[0] == "fit":
            words = [*words, "--preset", "fast"]
        if words[0] == "mesh":
            words = [*words, "--set", "mesh.resolution=96"]
        if words[0] == "compare":
            scan("later.xyz", dug=2.0)
            later = {"profile": "survey", "ingest": {"units": "m"}, "mesh": {"resolution": 96}}
            shapesiren.fit(tmp_path / "later.xyz", out=tmp_path / "runs" / "later", preset="fast", settings=later)
        done = here(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if words[0] == "compare":
            cut = float(done.stderr.split("cut ")[1].split()[0].rstrip(","))
            assert cut == pytest.approx(2 * np.pi * 40, rel=0.1) and " m³" in done.stderr

    mesh = trimesh.load_mesh(tmp_path / "site.obj", process=False)
    vertices, faces = mesh.vertices - UTM, mesh.faces
    # each cell of the grid that has a height
    with rasterio.open(tmp_path / "dem.tif") as tif:
        assert tif.crs.to_epsg() == 32632
        heights = tif.read(1, masked=True)
        row, column = np.nonzero(~heights.mask)
        east, north = rasterio.transform.xy(tif.transform, row, column)
    above = np.stack([np.array(east) - UTM[0], np.array(north) - UTM[1], np.full(len(row), 100.0)], 1)
    on_mesh = 100 - Triangles(vertices, faces).cast(above, np.tile([0, 0, -1.0], (len(row), 1))).distance
    assert len(row) > 5000
    np.testing.assert_allclose(heights[row, column] - UTM[2], on_mesh, atol=MILLIMETRE)
    truth = 4 + 2 * np.sin(above[:, 0] / 8) + np.cos(above[:, 1] / 6)
    assert np.sqrt(np.mean((on_mesh - truth) ** 2)) < 0.05  # of the fit, not of the files
    # each corner of the contours
    drawing = ezdxf.readfile(tmp_path / "contours.dxf")
    assert drawing.header["$INSUNITS"] == 6 and not drawing.audit().errors
    corners = np.concatenate([np.array([tuple(p) for p in e.points()]) for e in drawing.modelspace()]) - UTM
    assert len(corners) > 500 and Triangles(vertices, faces).distance(corners).max() < MILLIMETRE
    assert np.abs(corners[:, 2] * 2 - np.round(corners[:, 2] * 2)).max() < MILLIMETRE
    # each corner of the profiles, back in the scan's coordinates
    for position, (y, z) in profiles_of(tmp_path / "profiles.svg"):
        at = np.column_stack([np.full(len(y), position), y, z]) - UTM
        assert Triangles(vertices, faces).distance(at).max() < MILLIMETRE


def profiles_of(path):
    """What an SVG across x shows: the plane's position, and y and z of each line."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    low, scale = np.array([float(v) for v in root.get("data-origin").split()]), float(root.get("data-scale"))
    height = float(root.get("viewBox").split()[3]) - 10
    groups = [(float(g.get("data-position")), list(g)) for g in root]
    assert [p for p, _ in groups] == [512710, 512720] and root.get("data-units") == "m"
    for position, lines in groups:
        assert lines
        for line in lines:
            x, y = np.array([p.split(",") for p in line.get("points").split()], float).T
            yield position, (low[0] + x / scale, low[1] + (height - y) / scale)


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


def ball(radius, rng, off=0.0) -> Terrain:
    made = trimesh.creation.icosphere(5, radius)
    points = rng.normal(size=(4000, 3))
    points *= (radius + off) / np.linalg.norm(points, axis=1, keepdims=True)
    return Terrain(TriangleMesh(made.vertices + UTM, made.faces, made.vertices.astype(np.float32)), points + UTM, 1.0)


def test_bodies_are_compared_by_what_they_enclose(rng):
    found = volume_of_bodies(ball(3.0, rng), ball(2.5, rng))
    assert found.net == pytest.approx(4 / 3 * np.pi * (2.5**3 - 3.0**3), rel=2e-3)
    assert found.before == pytest.approx(4 / 3 * np.pi * 27, rel=2e-3) and 0 < found.error < 0.3
    off = volume_of_bodies(ball(3.0, rng), ball(2.5, rng, off=0.05))
    assert off.error == pytest.approx(0.05 * 4 * np.pi * 2.5**2, rel=0.1)
    with pytest.raises(InputError, match="the second mesh is not watertight"):
        volume_of_bodies(ball(3.0, rng), terrain_of(slope, rng))


def test_the_command_compares_bodies(here, quick_run):
    done = here("compare", "--volume", quick_run, quick_run)
    assert done.returncode == 0 and "before " in done.stderr and ", net 0 +- " in done.stderr


@pytest.mark.parametrize(
    ("text", "units", "expected"), [("0.5", None, 0.5), ("50cm", "m", 0.5), ("1 ft", "in", 12), ("2m", "us-ft", 6.56167)]
)
def test_lengths_with_their_unit(text, units, expected):
    assert in_scan_units(text, units, "--cell") == pytest.approx(expected)


def test_a_unit_needs_the_scans():
    with pytest.raises(InputError, match="--cell: what the scan's lengths are in is not known"):
        in_scan_units("50cm", None, "--cell")
    with pytest.raises(InputError, match="--every: 'much' is no length"):
        in_scan_units("much", "m", "--every")


def test_a_drawing_says_its_unit(tmp_path):
    cut = sections(sheet(slope), 2, [300.0])
    for units, code in (("mm", 4), ("ft", 2), (None, 0)):
        write_drawing(tmp_path / "a.dxf", cut, units)
        assert ezdxf.readfile(tmp_path / "a.dxf").header["$INSUNITS"] == code

"""Units and coordinate systems: what formats say, what the user says, and that files for others hold what they claim."""

import json

import numpy as np
import pytest
import trimesh

from shapesiren.config import Config
from shapesiren.errors import InputError
from shapesiren.pointcloud.facts import CloudFacts
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.io import crs
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.prepare import load
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.units import METRES, UNITS, factor, of_figure
from shapesiren.similarity import Similarity
from shapesiren.surface.io import read_mesh, write_mesh
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.written_units import written_units
from shapesiren.tasks.shape_settings import ShapeConfig

UTM = (
    'PROJCS["WGS 84 / UTM zone 32N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],UNIT["metre",1],AUTHORITY["EPSG","32632"]]'
)
STATE = UTM.replace('UNIT["metre",1]', 'UNIT["US survey foot",0.304800609601219]').replace("WGS 84 / UTM zone 32N", "a state")
COMPOUND = f'COMPD_CS["a state, with heights",{STATE},VERT_CS["NAVD88",VERT_DATUM["d",2005],UNIT["metre",1.0]]]'
WKT2 = (
    'PROJCRS["site ""A"" grid",BASEGEOGCRS["ETRS89",DATUM["d",ELLIPSOID["GRS 1980",6378137,298.25,LENGTHUNIT["metre",1]]]],'
    'CONVERSION["c",METHOD["Transverse Mercator"]],CS[Cartesian,2],AXIS["(E)",east,LENGTHUNIT["foot",0.3048]]]'
)


@pytest.mark.parametrize(
    ("text", "units", "name"),
    [
        (UTM, ("m", None), "WGS 84 / UTM zone 32N"),
        (STATE, ("us-ft", None), "a state"),  # not the international foot, which is .6 micrometres shorter
        (COMPOUND, ("us-ft", "m"), "a state, with heights"),
        (WKT2, ("ft", None), 'site "A" grid'),
        ("EPSG:25832", (None, None), "EPSG:25832"),
        ('PROJCS["cut off', (None, None), 'PROJCS["cut off'),
    ],
)
def test_what_a_coordinate_system_says(text, units, name):
    assert crs.units_of(text) == units
    assert crs.name_of(text) == name


def las(path, text=None, keys=()):
    laspy = pytest.importorskip("laspy")
    from laspy.vlrs.known import GeoKeyDirectoryVlr, GeoKeyEntryStruct, WktCoordinateSystemVlr

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.offsets, header.scales = [500_000, 5_400_000, 0], [0.001] * 3
    if text:
        header.vlrs.append(WktCoordinateSystemVlr(text))
    if keys:
        record = GeoKeyDirectoryVlr()
        record.geo_keys = [GeoKeyEntryStruct(id=k, tiff_tag_location=0, count=1, value_offset=v) for k, v in keys]
        record.geo_keys_header.number_of_keys = len(keys)
        header.vlrs.append(record)
    data = laspy.LasData(header)
    data.x, data.y, data.z = (np.random.default_rng(0).uniform(0, 50, (80, 3)) + [500_100, 5_400_100, 300]).T
    data.write(str(path))
    return path


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_las_by_its_text(tmp_path, suffix):
    cloud = read_cloud(las(tmp_path / f"a{suffix}", STATE))
    assert (cloud.units, cloud.crs) == ("us-ft", STATE)
    mixed = read_cloud(las(tmp_path / "b.las", COMPOUND))
    assert mixed.notes == ("its positions are in us-ft, its heights in m: taken as they are",)


def test_las_by_its_keys(tmp_path, monkeypatch):
    pytest.importorskip("pyproj")
    path = las(tmp_path / "a.las", keys=[(1024, 1), (3072, 2263)])  # New York, in feet of the survey
    cloud = read_cloud(path)
    assert cloud.units == "us-ft" and "New York" in crs.name_of(cloud.crs)
    monkeypatch.setitem(__import__("sys").modules, "pyproj", None)  # as if it were not there
    cloud = read_cloud(path)
    assert cloud.crs == "EPSG:2263" and cloud.units == "m"
    assert "names no unit of length: taken as metres" in cloud.notes[0]
    assert read_cloud(las(tmp_path / "b.las", keys=[(3072, 32632), (3076, 9002)])).units == "ft"


def test_las_without_a_system(tmp_path):
    cloud = read_cloud(las(tmp_path / "a.las"))
    assert (cloud.units, cloud.crs) == ("m", None)
    assert cloud.notes == ("no coordinate system in it: taken as metres (--units says otherwise)",)


def test_e57(tmp_path, monkeypatch):
    pye57 = pytest.importorskip("pye57")
    from tests.pointcloud.io.test_survey import write_e57

    real = pye57.libe57.StringNode
    monkeypatch.setattr(pye57.libe57, "StringNode", lambda file, value="": real(file, value or UTM))
    write_e57(tmp_path / "a.e57", [(np.random.default_rng(0).normal(size=(50, 3)), [0, 0, 0], np.ones(50))] * 2)
    cloud = read_cloud(tmp_path / "a.e57")
    assert (cloud.units, cloud.crs) == ("m", UTM)
    assert list(cloud.tallies["scans"].values()) == [50, 50] and (cloud.scan == np.repeat([0, 1], 50)).all()


@pytest.mark.parametrize(("attribute", "units"), [("millimeter", "mm"), ("inch", "in"), ("foot", "ft"), ("micron", None)])
def test_3mf_by_its_attribute(tmp_path, attribute, units):
    pytest.importorskip("lxml")
    import zipfile

    trimesh.creation.icosphere(1).export(tmp_path / "a.3mf")
    with zipfile.ZipFile(tmp_path / "a.3mf") as old, zipfile.ZipFile(tmp_path / "b.3mf", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'unit="millimeter"', f'unit="{attribute}"'.encode()))
    assert read_cloud(tmp_path / "b.3mf").units == units


def test_what_says_nothing_is_not_known(tmp_path):
    for suffix in (".stl", ".ply", ".obj", ".off"):
        trimesh.creation.icosphere(1).export(tmp_path / f"a{suffix}")
        assert read_cloud(tmp_path / f"a{suffix}").units is None
    trimesh.creation.icosphere(1).export(tmp_path / "a.glb")
    assert read_cloud(tmp_path / "a.glb").units == "m"


def test_the_user_has_the_last_word(tmp_path):
    said = []
    path = las(tmp_path / "a.las", UTM)
    cloud, _, _ = load(path, IngestSettings(units="ft"), 0, said.append)
    assert cloud.units == "ft" and cloud.crs is None  # whose coordinates are metres
    assert "taken as ft, as asked, and not m, as its coordinate system says" in said
    with pytest.raises(InputError, match="the scans are in different units: m, us-ft; --units says"):
        load([path, las(tmp_path / "b.las", STATE)], IngestSettings(), 0, lambda _: None)
    both = [path, las(tmp_path / "c.las", UTM.replace("32N", "33N"))]
    cloud, _, _ = load(both, IngestSettings(), 0, said.append)
    assert cloud.crs is None and "2 different coordinate systems" in said[-1]


def test_keys_of_runs_without_them_stay():
    """A run of an earlier version is the same run as long as nobody says units or selects anything."""
    config = ShapeConfig()
    assert not {"units", "polygon", "classes", "every"} & config.section("ingest").keys()
    assert ShapeConfig(ingest=IngestSettings(units="mm")).section("ingest")["units"] == "mm"
    assert "viewpoint" in config.section("ingest")  # what was there always is there, given or not
    assert ShapeConfig(mesh=MeshSettings(units="mm", scale=2)).section("mesh") == config.section("mesh")
    assert isinstance(config, Config)


def test_factors():
    assert set(METRES) == set(UNITS)
    assert factor("m", "mm") == pytest.approx(1000) and factor("in", "cm") == pytest.approx(2.54)
    assert factor("us-ft", "ft") - 1 == pytest.approx(2e-6, rel=0.01)


def test_units_of_figures():
    assert of_figure("mesh", "cell", "mm") == "mm" and of_figure("mesh", "verification.area", "mm") == "mm²"
    assert of_figure("mesh", "verification.volume", "m") == "m³" and of_figure("mesh", "likeness.mean", "m") == ""
    assert of_figure("evaluate", "surface.hausdorff95", "m") == "m" and of_figure("evaluate", "surface.f_score", "m") == ""
    assert of_figure("evaluate", "field.distance_percent_of_box", "m") == "" and of_figure("mesh", "cell", None) == ""


def header(**known):
    return CloudHeader.model_validate(
        {"frame": {"centre": [1, 2, 3], "scale": 0.6}, "bounds": {"low": [-1] * 3, "high": [1] * 3}, **known}
    )


@pytest.mark.parametrize(
    ("source", "settings", "suffix", "units", "scale"),
    [
        ("mm", {}, ".ply", "mm", 1),
        ("mm", {"units": "in"}, ".stl", "in", 1 / 25.4),
        ("mm", {}, ".glb", "m", 1e-3),
        ("in", {"units": "cm"}, ".3mf", "mm", 25.4),  # what the format is in by its definition
        ("m", {"units": "mm", "scale": 0.5}, ".ply", "mm", 500),
        (None, {}, ".glb", None, 1),
        (None, {"scale": 3}, ".obj", None, 3),
    ],
)
def test_what_files_for_others_are_in(tmp_path, source, settings, suffix, units, scale):
    if suffix == ".3mf":
        pytest.importorskip("lxml")
    found = written_units(header(**({"units": source} if source else {})), MeshSettings(**settings), suffix)
    assert found.units == units and found.scale == pytest.approx(scale)
    ball = trimesh.creation.icosphere(2)
    vertices = np.asarray(ball.vertices) * 0.5 + [1, 2, 3]
    mesh = TriangleMesh(vertices, np.asarray(ball.faces, np.int64), np.asarray(ball.vertex_normals, np.float32))
    write_mesh(tmp_path / f"a{suffix}", mesh, Similarity((1, 2, 3), 0.6), 64, found)
    back = read_cloud(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(np.sort(back.points.max(0)), np.sort(vertices.max(0)) * scale, rtol=1e-5)
    if suffix in (".glb", ".3mf"):
        assert back.units == DEFINED_BY[suffix]


DEFINED_BY = {".glb": "m", ".3mf": "mm"}


def test_units_that_are_not_known_cannot_be_converted():
    with pytest.raises(InputError, match=r"what the scan's lengths are in is not known; say what it is in .*--scale 1000"):
        written_units(header(), MeshSettings(units="mm"), ".ply")


def test_the_coordinate_system_lies_beside_the_mesh(tmp_path):
    ball = trimesh.creation.icosphere(1)
    mesh = TriangleMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int64), np.asarray(ball.vertex_normals, "f4"))
    known = header(units="m", crs=UTM)
    for suffix in (".ply", ".obj", ".glb"):
        write_mesh(tmp_path / f"{suffix[1:]}{suffix}", mesh, known.frame, 64, written_units(known, MeshSettings(), suffix))
    assert (tmp_path / "ply.prj").read_text() == (tmp_path / "obj.prj").read_text() == UTM
    assert not (tmp_path / "glb.prj").exists()
    assert b"comment units m\n" in (tmp_path / "ply.ply").read_bytes() and "# units m\n" in (tmp_path / "obj.obj").read_text()
    scaled = written_units(known, MeshSettings(units="mm"), ".ply")
    write_mesh(tmp_path / "mm.ply", mesh, known.frame, 64, scaled)
    assert not (tmp_path / "mm.prj").exists()  # millimetres are none of its coordinates
    (tmp_path / "obj.prj").write_text("of another program")
    for name in ("ply.ply", "obj.obj"):  # over what was written in metres
        write_mesh(tmp_path / name, mesh, known.frame, 64, scaled)
    assert not (tmp_path / "ply.prj").exists() and (tmp_path / "obj.prj").exists()
    np.testing.assert_allclose(read_mesh(tmp_path / "mm.ply").vertices, 1000 * mesh.vertices, rtol=1e-6)


def test_facts_say_them_and_older_ones_do_not():
    old = {"points": 100, "normals": {"origin": "given"}, "size": [1, 2, 3], "spacing": 0.1, "noise": 0.01}
    old["guide"] = {"surface": "none", "open": False}
    assert CloudFacts.of(old).lines()[0].split(", ")[-1] == "size 1 x 2 x 3"
    lines = CloudFacts.of(old | {"length_units": "mm", "crs": UTM}).lines()
    assert lines[0].endswith("size 1 x 2 x 3 mm; WGS 84 / UTM zone 32N") and "spacing 0.1 mm, noise about 0.01 mm" in lines[1]
    assert json.loads(json.dumps(CloudFacts.of(old).tree())) == old

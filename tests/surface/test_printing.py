"""Parts for a printer: closed, so high, flat below, hollow, and read by others as what they are."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesiren.errors import InputError, RunError
from shapesiren.lengths import millimetres
from shapesiren.similarity import Similarity
from shapesiren.surface.facts import MeshFacts, Verification
from shapesiren.surface.io import write_mesh
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.printing import hollow
from shapesiren.surface.printing.base import centre_of_mass, cut_base
from shapesiren.surface.printing.hollow import cavity, drain_through, pockets_to_keep
from shapesiren.surface.printing.part import base_of, check_printing, vertex_normals
from shapesiren.surface.printing.solids import from_mesh, to_mesh
from shapesiren.surface.printing.walls import thickness, walls_of
from shapesiren.surface.printing.watertight import require_closed
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.verify import verify

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "print.md"


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(hollow, "CELLS", 56)


def as_mesh(solid, colours=None):
    vertices, faces = to_mesh(solid)
    return TriangleMesh(vertices, faces, vertex_normals(vertices, faces), colours)


def ball(radius=10.0):
    from manifold3d import Manifold

    return Manifold.sphere(radius, 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("120mm", 120), ("12 cm", 120), ("4.7in", 119.38), ('2"', 50.8), ("0.12m", 120), ("1ft", 304.8), (7, 7)],
)
def test_lengths(text, expected):
    assert millimetres(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "mm", "12 parsec", "-3mm", "0", "nan", "1e999mm", "1,2mm"])
def test_no_lengths(text):
    with pytest.raises(InputError):
        millimetres(text, "--height")


def test_settings_take_units():
    assert MeshSettings(height="12cm").height == 120
    assert MeshSettings(height=5).closed
    assert not MeshSettings().closed
    with pytest.raises(ValueError, match="no length"):
        MeshSettings(hollow="thick")


@pytest.mark.parametrize("asked", [{"hollow": 2.0}, {"height": 50.0, "drain": 3.0}])
def test_what_makes_no_sense_is_refused(asked):
    with pytest.raises(InputError):
        check_printing(MeshSettings(**asked))


def test_base_is_flat_and_carries():
    made, cut, stands = cut_base(ball())
    low = made.bounding_box()[2]
    assert stands
    assert low == pytest.approx(-10 + cut, abs=1e-9)
    part = as_mesh(made.translate([0, 0, -low]))
    found = base_of(part, cut, stands)
    assert found["base_flatness"] < 1e-9
    assert found["base_area"] == pytest.approx(np.pi * (2 * 10 * cut - cut**2), rel=0.05)
    assert verify(part).watertight
    assert centre_of_mass(made)[:2] == pytest.approx([0, 0], abs=1e-6)


def test_what_falls_over_is_told():
    from manifold3d import Manifold

    leaning = Manifold.cube([4, 4, 20]) + Manifold.cube([60, 4, 4]).translate([0, 0, 16])
    assert not cut_base(leaning)[2]


def by_radius(radius, slope):
    return lambda x: slope * (np.linalg.norm(x, axis=1) - radius)


@pytest.mark.parametrize(("field", "origin"), [(by_radius(10, 1.0), "field"), (by_radius(10, 0.5), "mesh"), (None, "mesh")])
def test_cavity_by_field_and_by_mesh(field, origin):
    """A field whose slope is 1/2 would leave walls twice as thick: the mesh is asked instead."""
    found, source, median = cavity(*to_mesh(ball()), 2.0, field)
    assert source == origin
    assert median == pytest.approx(2, abs=0.05)
    assert found.volume() == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.02)


def test_too_thin_to_be_hollow():
    with pytest.raises(RunError, match="thick enough"):
        cavity(*to_mesh(ball(1.0)), 2.0, None)


def test_drain_opens_the_cavity():
    solid = ball().translate([0, 0, 10])
    pocket, left = pockets_to_keep(cavity(*to_mesh(solid), 2.0, None)[0], only_largest=True)
    closed = solid - pocket
    drained = closed - drain_through(pocket, 2.0, 3.0)
    assert left == 0
    assert verify(as_mesh(closed)).components == 2
    found = verify(as_mesh(drained))
    assert (found.components, found.watertight, found.genus) == (1, True, 0)
    with pytest.raises(RunError, match="no room"):
        drain_through(pocket, 2.0, 30.0)


def test_thin_walls_are_found():
    from manifold3d import Manifold

    mesh = as_mesh((Manifold.cube([20, 20, 0.5]) + Manifold.cube([10, 20, 5])).refine_to_length(1.0))
    thick = thickness(mesh.vertices, mesh.faces)
    found = walls_of(thick, mesh.face_areas(), 0.4)
    assert found.least == pytest.approx(0.8)
    middle = mesh.vertices[mesh.faces].mean(1)
    plate = (middle[:, 0] > 10.01) & (middle[:, 0] < 19.99) & (middle[:, 1] > 0) & (middle[:, 1] < 20)
    assert thick[plate] == pytest.approx(0.5, abs=0.01)
    assert found.thin_share == pytest.approx(400 / mesh.face_areas().sum(), rel=0.1)
    assert any("warning" in line for line in found.lines())


def test_what_is_open_is_refused():
    mesh = as_mesh(ball())
    checked: Verification = verify(mesh.keep_faces(np.arange(len(mesh.faces)) > 3))
    with pytest.raises(RunError, match="open"):
        require_closed(checked, decimated=False)
    with pytest.raises(RunError, match="no solid"):
        from_mesh(mesh.vertices, mesh.faces[4:])


def read_3mf(path):
    """One object by lib3mf: its bounds in millimetres, whether it is manifold and oriented, and its colours."""
    from lib3mf import Lib3MF, get_wrapper

    model = get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromFile(str(path))
    assert model.GetUnit() == Lib3MF.ModelUnit.MilliMeter
    objects = model.GetMeshObjects()
    assert objects.MoveNext()
    body = objects.GetCurrentMeshObject()
    assert not objects.MoveNext()
    vertices = np.array([list(v.Coordinates) for v in body.GetVertices()])
    groups = model.GetColorGroups()
    colours = []
    if groups.MoveNext():
        group = groups.GetCurrentColorGroup()
        for corner in body.GetAllTriangleProperties()[0].PropertyIDs:
            colour = group.GetColor(corner)
            colours.append((colour.Red, colour.Green, colour.Blue))
    return vertices, body.IsManifoldAndOriented(), colours


def test_3mf_keeps_colours_and_unit(tmp_path, rng):
    mesh = as_mesh(ball())
    mesh = TriangleMesh(mesh.vertices, mesh.faces, mesh.normals, rng.integers(0, 256, (len(mesh.vertices), 3)).astype(np.uint8))
    write_mesh(tmp_path / "a.3mf", mesh, Similarity((0.0, 0.0, 0.0), 10.0), 256)
    vertices, manifold, colours = read_3mf(tmp_path / "a.3mf")
    assert manifold
    assert vertices == pytest.approx(mesh.vertices, abs=1e-5)
    assert colours == [tuple(row) for row in mesh.colours[mesh.faces[0]].tolist()]


@pytest.mark.slow
def test_the_guide(here, tmp_path):
    """Every command of docs/guides/print.md, and what others read of its files."""
    for line in re.findall(r"^\$ shapesiren (.*)$", GUIDE.read_text(), re.M):
        done = here(*shlex.split(line), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if "--watertight" in line:
            assert trimesh.load(tmp_path / "closed.ply", process=False).is_watertight
    facts = MeshFacts.of(json.loads((tmp_path / "runs/object/run.json").read_text())["stages"]["mesh"]["facts"])
    assert facts.verification.watertight
    assert facts.invented is not None and 0 < facts.invented.area_share < 0.6
    assert facts.part is not None and facts.part.hollow is not None
    assert (tmp_path / "runs/object/print.png").stat().st_size > 1000
    for name in ("part.3mf", "hollow.3mf", "part.stl"):
        read = trimesh.load_mesh(tmp_path / name)
        assert read.is_watertight and read.is_winding_consistent
        assert read.extents[2] == pytest.approx(60, abs=1e-3)
        assert read.bounds[0][2] == pytest.approx(0, abs=1e-4)
        if name.endswith("3mf"):
            assert read.body_count == 1
            vertices, manifold, _ = read_3mf(tmp_path / name)
            assert manifold
            assert np.ptp(vertices[:, 2]) == pytest.approx(60, abs=1e-3)
            if name == "hollow.3mf":
                assert read.volume < 0.9 * trimesh.load_mesh(tmp_path / "part.3mf").volume

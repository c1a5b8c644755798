"""A picture of the scan's colours on its mesh: as fine as the points, without seams, read by others."""

import json

import numpy as np
import pytest
import trimesh
from PIL import Image
from plyfile import PlyData, PlyElement

import shapesiren
from shapesiren.errors import InputError
from shapesiren.pointcloud.io.ply import vertex_table
from shapesiren.runtime.kdtree import KDTree
from shapesiren.runtime.triangles import Triangles
from shapesiren.similarity import Similarity
from shapesiren.surface import atlas as atlas_module
from shapesiren.surface.atlas import unwrap
from shapesiren.surface.attributes import blended, carry_attributes
from shapesiren.surface.io import write_mesh
from shapesiren.surface.mesh import Texture, TriangleMesh
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.texture import bake, check_texture, check_textured

UTM = np.array([512_345.25, 5_412_345.5, 420.75])


def ball(subdivisions=4):
    made = trimesh.creation.icosphere(subdivisions)
    return TriangleMesh(made.vertices.astype(float), made.faces.astype(np.int64), made.vertices.astype(np.float32))


def on_ball(count, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def checks(x):
    """Fields an eighth of the radius wide, with soft edges."""
    s = np.tanh(3 * np.sin(25 * x[:, 0]) * np.sin(25 * x[:, 1]) * np.sin(25 * x[:, 2]))
    return np.rint(127.5 + 120 * np.stack([s, -s, x[:, 2]], 1)).astype(np.uint8)


def gradual(x):
    return np.rint(127.5 + 120 * x).astype(np.uint8)


def painted(mesh, size, points, colours):
    tree, atlas = KDTree(points), unwrap(mesh, size)
    image = bake(atlas, mesh.vertices[atlas.vertex], size, tree, colours)
    uv = np.stack([atlas.place[:, 0], 1 - atlas.place[:, 1]], 1)
    return TriangleMesh(mesh.vertices, mesh.faces, mesh.normals, texture=Texture(uv, atlas.vertex, atlas.faces, image))


def looked_up(image, uv):
    """Colours (n, 3) of a picture, mixed of four texels as by a viewer, at (n, 2) places that are counted from below."""
    height, width = image.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = (x - column)[:, None], (y - row)[:, None]

    def at(i, j):
        return image[np.clip(row + i, 0, height - 1), np.clip(column + j, 0, width - 1)].astype(float)

    return (at(0, 0) * (1 - right) + at(0, 1) * right) * (1 - down) + (at(1, 0) * (1 - right) + at(1, 1) * right) * down


def corners_mixed(values, hit, faces):
    w = hit.uvs
    weights = np.stack([1 - w.sum(1), w[:, 0], w[:, 1]], 1)[..., None]
    return (values[faces[hit.faces]] * weights).sum(1)


def psnr(a, b):
    return 10 * np.log10(255**2 / ((a - b.astype(float)) ** 2).mean())


def as_others_read(path):
    """Vertices, faces, places in the picture, and the picture of a file, by trimesh."""
    scene = trimesh.load_scene(path, process=False)
    node = scene.graph.nodes_geometry[0]
    matrix, name = scene.graph[node]
    part = scene.geometry[name]
    material = part.visual.material
    picture = getattr(material, "baseColorTexture", None) or material.image
    vertices = trimesh.transform_points(part.vertices, matrix)
    return vertices, part.faces, np.asarray(part.visual.uv), np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="module")
def patterned():
    points = on_ball(40_000)
    return painted(ball(), 512, points, checks(points)), points


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_it_shows_what_few_faces_cannot(patterned, tmp_path, suffix):
    mesh, points = patterned
    far = TriangleMesh(mesh.vertices + UTM, mesh.faces, mesh.normals, texture=mesh.texture)
    path = tmp_path / f"a ball{suffix}"
    write_mesh(path, far, Similarity(tuple(UTM), 1.1), 256)
    vertices, faces, uv, picture = as_others_read(path)
    assert len(faces) == len(mesh.faces) and picture.shape == (512, 512, 3)
    held = on_ball(5000, seed=1)
    hit = Triangles(vertices - UTM, faces).closest(held)
    by_texture = psnr(looked_up(picture, corners_mixed(uv, hit, faces)), checks(held))
    coloured = carry_attributes(ball(), KDTree(points), checks(points), None)
    hit = Triangles(coloured.vertices, coloured.faces).closest(held)
    by_vertices = psnr(corners_mixed(coloured.colours.astype(float), hit, coloured.faces), checks(held))
    assert by_texture > by_vertices + 3 and by_texture > 25


def test_an_obj_stays_in_one_piece_and_a_viewer_multiplies_by_no_colours_of_vertices(patterned, tmp_path):
    mesh, _ = patterned
    mesh = TriangleMesh(mesh.vertices, mesh.faces, mesh.normals, gradual(mesh.vertices), texture=mesh.texture)
    write_mesh(tmp_path / "a b.obj", mesh, Similarity((0.0, 0.0, 0.0), 1.1), 256)
    lines = (tmp_path / "a b.obj").read_text().splitlines()
    places = [line.split()[1:] for line in lines if line.startswith("v ")]
    assert len(places) == len(mesh.vertices) and len(places[0]) == 3
    assert "mtllib a_b.mtl" in lines and "map_Kd a_b_texture.png" in (tmp_path / "a_b.mtl").read_text()
    assert Image.open(tmp_path / "a_b_texture.png").size == (512, 512)
    write_mesh(tmp_path / "a.glb", mesh, Similarity((0.0, 0.0, 0.0), 1.1), 256)
    size = int.from_bytes((tmp_path / "a.glb").read_bytes()[12:16], "little")
    primitive = json.loads((tmp_path / "a.glb").read_bytes()[20 : 20 + size])["meshes"][0]["primitives"][0]
    assert {"POSITION", "NORMAL", "TEXCOORD_0"} == primitive["attributes"].keys()


@pytest.mark.parametrize("halvings", [0, 2])
def test_there_is_no_seam_where_charts_meet(halvings):
    """The same place on an edge between charts has the same colour from either side, in a smaller picture (mipmap) too."""
    points = on_ball(40_000)
    texture = painted(ball(), 512, points, gradual(points)).texture
    faces, n = ball().faces, 512 >> halvings
    image = texture.image.reshape(n, 512 // n, n, 512 // n, 3).mean((1, 3))
    edges = {}
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            ends = [texture.faces[f, k], texture.faces[f, (k + 1) % 3]]
            edges.setdefault((min(a, b), max(a, b)), []).append(ends if a < b else ends[::-1])
    pairs = np.array([sides for sides in edges.values() if sides[0] != sides[1]])  # (e, side, end)
    assert len(pairs) > 100
    middle = texture.uv[pairs].mean(2)
    difference = np.abs(looked_up(image, middle[:, 0]) - looked_up(image, middle[:, 1]))
    assert difference.max() < (8 if halvings == 0 else 24)


def test_charts_hold_every_face_once_and_do_not_overlap(monkeypatch):
    monkeypatch.setattr(atlas_module, "PART_FACES", 1000)
    mesh, size = ball(), 256
    atlas = unwrap(mesh, size)
    np.testing.assert_array_equal(atlas.vertex[atlas.faces], mesh.faces)
    assert atlas.place.min() >= 0 and atlas.place.max() <= 1 and atlas.charts >= 6
    corner = atlas.place[atlas.faces] * size
    a, b = (corner[:, 1] - corner[:, 0]).T, (corner[:, 2] - corner[:, 0]).T
    area = np.abs(a[0] * b[1] - a[1] * b[0]) / 2
    assert (area > 0).all() and area.sum() > 0.3 * size**2
    flat = np.pad(corner.reshape(-1, 2), ((0, 0), (0, 1)))
    charts = Triangles(flat, np.arange(len(flat)).reshape(-1, 3))
    inside = np.pad(corner.mean(1), ((0, 0), (0, 1)), constant_values=1)
    assert (charts.crossings(inside, [0, 0, -1]) == 1).all()


def test_what_is_finer_than_a_texel_is_its_mean():
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 3)) * (1, 1, 0)
    colours = np.tile(np.random.default_rng(1).choice([0, 255], (len(points), 1)), 3).astype(np.uint8)
    at = np.random.default_rng(2).uniform(-0.9, 0.9, (500, 3)) * (1, 1, 0)
    spread = blended(KDTree(points), colours, at, 32, reach=0.05)[:, 0].std()
    assert spread < 30 < blended(KDTree(points), colours, at, 4, reach=0.0)[:, 0].std()


# ---- Of a run ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texture") / "run"
    points = on_ball(3000)
    table = vertex_table(3 * points, points.astype(np.float32), gradual(points), None, double=True)
    PlyData([PlyElement.describe(table, "vertex")]).write(folder.parent / "scan.ply")
    settings = {"mesh": {"resolution": 32, "texture": 128}, "output": {"formats": ["glb", "obj"]}}
    shapesiren.fit(folder.parent / "scan.ply", preset="fast", out=folder, settings=settings)
    shapesiren.mesh(folder)
    return folder


@pytest.mark.slow
def test_formats_of_the_settings_have_it_and_follow_its_size(run):
    names = {"mesh.glb", "mesh.obj", "mesh.mtl", "mesh_texture.png"}
    assert names <= {p.name for p in run.iterdir()}
    assert as_others_read(run / "mesh.glb")[3].shape == (128, 128, 3)
    before = (run / "mesh.ply").read_bytes()
    (run / "mesh.mtl").unlink()
    shapesiren.mesh(run, texture=64)
    assert as_others_read(run / "mesh.obj")[3].shape == (64, 64, 3) and (run / "mesh.mtl").is_file()
    assert (run / "mesh.ply").read_bytes() == before
    assert names <= json.loads((run / "run.json").read_text())["formats"].keys()  # `clean` knows of them


@pytest.mark.slow
def test_in_python(run, tmp_path):
    made = shapesiren.load(run).mesh(texture=64)
    assert made.texture.image.shape == (64, 64, 3)
    made.save(tmp_path / "a.obj")
    assert as_others_read(tmp_path / "a.obj")[3].shape == (64, 64, 3)
    with pytest.raises(InputError, match="STL holds no texture"):
        shapesiren.mesh(run, texture=64, out=tmp_path / "a.stl")


@pytest.mark.slow
def test_the_command(run, tmp_path, here):
    done = here("mesh", run, "--texture", "64", "-o", "a.obj", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "texels of" in done.stderr and "a_texture.png" in done.stderr
    assert here("mesh", run, "--texture", "64", cwd=tmp_path).returncode == 0
    assert as_others_read(run / "mesh.textured.glb")[3].shape == (64, 64, 3)
    (tmp_path / "b_texture.png").write_bytes(b"a letter")
    refused = here("mesh", run, "--texture", "64", "-o", "b.obj", cwd=tmp_path)
    assert refused.returncode == 2 and "b_texture.png: the file exists" in refused.stderr
    assert not (tmp_path / "b.obj").exists() and (tmp_path / "b_texture.png").read_bytes() == b"a letter"
    refused = here("mesh", run, "--texture", "64", "-o", "c.ply", cwd=tmp_path)
    assert refused.returncode == 2 and "c.ply: PLY holds no texture; name one of .glb .obj" in refused.stderr
    told = here("mesh", run, "-o", "c.ply", cwd=tmp_path)  # of the run's settings, not of this command
    assert told.returncode == 0 and "without the texture, which PLY cannot hold" in told.stderr


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(InputError, match="no colours"):
        check_texture(MeshSettings(texture=64), {})
    with pytest.raises(InputError, match="part to print"):
        check_texture(MeshSettings(texture=64, height=50), {"colours": np.zeros((1, 3))})
    with pytest.raises(InputError, match="3MF holds no texture"):
        check_textured(tmp_path / "a.3mf")

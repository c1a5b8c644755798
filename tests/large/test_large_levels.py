"""Levels of a large run's mesh fit each other and are what they say; files of it are whole, or refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.header import BoxBounds
from shapesiren.large import copies, level_mesh, pyramid
from shapesiren.large.lattice import MeshPlan
from shapesiren.large.pyramid import Pyramid, _joined
from shapesiren.large.tile_mesh import TileMesh
from shapesiren.large.tiles import FOLDER, Tiles
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient, tessellate
from shapesiren.similarity import Similarity
from shapesiren.surface import glb
from shapesiren.surface.io import check_size
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.verify import verify

FRAME = Similarity((500_000.0, 5_400_000.0, 300.0), 50.0)
LEVEL = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A torus whose mesh is cut into tiles of level 2, as `large.mesh` leaves them; no fit is needed for it."""
    folder = tmp_path_factory.mktemp("levels")
    exact = SHAPES["torus"]
    vertices, faces = tessellate(exact, 96)
    tiles = Tiles(folder / FOLDER, LEVEL, {}, {}, 3, 0.1)
    tiles.folder.mkdir()
    of_face = np.floor((vertices[faces].mean(1) + 2 * tiles.half * 2) / (2 * tiles.half)).astype(int)
    names, owner = np.unique(of_face, axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    users = [np.unique(faces[owner == k]) for k in range(len(names))]
    shared = np.bincount(np.concatenate(users), minlength=len(vertices)) > 1
    for k, (name, used) in enumerate(zip(names.tolist(), users, strict=True)):
        tile = tuple(name)
        number = np.full(len(vertices), -1)
        number[used] = np.arange(len(used))
        own = number[faces[owner == k]]
        border = np.flatnonzero(shared[used])
        place = np.full(len(used), -1)
        place[border] = np.arange(len(border))
        half = place[np.stack([own, own[:, [1, 2, 0]]], 2).reshape(-1, 2)]
        TileMesh(
            vertices=(vertices[used] - tiles.centre(tile)).astype(np.float32),
            normals=gradient(exact, vertices[used]).astype(np.float16),
            faces=own.astype(np.int32),
            border=border.astype(np.int32),
            keys=np.stack([used[border], np.full(len(border), -1)], 1),
            edges=half[(half >= 0).all(1)].astype(np.int32),
            component=np.zeros(len(used), np.int32),
            area=np.ones(1),
            volume=np.zeros(1),
            ends=np.zeros((1, 3), np.int64),
            exits=np.empty((0, 3), np.int32),
            held=np.empty((0, 3), np.int32),
            key=f"key of {name}",
        ).write(tiles.path(tile, "mesh.safetensors"))
        tiles.counts[tile], tiles.digests[tile] = len(used), "d"
    tiles.save()
    MeshPlan(24, 0, False, False, LEVEL).save(folder)
    return folder


@pytest.fixture
def built(run) -> Pyramid:
    made = Pyramid(run, pyramid.joined(run, MeshSettings()))
    made.build()
    return made


def covering(levels: Pyramid, rng, share):
    """Nodes that cover each tile once: from the top on, each is split with this chance."""
    chosen, open_nodes = [], [(levels.top, node) for node in levels.keys[levels.top]]
    while open_nodes:
        level, node = open_nodes.pop()
        if level and rng.random() < share:
            open_nodes += [(level - 1, child) for child in levels.children[level][node]]
        else:
            chosen.append((level, node))
    return chosen


def test_nodes_of_any_levels_fit_each_other(built, rng):
    assert built.top == LEVEL and len(built.keys[0]) > 8
    faces = [sum(len(built.node(level, n).faces) for n in built.keys[level]) for level in range(LEVEL + 1)]
    assert faces[1] < 0.5 * faces[0] and faces[2] < 0.4 * faces[1]
    mixed = 0
    for share in (0.0, 0.4, 0.7, 0.8, 1.1):
        chosen = covering(built, rng, share)
        mixed += len({level for level, _ in chosen}) > 1
        joined, _, _, _ = _joined([(built.centre(level, n), built.node(level, n)) for level, n in chosen])
        checked = verify(joined)
        assert checked.watertight and checked.components == 1 and checked.genus == 1, share
    assert mixed >= 2
    top = built.node(LEVEL, (0, 0, 0))
    off = np.abs(SHAPES["torus"](top.vertices.astype(np.float64) + built.centre(LEVEL, (0, 0, 0))))
    error = top.facts["error"]
    assert 0 < built.facts(1, next(iter(built.keys[1])))["error"] <= error < 0.02
    assert off.max() < error + 1e-3
    assert [copies.faces_of(built, level) for level in range(LEVEL + 1)] == faces


def test_only_what_changed_is_made_again(run, built):
    assert Pyramid(run, pyramid.joined(run, MeshSettings())).build() == 0
    tiles = Tiles.open(run)
    tile = min(tiles.counts)
    mesh = TileMesh.open(tiles.path(tile, "mesh.safetensors"))
    TileMesh(**{**mesh.__dict__, "key": "another"}).write(tiles.path(tile, "mesh.safetensors"))
    assert Pyramid(run, pyramid.joined(run, MeshSettings())).build() == 2  # its parent and the top
    built.path(1, min(built.keys[1])).write_bytes(b"half")
    assert Pyramid(run, pyramid.joined(run, MeshSettings())).build() == 1


def header(**more):
    return CloudHeader(frame=FRAME, bounds=BoxBounds(low=(-1, -1, -1), high=(1, 1, 1)), support=0.1, units="m", tiles=8, **more)


@pytest.mark.parametrize("level", [0, 1])
def test_levels_are_written_as_one_mesh(run, tmp_path, level):
    for name in ("mesh.ply", "mesh.glb", "mesh.stl"):
        copies.write_copy(run, tmp_path / name, header(), MeshSettings(level=level))
    ply = read_cloud(tmp_path / "mesh.ply")
    weld = pyramid.joined(run, MeshSettings())
    if level == 0:
        assert (len(ply.points), len(ply.faces)) == (weld.vertices, weld.faces)
    else:
        assert len(ply.faces) < 0.5 * weld.faces
    assert verify(TriangleMesh(ply.points, ply.faces, ply.normals)).watertight
    assert np.abs(SHAPES["torus"](FRAME.to_box(ply.points))).max() < 0.01
    other = read_cloud(tmp_path / "mesh.glb")
    assert len(other.faces) == len(ply.faces)
    np.testing.assert_allclose(np.sort(other.points, 0), np.sort(ply.points, 0), atol=1e-4)
    assert len(read_cloud(tmp_path / "mesh.stl").faces) == len(ply.faces)


def test_tiles_share_their_border_vertices_to_the_last_bit(run, tmp_path):
    copies.write_copy(run, tmp_path / "tiles.json", header(), MeshSettings())
    index = json.loads((tmp_path / "tiles.json").read_text())
    weld = pyramid.joined(run, MeshSettings())
    assert index["faces"] == weld.faces == sum(t["faces"] for t in index["tiles"])
    points, faces, shift = [], [], 0
    for tile in index["tiles"]:
        cloud = read_cloud(tmp_path / tile["file"])
        np.testing.assert_allclose([cloud.points.min(0), cloud.points.max(0)], tile["bounds"])
        points.append(cloud.points)
        faces.append(cloud.faces + shift)
        shift += len(cloud.points)
    single, number = np.unique(np.concatenate(points), axis=0, return_inverse=True)
    assert len(single) == index["vertices"] < shift
    joined = TriangleMesh(single, number.reshape(-1)[np.concatenate(faces)], np.zeros((len(single), 3), np.float32))
    assert verify(joined).watertight


def glb_of(path: Path):
    """JSON, positions, normals and triangles of a GLB file, with what the standard asks of its parts."""
    data = path.read_bytes()
    magic, version, length, json_length, kind = struct.unpack("<4sII I4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON") and json_length % 4 == 0
    tree = json.loads(data[20 : 20 + json_length])
    size, kind = struct.unpack("<I4s", data[20 + json_length : 28 + json_length])
    binary = data[28 + json_length :]
    assert kind == b"BIN\0" and size == len(binary) == tree["buffers"][0]["byteLength"]
    arrays = []
    for view, accessor, dtype in zip(tree["bufferViews"], tree["accessors"], ("<f4", "<f4", "<u4"), strict=True):
        part = np.frombuffer(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]], dtype)
        assert len(part) == accessor["count"] * (3 if accessor["type"] == "VEC3" else 1)
        arrays.append(part.reshape(-1, 3))
    np.testing.assert_array_equal(
        [arrays[0].min(0), arrays[0].max(0)], [tree["accessors"][0]["min"], tree["accessors"][0]["max"]]
    )
    np.testing.assert_allclose(np.linalg.norm(arrays[1], axis=1), 1, atol=2e-3)
    assert arrays[2].max() < len(arrays[0])
    return tree, *arrays


def test_a_tileset_has_what_the_standard_asks(run, built, tmp_path):
    """Boxes hold contents and children, errors fall towards the leaves, each node is there once and stands where it belongs."""
    copies.write_copy(run, tmp_path / "tileset.json", header(), MeshSettings())
    tree = json.loads((tmp_path / "tileset.json").read_text())
    assert tree["asset"]["version"] == "1.1" and tree["geometricError"] > tree["root"]["geometricError"] > 0
    np.testing.assert_allclose(tree["root"]["transform"][12:15], FRAME.to_user(built.centre(LEVEL, (0, 0, 0))[None])[0])
    seen, low, high = [], [], []

    def walk(tile):
        box = np.array(tile["boundingVolume"]["box"])
        half = box[[3, 7, 11]]
        assert len(box) == 12 and (half > 0).all() and not box[[4, 5, 6, 8, 9, 10]].any()
        uri = tile["content"]["uri"]
        seen.append(uri)
        gltf, at, normals, faces = glb_of(tmp_path / uri)
        matrix = np.array(gltf["nodes"][0]["matrix"]).reshape(4, 4).T
        y_up = at @ matrix[:3, :3].T + matrix[:3, 3]
        z_up = np.stack([y_up[:, 0], -y_up[:, 2], y_up[:, 1]], 1)  # as viewers turn it
        assert (np.abs(z_up - box[:3]) <= half + 1e-3).all()
        user = z_up + tree["root"]["transform"][12:15]
        assert np.abs(SHAPES["torus"](FRAME.to_box(user))).max() < tile["geometricError"] / FRAME.scale + 2e-3
        low.append(user.min(0))
        high.append(user.max(0))
        for child in tile.get("children", []):
            inner = np.array(child["boundingVolume"]["box"])
            assert (np.abs(inner[:3] - box[:3]) + inner[[3, 7, 11]] <= half + 1e-9).all()
            assert child["geometricError"] <= tile["geometricError"] and child["refine"] == "REPLACE"
            walk(child)
        if not tile.get("children"):
            assert tile["geometricError"] == 0

    walk(tree["root"])
    assert len(seen) == len(set(seen)) == sum(len(nodes) for nodes in built.keys)
    np.testing.assert_allclose(np.min(low, 0), FRAME.to_user(np.array([[-0.82, -0.82, -0.22]]))[0], atol=0.5)


def test_a_tileset_of_a_known_system_stands_on_the_globe(run, built, tmp_path):
    pyproj = pytest.importorskip("pyproj")
    system = pyproj.CRS("EPSG:25832").to_wkt()
    copies.write_copy(run, tmp_path / "tileset.json", header(crs=system), MeshSettings())
    tree = json.loads((tmp_path / "tileset.json").read_text())
    transform = np.array(tree["root"]["transform"]).reshape(4, 4).T
    there = pyproj.Transformer.from_crs("EPSG:25832", "EPSG:4979", always_xy=True)
    back = pyproj.Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
    origin = FRAME.to_user(built.centre(LEVEL, (0, 0, 0))[None])[0]
    for step in np.vstack([np.zeros(3), 20 * np.eye(3)]):
        placed = transform @ [*step, 1.0]
        lon, lat, height = back.transform(*placed[:3])
        want = there.transform(*(origin + step)[:2])
        assert (lon, lat) == pytest.approx(want[:2], abs=1e-8)  # a millimetre
        assert height == pytest.approx(origin[2] + step[2], abs=2e-3)


def test_what_a_format_cannot_hold_is_refused(run, built, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"5\.\d GiB are more than GLB can hold.*tileset\.json"):
        glb.check_size(2**27, 2**28 - 2**26, "big.glb")
    glb.check_size(2**26, 2**27, "fits.glb")
    for name, what in (("a.ply", "PLY can number"), ("a.glb", "GLB can hold"), ("a.stl", "STL can count")):
        with pytest.raises(InputError, match=what):
            check_size(Path(name), 2**31, 2**32)
        check_size(Path(name), 2**20, 2**21)
    monkeypatch.setattr(level_mesh, "MOST_INDEX", 1000)
    with pytest.raises(InputError, match=r"more than PLY can number.*tiles\.json"):
        copies.write_copy(run, tmp_path / "mesh.ply", header(), MeshSettings())
    monkeypatch.setattr(copies, "HELD_FACES", 1000)
    with pytest.raises(InputError, match="faces are too many for OBJ.*--level 1"):
        copies.write_copy(run, tmp_path / "mesh.obj", header(), MeshSettings())
    assert not list(tmp_path.glob("*"))


def test_the_coarsest_level_that_is_needed(built):
    finest = sum(len(built.node(0, n).faces) for n in built.keys[0])
    assert copies.coarse_level(built, finest) == 0
    assert copies.coarse_level(built, finest - 1) == 1
    assert copies.coarse_level(built, 10) == built.top


def test_a_level_with_too_many_faces_is_not_loaded(run, built, monkeypatch):
    faces = [copies.faces_of(built, level) for level in range(LEVEL + 1)]
    loaded = []
    whole = pyramid.Pyramid.node
    monkeypatch.setattr(pyramid.Pyramid, "node", lambda self, level, node: loaded.append(level) or whole(self, level, node))
    found = copies.built_level(run, MeshSettings(), FRAME, faces[1])
    assert found is not None and len(found.faces) == faces[1] and set(loaded) == {1}
    assert copies.built_level(run, MeshSettings(), FRAME, faces[LEVEL] - 1) is None and set(loaded) == {1}

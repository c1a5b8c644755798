"""The prior of shapes: its network, training, file, and what it adds to a scan."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData
from safetensors.torch import load_file, save_file

import shapesiren
from shapesiren.api import ShapeField
from shapesiren.errors import InputError
from shapesiren.pointcloud.scan.local_spacing import local_spacing
from shapesiren.priors.shapes.completion import Completed, complete
from shapesiren.priors.shapes.file import describe, load, path_of, to_bytes
from shapesiren.priors.shapes.network import ShapePrior, ShapePriorSizes, farthest_points
from shapesiren.priors.shapes.solids import Solid, read_solids, sample_solids
from shapesiren.priors.shapes.training import TrainingSettings, draw, losses, rotation, surroundings, symmetry, train
from shapesiren.similarity import Similarity
from shapesiren.surface.io import read_mesh, write_mesh
from shapesiren.surface.mesh import TriangleMesh

SMALL = ShapePriorSizes(units=8, width=16, heads=2, near=8, coarse=8)


def sphere(count: int, seed: int = 0, radius: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals, normals


def box(low: float, high: float) -> Solid:
    import trimesh

    made = trimesh.creation.box(bounds=[[low] * 3, [high] * 3])
    return Solid("box", np.asarray(made.vertices), np.asarray(made.faces))


@pytest.fixture(scope="module")
def builtin() -> ShapePrior:
    return load("builtin")


def test_untrained_it_knows_the_sides_of_planes() -> None:
    prior = ShapePrior(SMALL, torch.Generator().manual_seed(0))
    points, normals = (torch.from_numpy(a).float() for a in sphere(400))
    places = torch.cat([points * 0.9, points * 1.1])
    with torch.no_grad():
        distance, _ = prior(type(at := surroundings(points, normals, places, 8, 8))(*(part[None] for part in at)))
    assert bool((distance[0, :400] < 0).all()) and bool((distance[0, 400:] > 0).all())


def test_a_cloud_twice_as_far_away_counts_the_same() -> None:
    """The nearest points are seen in units of their distance; the coarse ones alone tell how large all is."""
    prior = ShapePrior(SMALL, torch.Generator().manual_seed(0))
    with torch.no_grad():
        prior.head[0].weight[:, 2 * 8 : 4 * 8 + 1] = 0  # what is told of the coarse points, and of the scale
    points, normals = (torch.from_numpy(a).float() for a in sphere(200))
    places = points[:20] * 1.1

    def at(factor: float) -> torch.Tensor:
        seen = surroundings(points * factor, normals, places * factor, 8, 8)
        return prior(type(seen)(*(part[None] for part in seen)))[0]

    torch.testing.assert_close(at(0.5), 0.5 * at(1.0), rtol=1e-4, atol=1e-6)


def test_farthest_points_are_spread() -> None:
    points = torch.cat([torch.zeros(50, 3), torch.eye(3), -torch.eye(3)])
    assert len({tuple(p) for p in points[farthest_points(points, 7)].tolist()}) == 7
    assert farthest_points(points[:2], 5).tolist() == [0, 1, 0, 1, 0]


def test_turns_are_rotations() -> None:
    generator = torch.Generator().manual_seed(0)
    for turn in (rotation(generator), symmetry(generator)):
        torch.testing.assert_close(turn @ turn.T, torch.eye(3), atol=1e-6, rtol=0)


@pytest.mark.slow
def test_it_learns_and_a_seed_fixes_it() -> None:
    solids = sample_solids([box(-0.9, 0.9), box(-0.5, 0.9)], 0)
    inside = solids.places.abs().amax(-1)[0] < 0.9
    assert bool(((solids.distances[0] < 0) == inside).all())

    def trained(steps: int) -> ShapePrior:
        prior = ShapePrior(SMALL, torch.Generator().manual_seed(0))
        train(prior, solids, TrainingSettings(clouds=4, places=32, steps=steps, minutes=10.0, rate=0.05))
        return prior

    def error(prior: ShapePrior) -> float:
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            return float(
                np.mean(
                    [
                        float(losses(prior, *draw(solids, prior, TrainingSettings(clouds=4, places=32), generator))[0])
                        for _ in range(8)
                    ]
                )
            )

    assert error(trained(100)) < 0.8 * error(ShapePrior(SMALL, torch.Generator().manual_seed(0)))
    both = [trained(3).parameters() for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


def test_pieces_that_touch_become_one_solid(tmp_path: Path) -> None:
    text = []
    for low, high in ((-1, 0), (0, 1)):
        corners = [(x, y, z) for x in (low, high) for y in (-1, 1) for z in (-1, 1)]
        base = 8 if low == 0 else 0
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        shift = 1e-4 * (low == 0)
        text += [f"v {x + shift} {y} {z}" for x, y, z in corners]
        text += ["f " + " ".join(str(base + i + 1) for i in quad) for quad in quads]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.obj", "\n".join(text))
    (solid,) = read_solids(tmp_path / "a.zip")
    assert TriangleMesh(solid.vertices, solid.faces, np.zeros((len(solid.vertices), 3), np.float32)).face_components()[0] == 1
    np.testing.assert_allclose(np.abs(solid.vertices).max(0), 0.9, atol=0.01)


def test_the_one_that_is_shipped(builtin: ShapePrior) -> None:
    described = describe("builtin")
    assert path_of("builtin").stat().st_size < 5_000_000
    assert described.header.trained == 900 and described.header.figures["steps"] > 1000
    points, normals = sphere(500)
    value = Completed(builtin, points, normals).distances(np.concatenate([points * 0.95, points * 1.05]))[0]
    assert np.abs(value - np.repeat([-0.045, 0.045], 500)).mean() < 0.01


@pytest.mark.slow
def test_it_closes_half_a_sphere(builtin: ShapePrior) -> None:
    points, normals = sphere(600)
    half = points[:, 2] > -0.2
    points, normals = points[half], normals[half]
    found = complete(builtin, points, normals, local_spacing(points), 0, samples=400)
    below = (found.points[:, 2] < -0.1) & (found.normals[:, 2] < -0.5)
    assert below.sum() > 50
    assert found.deviation[below].mean() > 2 * found.deviation[~below].mean()  # it knows where it knows little
    assert len(found.places) == len(found.distances) == len(found.directions) > 100
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=1), 1, atol=1e-6)


@pytest.mark.slow
def test_nothing_is_added_where_points_are_dense(builtin: ShapePrior) -> None:
    points, normals = sphere(100_000)
    found = complete(builtin, points, normals, np.full(len(points), 0.004), 0)
    assert len(found.points) < 5


@pytest.mark.slow
def test_a_completed_scan_is_an_ordinary_run(tmp_path: Path) -> None:
    points, normals = sphere(150)
    field = shapesiren.fit(
        points * 10 + 100, normals=normals, preset="fast", prior="builtin", settings={"local": {"units": 48}}
    )
    assert isinstance(field, ShapeField)
    assert abs(float(field(np.array([[100.0, 100, 109]]))[0])) < 0.5  # the user's units
    mesh = field.mesh(40)
    assert mesh.watertight and mesh.face_components()[0] == 1
    assert mesh.invented is not None and set(np.unique(mesh.invented)) <= {0, 1}
    marked = TriangleMesh(mesh.vertices, mesh.faces, mesh.normals, invented=mesh.invented)
    write_mesh(tmp_path / "a.ply", marked, Similarity((0.0, 0.0, 0.0), 1.0), 40)
    assert PlyData.read(tmp_path / "a.ply")["vertex"]["invented"].dtype == np.uint8
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").invented, mesh.invented)


@pytest.mark.parametrize("damage", ["cut", "numbers", "sizes", "field"])
def test_what_is_no_prior_of_shapes_is_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.safetensors"
    prior = ShapePrior(SMALL, torch.Generator().manual_seed(0))
    path.write_bytes(to_bytes(prior, 2, 1, {}))
    assert load(path).sizes == SMALL
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        tensors, description = load_file(path), {"format": 1, "task": "prior", **description_of(path)}
        if damage == "numbers":
            tensors["nearer"][0] = float("nan")
        if damage == "sizes":
            description["net"]["sizes"]["units"] = 7
        if damage == "field":
            description["net"] = {"kind": "siren"}
        save_file(tensors, path, {"shapesiren": json.dumps(description)})
    with pytest.raises(InputError) as raised:
        load(path)
    said = str(raised.value)
    assert "\n" not in said and "a.safetensors" in said
    assert {"field": "no prior", "numbers": "no numbers"}.get(damage, "damaged") in said


def description_of(path: Path) -> dict:
    described = describe(path)
    return {"net": described.net, "header": described.header.tree()}


def test_another_prior_than_that_of_the_ingest_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "scan.xyz", np.hstack(sphere(150)))
    shapesiren.fit(tmp_path / "scan.xyz", preset="fast", settings={"local": {"units": 48}}, out=tmp_path / "run")
    with pytest.raises(InputError, match="this run was ingested with no prior; fit the scan itself"):
        shapesiren.fit(tmp_path / "run", prior="builtin", force=True)


def test_no_prior_completes_a_scan_in_tiles(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", sphere(300)[0])
    with pytest.raises(InputError, match="no prior completes a scan in tiles"):
        shapesiren.fit(tmp_path / "scan.npy", prior="builtin", settings={"ingest": {"large": True}}, out=tmp_path / "run")


def test_the_card_of_a_completed_scan_says_so(builtin: ShapePrior) -> None:
    points, normals = sphere(150)
    fitted = shapesiren.fit(points, normals=normals, preset="fast", prior="builtin", settings={"local": {"units": 48}})
    assert "the prior builtin invented it" in fitted.card() and "knows its one input" not in fitted.card()

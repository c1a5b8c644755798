"""The field in other programs: ONNX, a page of numpy, grids; and what can be asked of it."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import shapesiren
from shapesiren.errors import InputError
from shapesiren.export import export_field
from shapesiren.field import Field
from shapesiren.header import BoxBounds, Header, ValueScale
from shapesiren.nets.build import NETWORKS
from shapesiren.nets.local import Local
from shapesiren.nets.octree import Octree
from shapesiren.nets.siren import Siren
from shapesiren.similarity import Similarity

HEADER = Header(
    frame=Similarity((431_000.25, 5_400_000.5, 120.0), 40.0),
    bounds=BoxBounds(low=(-0.8, -0.8, -0.4), high=(0.8, 0.8, 0.4)),
)


def reader():
    path = Path(__file__).parents[2] / "docs" / "read_field.py"
    spec = importlib.util.spec_from_file_location("read_field", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def points_of(field, rng, count=500):
    return field.frame.to_user(rng.uniform(-1, 1, (count, 3)))


def test_onnx_numpy_and_torch_agree(tmp_path, rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    field = Field(Siren(3, 1, 64, 2), "shape", HEADER)  # in UTM metres
    x = points_of(field, rng)
    facts = export_field(field, tmp_path / "f.onnx", gradient=True)
    assert facts.outputs == ["values", "gradient"]
    value, gradient = onnxruntime.InferenceSession(tmp_path / "f.onnx").run(None, {"points": x})
    np.testing.assert_allclose(value[:, 0], field(x), atol=1e-5 * field.frame.scale)
    np.testing.assert_allclose(gradient, field.gradient(x), atol=1e-5 * np.abs(field.gradient(x)).max())
    (tmp_path / "f.safetensors").write_bytes(field.to_bytes())
    module = reader()
    value, gradient = module.evaluate(*module.read_field(tmp_path / "f.safetensors"), x)
    np.testing.assert_allclose(value[:, 0], field(x), atol=1e-5 * field.frame.scale)
    np.testing.assert_allclose(gradient[:, 0], field.gradient(x), atol=1e-5 * np.abs(field.gradient(x)).max())


def test_local_fields_are_read_by_numpy_and_written_as_onnx(tmp_path, rng):
    cells = [(1, a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)][1:]
    cells = Octree.of(np.array(cells + [(2, a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]), 1.1).cells
    net = Local(16, len(cells), 1.1, 1.6)
    net.cells.copy_(torch.from_numpy(cells))
    generator = torch.Generator().manual_seed(0)
    for parameter in (net.frequencies, net.phases, net.heads, net.zoom):
        parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.2)
    field = Field(net, "shape", HEADER)
    (tmp_path / "f.safetensors").write_bytes(field.to_bytes())
    x = field.frame.to_user(rng.uniform(-1.2, 1.2, (300, 3)))
    module = reader()
    value, gradient = module.evaluate(*module.read_field(tmp_path / "f.safetensors"), x)
    np.testing.assert_allclose(value[:, 0], field(x), atol=1e-4 * field.frame.scale)
    np.testing.assert_allclose(gradient[:, 0], field.gradient(x), atol=1e-3 * np.abs(field.gradient(x)).max())
    assert np.array_equal(Field.load(tmp_path / "f.safetensors")(x), field(x))
    onnxruntime = pytest.importorskip("onnxruntime")
    export_field(field, tmp_path / "f.onnx", gradient=True)
    value, gradient = onnxruntime.InferenceSession(tmp_path / "f.onnx").run(None, {"points": x})
    np.testing.assert_allclose(value[:, 0], field(x), atol=1e-4 * field.frame.scale)
    np.testing.assert_allclose(gradient, field.gradient(x), atol=1e-3 * np.abs(field.gradient(x)).max())


@pytest.mark.parametrize("kind", ["relu", "tanh", "relu-pe", "rff"])
def test_onnx_of_other_networks(tmp_path, rng, kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    field = Field(NETWORKS[kind](3, 1, 32, 2), "shape", HEADER)
    export_field(field, tmp_path / "f.onnx", gradient=True)
    x = points_of(field, rng)
    value, gradient = onnxruntime.InferenceSession(tmp_path / "f.onnx").run(None, {"points": x})
    np.testing.assert_allclose(value[:, 0], field(x), atol=1e-4, rtol=1e-4)
    size = np.abs(field.gradient(x)).max()
    assert (np.abs(gradient - field.gradient(x)).max(1) < 1e-3 * size).mean() > 0.99  # a ReLU may switch at a rounding


def test_onnx_of_an_image_and_of_what_has_none(tmp_path, rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    header = Header(frame=Similarity((10.0, 8.0), 10.0), values=ValueScale(offset=0.5, scale=0.5))
    field = Field(Siren(2, 3, 32, 1), "image", header)
    export_field(field, tmp_path / "i.onnx")
    x = rng.uniform(0, 16, (50, 2))
    (value,) = onnxruntime.InferenceSession(tmp_path / "i.onnx").run(None, {"points": x})
    np.testing.assert_allclose(value, field(x), atol=1e-5)
    with pytest.raises(InputError, match="--gradient"):
        export_field(field, tmp_path / "i2.onnx", gradient=True)
    with pytest.raises(InputError, match="image"):
        export_field(field, tmp_path / "i.npz")
    with pytest.raises(InputError, match="finer"):
        export_field(Field(NETWORKS["finer"](3, 1, 32, 1), "shape", HEADER), tmp_path / "x.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.onnx"]


def test_grids(tmp_path):
    field = Field(Siren(3, 1, 32, 1), "shape", HEADER)
    facts = export_field(field, tmp_path / "g.npz", resolution=24)
    data = np.load(tmp_path / "g.npz")
    grid, origin, step = data["distance"], data["origin"], float(data["step"])
    assert grid.shape == tuple(facts.samples)
    assert max(grid.shape) == 24
    index = np.array([[0, 0, 0], [3, 5, 2], [s - 1 for s in grid.shape]])
    np.testing.assert_allclose(grid[tuple(index.T)], field(origin + step * index), atol=1e-4 * field.frame.scale)

    export_field(field, tmp_path / "g.nrrd", resolution=24)
    head, body = (tmp_path / "g.nrrd").read_bytes().split(b"\n\n", 1)
    sizes = [int(n) for n in re.search(rb"sizes: (.*)", head)[1].split()]
    np.testing.assert_array_equal(np.frombuffer(body, "<f4").reshape(sizes, order="F"), grid)
    assert np.fromstring(re.search(rb"space origin: \((.*)\)", head)[1].decode(), sep=",") == pytest.approx(origin, rel=1e-15)

    export_field(field, tmp_path / "g.vti", resolution=24)
    raw = (tmp_path / "g.vti").read_bytes()
    start = raw.index(b'encoding="raw">_') + len(b'encoding="raw">_')
    size = int(np.frombuffer(raw[start : start + 8], "<u8")[0])
    np.testing.assert_array_equal(np.frombuffer(raw[start + 8 : start + 8 + size], "<f4").reshape(sizes, order="F"), grid)
    assert raw.endswith(b"</VTKFile>\n")


def torus_distance(x, major, minor):
    return np.hypot(np.hypot(x[:, 0], x[:, 1]) - major, x[:, 2]) - minor


def test_questions_to_a_torus(quick_run, rng):
    """Against the analytic torus, up to how well the quick fit fits."""
    field = shapesiren.load(quick_run)
    major, minor = 0.6, 0.22
    x = rng.uniform(-0.8, 0.8, (400, 3)) * [1, 1, 0.4]
    truth = torus_distance(x, major, minor)
    closest, distance = field.closest_point(x)
    assert np.abs(distance - np.abs(truth)).mean() < 0.01
    assert np.quantile(np.abs(distance - np.abs(truth)), 0.95) < 0.03
    assert np.abs(field(closest)).max() < 1e-4
    assert np.linalg.norm(closest - x, axis=1) == pytest.approx(distance, abs=1e-12)

    mean, _ = field.curvature(closest)
    ring = np.hypot(closest[:, 0], closest[:, 1])
    expected = 0.5 * (1 / minor + (ring - major) / minor / ring)
    assert abs(np.median(mean - expected)) < 0.4

    start = np.c_[rng.uniform(-1.2, 1.2, (600, 2)), np.full(600, 5.0)]
    hit, at, normals = field.intersect(start, np.tile([[0, 0, -2.0]], (600, 1)))
    ring = np.hypot(start[:, 0], start[:, 1])
    inside = np.abs(ring - major) < minor - 0.03
    outside = np.abs(ring - major) > minor + 0.03
    assert np.isfinite(hit[inside]).all()
    assert np.isinf(hit[outside]).all()
    height = np.sqrt(minor**2 - (ring[inside] - major) ** 2)
    assert np.abs(5 - hit[inside] - height).mean() < 0.01
    assert np.abs(field(at[inside])).max() < 1e-3
    assert normals[inside][:, 2].min() > 0
    assert np.isnan(at[outside]).all()
    with pytest.raises(InputError, match="shape"):
        field.closest_point([[1.0, 2.0]])


def test_sphere_tracing_agrees_with_the_mesh(quick_run, tmp_path, here):
    """The two panels of a run's picture show the same silhouette."""
    from PIL import Image

    assert here("picture", quick_run, "-o", tmp_path / "p.png", "--size", 160).returncode == 0
    both = np.asarray(Image.open(tmp_path / "p.png")).astype(float)
    mesh, field = (panel.min(2) < 250 for panel in (both[:, :160], both[:, 160:]))
    assert mesh.mean() > 0.1
    assert (mesh != field).mean() < 0.02


def test_a_model_card_stands_in_the_file_and_beside_an_export(here, quick_run, tmp_path):
    from safetensors import safe_open

    field = Field(Siren(3, 1, 16, 1), "shape", HEADER)
    path = tmp_path / "f.safetensors"
    path.write_bytes(field.to_bytes())
    with safe_open(path, framework="np") as f:
        card = json.loads(f.metadata()["shapesiren"])["card"]
    assert card == field.card() == Field.load(path).card() and card.startswith("# A field of shapesiren: shape")
    parameters = sum(p.numel() for p in field.net.parameters())
    assert f"{parameters:,} parameters" in card and "(430968, 5.39997e+06, 104) to (431032, 5.40003e+06, 136)" in card
    assert "## Measured" not in card
    words = ("export", str(quick_run), "--resolution", "16", "--card", "--json")
    done = here(*words, "-o", "a.npz", cwd=tmp_path)
    told = (tmp_path / "a.npz.md").read_text()
    assert done.returncode == 0 and json.loads(done.stdout)["card"] == "a.npz.md"
    measured = json.loads((quick_run / "metrics.json").read_text())
    rows = dict(re.findall(r"^\| (\S+) \| (\S+) \|$", told.split("## Measured")[1], re.M))
    parts = [(part, name, x) for part, v in measured.items() if isinstance(v, dict) for name, x in v.items()]
    numbers = [(f"{part}.{name}", x) for part, name, x in parts if isinstance(x, float)]
    assert len(numbers) >= 3
    for name, x in numbers:
        assert float(rows[name]) == pytest.approx(x, rel=1e-3)
    (tmp_path / "b.npz.md").write_text("mine")
    assert here(*words, "-o", "b.npz", cwd=tmp_path).returncode == 2
    assert (tmp_path / "b.npz.md").read_text() == "mine" and not (tmp_path / "b.npz").exists()

"""What someone sees who works in Python: names, descriptions, arrays, a view to turn, types."""

import html
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import shapesiren
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.reports.turnable import turnable_frame, turnable_page
from shapesiren.stages.fit import told_losses
from shapesiren.stages.store import Run
from shapesiren.surface.mesh import TriangleMesh
from tests.browser import opened

ROOT = Path(__file__).parents[1]
SCRIPT = """
import numpy as np
from numpy.typing import NDArray
import shapesiren
import torch
from torch import Tensor

def run(path: str) -> NDArray[np.float64]:
    field = shapesiren.fit(path, task="shape")
    losses: dict[str, NDArray[np.float64]] = field.losses
    grid = field.grid(32)
    field.mesh(resolution=64).save("mesh.ply")
    print(dir(shapesiren), losses["step"], grid.distance, field)
    return grid.x

@shapesiren.plugin.loss("thin", weight=2.0)
def thin(batch: shapesiren.plugin.Batch) -> Tensor:
    return batch.elsewhere_values.abs().mean()

@shapesiren.plugin.sampler("first")
def first(scan: shapesiren.plugin.Scan) -> shapesiren.plugin.Draw:
    return lambda count, generator: torch.arange(count)
"""
# What the types of the interface do not need: analysing torch takes most of a cold start's 35 s.
MYPY = """[mypy]
strict = True
[mypy-shapesiren.*]
follow_imports = silent
[mypy-torch.*,matplotlib.*,PIL.*,sympy.*,scipy.*,trimesh.*,plotly.*,open3d.*,skimage.*,pydantic_core.*,jinja2.*]
follow_imports = skip
ignore_missing_imports = True
"""


def tetrahedron(offset=0.0):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float) + offset
    normals = (corners - corners.mean(0)).astype(np.float32)
    return TriangleMesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]), normals)


def test_dir_shows_the_api_alone_and_each_name_is_there():
    assert dir(shapesiren) == sorted(shapesiren.__all__)
    assert all(getattr(shapesiren, name) is not None for name in dir(shapesiren))


def test_importing_it_and_looking_at_its_names_loads_nothing_heavy():
    code = "import sys, shapesiren; dir(shapesiren); assert not {'torch', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_cloud_and_a_run_say_what_they_are(tmp_path):
    assert (
        repr(PointCloud(np.zeros((1200, 3)), colours=np.zeros((1200, 3), np.uint8)))
        == "<PointCloud: 1,200 points; with colours>"
    )
    assert repr(Run(tmp_path)) == f"<Run {tmp_path}: nothing finished>"


def test_losses_of_a_log_that_was_cut_off(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "losses": {"a": 2.0}}\n{"step": 2, "losses": {"a": 1.0}}\n{"step": 3, "lo'
    )
    assert told_losses(Run(tmp_path)) == [(1, {"a": 2.0}), (2, {"a": 1.0})]
    (tmp_path / "metrics.jsonl").unlink()
    assert told_losses(Run(tmp_path)) == []


def test_no_title_ends_the_script():
    page = turnable_page(tetrahedron(), "</script><b>")
    assert page.count("</script>") == 1
    assert html.unescape(turnable_frame(tetrahedron(), "x")).count("<canvas>") == 1


def test_the_view_draws_in_a_browser_far_from_the_origin(chromium, tmp_path):
    path = tmp_path / "view.html"
    path.write_text(turnable_page(tetrahedron(5e6), "far away"))
    with opened(chromium, path) as tab:
        from io import BytesIO

        from PIL import Image

        seen = np.asarray(Image.open(BytesIO(tab.screenshot())).convert("RGB")).astype(int)
        assert (np.abs(seen - (244, 244, 242)).max(-1) > 40).mean() > 0.02


@pytest.mark.slow
def test_a_field_describes_itself_and_gives_arrays(torus_scan):
    field = shapesiren.fit(torus_scan, task="shape", settings={"net": {"kind": "siren", "width": 32}}, steps=20)
    assert "siren network" in repr(field) and "20,000 points, closed" in repr(field)
    assert field.losses["step"][-1] == 20 and len(field.losses["on_surface"]) == len(field.losses["step"])
    grid = field.grid(16)
    assert grid.distance.shape == (len(grid.x), len(grid.y), len(grid.z))
    at = np.array([[grid.x[3], grid.y[5], grid.z[2]]])
    np.testing.assert_allclose(field(at)[0], grid.distance[3, 5, 2], rtol=1e-3, atol=1e-5)
    figure = field.plot(24)
    assert [axis.get_xlabel() + axis.get_ylabel() for axis in figure.axes[:3]] == ["xy", "xz", "yz"]
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_users_script_passes_mypy_strict(tmp_path):
    (tmp_path / "user.py").write_text(SCRIPT)
    (tmp_path / "mypy.ini").write_text(MYPY)
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "user.py"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert told.returncode == 0, told.stdout

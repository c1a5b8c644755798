"""The benchmark that others run with their own tool: a cell from end to end, what goes wrong, metrics of other benchmarks."""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesiren.metrics.surface_distance import Surface
from shapesiren.similarity import Similarity
from shapesiren.surface.mesh import TriangleMesh

BENCH = Path(__file__).parents[2] / "pipelines" / "bench"
HULL = """import sys
import numpy as np
from plyfile import PlyData, PlyElement
from scipy.spatial import ConvexHull
v = PlyData.read(sys.argv[1])["vertex"]
points = np.stack([v["x"], v["y"], v["z"]], 1).astype("<f4")
hull = ConvexHull(points).simplices
a, b, c = points[hull].transpose(1, 0, 2)
away = (np.cross(b - a, c - a) * (a - points.mean(0))).sum(1)
hull[away < 0] = hull[away < 0][:, ::-1]
face = np.empty(len(hull), [("vertex_indices", "<i4", (3,))])
face["vertex_indices"] = hull
vertex = points.view([("x", "<f4"), ("y", "<f4"), ("z", "<f4")]).ravel()
PlyData([PlyElement.describe(vertex, "vertex"), PlyElement.describe(face, "face")], byte_order="<").write(sys.argv[2])
open(sys.argv[0] + ".calls", "a").write("x")
"""


@pytest.fixture
def bench(monkeypatch):
    """A module of the folder by its name; they import each other by theirs."""
    monkeypatch.syspath_prepend(str(BENCH))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def run(bench, monkeypatch, tmp_path, capsys):
    """`all.py` in this process, in a folder of its own: its status, what it printed, what it said was wrong."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = bench("all").main([str(w) for w in words])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def hull(tmp_path):
    path = tmp_path / "hull.py"
    path.write_text(HULL)
    return f"{{python}} {path} {{input}} {{output}}"


TINY = ("--surfaces", "sphere", "--noise", "0", "--points", "2000", "--only-tool")


@pytest.mark.slow
def test_a_tool_of_ones_own(run, hull, tmp_path):
    status, printed, err = run(*TINY, "--tool", hull, "--name", "hull", "--page", "page.md")
    assert status == 0, err
    results = json.loads((tmp_path / "results.json").read_text())
    (row,) = results["rows"]
    assert row["surface"] == "sphere" and row["tool"] == "hull" and row["watertight"] and row["components"] == 1
    # of a hull of 2,000 points a ball of radius .9 is off by about (spacing / 2)² / (2 radius) = .002 at the most
    assert 0.3 < row["chamfer"] < 4 and row["f_score"] > 0.95 and row["normal_consistency"] > 0.99
    assert row["seconds"] > 0 and (sys.platform != "linux" or row["peak_mib"] > 20)
    assert results["version"] in printed and f"| {row['chamfer']:.3f} |" in (tmp_path / "page.md").read_text()
    # what is known is not measured again, with another tool it goes on
    assert run(*TINY, "--tool", hull, "--name", "hull")[0] == 0
    assert (tmp_path / "hull.py.calls").read_text() == "x"
    assert run(*TINY, "--tool", "false {input} {output}")[0] == 0
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [r["tool"] for r in rows] == ["hull", "false"]
    assert rows[1]["failed"] == "false ended with status 1: it said nothing"


@pytest.mark.slow
def test_a_real_scan_is_judged_by_its_points(run, hull, tmp_path, rng):
    (tmp_path / "real").mkdir()
    points = rng.normal(size=(3000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[7] = np.nan
    np.savetxt(tmp_path / "real" / "ball.xyz", points * 10 + 1000, "%.6f")
    status, _, err = run("--scans", "real", "--only-tool", "--tool", hull)
    assert status == 0, err
    (ball,) = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert ball["group"] == "scans" and ball["surface"] == "ball" and ball["error"] < 0.05 and ball["unsupported"] < 0.01
    assert ball["watertight"] and 0.2 < ball["spacing"] < 0.6


def test_of_a_scan_from_views_what_they_saw_counts(bench):
    protocol, damage = bench("protocol"), bench("damage")
    case = protocol.VirtualScan("damage", "sphere", damage.Damage("one-sided", {"views": 1}))
    whole = sphere(0.7)
    seen = whole.vertices[whole.vertices[:, 2] > 0]
    case.__dict__["truth"] = (Similarity((0.0, 0.0, 0.0), 0.7 / 0.9), Surface(seen / 0.7 * 0.9, None, seen / 0.7))
    found = case.judge(whole)
    assert found["error"] == found["completeness"] < 5 and found["accuracy"] > 50  # the other half is invented


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--surfaces", "sphere", "--only-tool", "--tool", "mesher {input}"), "a command with {input} and {output} in it"),
        (("--only-tool", "--surfaces", "sphere"), "--only-tool: there is no --tool"),
        (("--only-tool", "--tool", "a {input} {output}"), "nothing to run"),
        (("--srb", "nowhere"), "--srb: nowhere/scans/anchor.ply: no such file; the archive deep_geometric_prior_data"),
        (("--dsr", "nowhere"), "--dsr: nowhere/scan: no such file; the folder `reconbench`"),
        (("--surfaces", "nosuch", "--only-tool", "--tool", "a {input} {output}"), "nosuch: no such file or shape"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, words, says):
    status, _, err = run(*words)
    assert status == 2 and err.startswith("error: ") and says in err and err.count("\n") == 1
    assert not (tmp_path / "results.json").exists()


def test_results_of_another_version_are_not_continued(run, hull, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"format": 1, "commit": "older", "rows": []}))
    status, _, err = run(*TINY, "--tool", hull)
    assert status == 2 and "results of another commit (older" in err and "--again" in err
    assert json.loads((tmp_path / "results.json").read_text())["rows"] == []


def test_rows_of_one_tool_are_measured_again_and_the_rest_says_of_what_version_it_is(run, hull, tmp_path):
    out = tmp_path / "results.json"
    assert run(*TINY, "--tool", hull, "--name", "hull", "--tool", hull, "--name", "other")[0] == 0
    before = json.loads(out.read_text())
    for row in before["rows"]:
        row["error"] = 77.0
    out.write_text(json.dumps(before | {"commit": "older", "date": "2020-01-01"}))
    assert run(*TINY, "--tool", hull, "--name", "hull", "--tool", hull, "--name", "other", "--renew", "hull")[0] == 0
    after = json.loads(out.read_text())
    assert after["commit"] == before["commit"]
    assert {row["tool"]: row["error"] == 77.0 for row in after["rows"]} == {"other": True, "hull": False}
    assert after["notes"] == ["Of version older, 2020-01-01, are the rows of other."]


def test_a_tool_that_hangs_is_stopped_with_what_it_started(bench, tmp_path):
    tools = bench("tools")
    script = tmp_path / "hang.sh"
    script.write_text(f"sleep 600 & echo $! > {tmp_path}/pid; wait\n")
    start = time.perf_counter()
    with pytest.raises(tools.ToolError, match="longer than --limit"):
        tools.run(f"sh {script} {{input}} {{output}}", tmp_path / "scan.ply", tmp_path / "mesh.ply", 0.5)
    assert time.perf_counter() - start < 20
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/status")
    assert not child.exists() or "zombie" in child.read_text()


def test_what_is_run_on_what(bench):
    every, tools, protocol = bench("all"), bench("tools"), bench("protocol")
    args = every.arguments().parse_args(["--whole", "--surfaces", "sphere", "torus", "--scans", "nowhere"])
    chosen = every.chosen_tools(args)
    assert [t.name for t in chosen][:3] == ["shapesiren fast", "shapesiren default", "PoissonRecon 18.74, tuned"]
    assert chosen[-1].clean_shapes and "--preset paper --time 60s" in chosen[-1].clean[0][1]
    cases = list(every.cases(args))
    assert len(cases) == 2 * 3 + 2 * 13  # three levels of noise; of the sixteen damages those that are not among them
    assert [c.noisy for c in cases[:3]] == [False, True, True]
    poisson = tools.poissonrecon()
    assert len(poisson.settings(False, few=True)) < len(poisson.settings(False, few=False))
    assert poisson.settings(True, few=False) != poisson.settings(False, few=False)
    seen = next(c for c in cases if c.condition == "3 views")
    assert isinstance(seen, protocol.VirtualScan) and seen.views == 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_that_of_all_processes(bench, tmp_path):
    tools = bench("tools")
    script = tmp_path / "large.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "held = b'x' * 60_000_000\n"
        "if len(sys.argv) == 3: subprocess.run([sys.executable, __file__]); open(sys.argv[2], 'w').write('mesh')\n"
        "else: time.sleep(0.6)\n"
    )
    cost = tools.run(f"{{python}} {script} {{input}} {{output}}", tmp_path / "scan.ply", tmp_path / "mesh.ply", 60)
    assert 2 * 57 < cost.peak_mib < 250


def sphere(radius=1.0, closed=True):
    made = trimesh.creation.icosphere(4, radius)
    faces = np.asarray(made.faces) if closed else np.asarray(made.faces)[20:]
    return TriangleMesh(np.asarray(made.vertices, float), faces, np.zeros(made.vertices.shape, np.float32))


@pytest.fixture
def reconbench(tmp_path, rng):
    """The layout of dsr-benchmark's folder, with a ball of radius 1 in it."""
    around = rng.normal(size=(20_000, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    everywhere = rng.uniform(-1.2, 1.2, (4_001, 3))  # no multiple of 8: the bits of the last byte are filled up
    for part in ("scan", "eval/ball"):
        (tmp_path / part).mkdir(parents=True)
    np.savez(tmp_path / "scan" / "ball_4.npz", points=around[:3000].astype("f4"), normals=around[:3000].astype("f4"))
    np.savez(tmp_path / "eval" / "ball" / "pointcloud.npz", points=around.astype("f4"), normals=around.astype("f4"))
    inside = np.packbits(np.linalg.norm(everywhere, axis=1) < 1)
    np.savez(tmp_path / "eval" / "ball" / "points.npz", points=everywhere.astype("f4"), occupancies=inside)
    return tmp_path


def test_metrics_of_dsr_benchmark(bench, reconbench, tmp_path):
    (case,) = bench("outside").dsr(reconbench)
    assert (case.surface, case.condition) == ("ball", "4")
    assert case.write(tmp_path).is_file()
    true, large, torn = (case.judge(mesh) for mesh in (sphere(), sphere(1.1), sphere(closed=False)))
    assert true["iou"] > 0.98 and large["iou"] == pytest.approx(1 / 1.1**3, abs=0.04) and torn["iou"] == 0
    # a tenth of the radius, and a little for the distance of samples, in percent of the diagonal of a cube of side 2
    assert large["chamfer"] == pytest.approx(100 * 0.1 / (2 * 3**0.5), rel=0.03)
    assert large["hausdorff"] >= large["chamfer"] > 5 * true["chamfer"]
    assert true["boundary_edges"] == 0 and torn["boundary_edges"] > 0 and torn["components"] >= 1


def test_scans_of_berger(bench, tmp_path, rng):
    outside = bench("outside")
    points = rng.normal(size=(5_000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    (tmp_path / "scans").mkdir()
    (tmp_path / "ground_truth").mkdir()
    for name in outside.SRB:
        trimesh.PointCloud(points[:500]).export(tmp_path / "scans" / f"{name}.ply")
        np.savetxt(tmp_path / "ground_truth" / f"{name}.xyz", points, "%.7g")
    cases = list(outside.srb(tmp_path))
    assert [case.surface for case in cases] == ["anchor", "daratech", "dc", "gargoyle", "lord_quas"]
    found = cases[0].judge(sphere(1.2))
    assert found["chamfer"] == pytest.approx(0.2, rel=0.03) and 0.2 < found["hausdorff"] < 0.3
    assert cases[0].write(tmp_path).is_file()

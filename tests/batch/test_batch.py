"""Many inputs: bad ones never stop the rest, the same command goes on, and workers may die."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shapesiren.batch.engines import Resources, serial
from shapesiren.batch.jobs import Job, jobs_of_files, jobs_of_manifest, shard
from shapesiren.batch.progress import BatchProgress
from shapesiren.batch.summary import closing_lines, write_summary
from shapesiren.batch.work import Plan, Result, of_the_mesh, perform, recorded
from shapesiren.config import to_toml
from shapesiren.errors import InputError
from shapesiren.media.image import write_image
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.tasks import TASKS
from tests.browser import opened
from tests.conftest import QUICK
from tests.samples import picture

SMALL = QUICK | {"fit": {"steps": 150, "learning_rate": 1e-3}, "mesh": {"resolution": 32}, "evaluate": {"samples": 2000}}


@pytest.fixture
def scans(tmp_path):
    """Three good scans and a bad one, and a pipeline for them."""
    for i, name in enumerate(("sphere", "torus", "box")):
        write_scan(tmp_path / f"{name}.ply", scan(name, Scanner(points=3000, seed=i)))
    (tmp_path / "garbage.ply").write_text("ply and no more")
    from shapesiren.config import resolve

    task = TASKS["shape"]
    (tmp_path / "small.toml").write_text(to_toml(resolve(task.config_type, task.presets, [("test", SMALL)])))
    return tmp_path


def batch(folder, *arguments, names=("sphere", "torus", "box", "garbage"), code=None, timeout=300):
    """The command, in a process of its own; its results by name."""
    files = [str(folder / f"{n}.ply") for n in names]
    command = [
        sys.executable,
        "-m",
        "shapesiren",
        "batch",
        *files,
        "--pipeline",
        str(folder / "small.toml"),
        "--json",
        "--out",
        str(folder / "runs"),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, done.stderr
    return {k: v["status"] for k, v in json.loads(done.stdout or "{}").items()}, done.stderr


@pytest.mark.slow
def test_serial_batch(scans, chromium):
    found, said = batch(scans, code=1)
    assert found == {"sphere": "done", "torus": "done", "box": "done", "garbage": "failed"}
    assert [line for line in said.splitlines() if "garbage.ply" in line]  # which one, while the others go on
    runs = scans / "runs"
    assert not (runs / "garbage").exists()  # a bad input leaves no run behind
    assert "shapesiren" in json.loads((runs / "box" / "run.json").read_text())["stages"]["fit"]["command"]
    with open(runs / "summary.csv") as file:
        rows = {r["name"]: r for r in csv.DictReader(file)}
    assert rows["torus"]["watertight"] == "True"
    assert float(rows["torus"]["surface.accuracy"]) < 0.05
    assert "garbage.ply" in rows["garbage"]["error"]
    with opened(chromium, runs / "summary.html") as tab:
        assert tab.locator("img").count() == 3
        assert rows["garbage"]["error"] in tab.inner_text("main")
    # the same again redoes the failed one only; mended, it is done
    before = {p: p.stat().st_mtime_ns for p in runs.glob("*/mesh.ply")}
    found, _ = batch(scans, code=1)
    assert found == {"sphere": "unchanged", "torus": "unchanged", "box": "unchanged", "garbage": "failed"}
    write_scan(scans / "garbage.ply", scan("plate", Scanner(points=3000)))
    found, _ = batch(scans, "--retry-failed", code=0)
    assert found == {"garbage": "done"}
    assert {p: p.stat().st_mtime_ns for p in before} == before
    with open(runs / "summary.csv") as file:
        assert [r["status"] for r in csv.DictReader(file)].count("failed") == 0


@pytest.mark.slow
def test_shards_add_up(tmp_path):
    """Images, which are fitted faster: two processes of a job array, one folder."""
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.png", picture(12, 16), 8)
    (tmp_path / "d.png").write_text("no image")
    files = [str(tmp_path / f"{n}.png") for n in "abcd"]
    command = [
        sys.executable,
        "-m",
        "shapesiren",
        "batch",
        *files,
        "--steps",
        "5",
        "--out",
        str(tmp_path / "runs"),
        "--json",
        "-q",
    ]
    processes = [subprocess.Popen([*command, "--shard", f"{k}/2"], stdout=subprocess.PIPE, text=True) for k in (1, 2)]
    first, second = (json.loads(p.communicate(timeout=200)[0]) for p in processes)
    assert set(first) == {"a", "c"}
    assert set(second) == {"b", "d"}
    assert [p.returncode for p in processes] == [0, 1]
    results = {name: r.status for name, r in recorded(tmp_path / "runs").items()}
    assert results == {"a": "done", "b": "done", "c": "done", "d": "failed"}
    assert len((tmp_path / "runs" / "summary.csv").read_text().splitlines()) >= 3


def dying(job, plan):
    """Stands in for a library that crashes: it takes its process with it, once if a file says so."""
    with open(Path(plan.out) / f"{job.name}.tries", "a") as file:
        file.write("x")
    if job.name == "crash" or (job.name == "once" and tries(plan.out, "once") == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return Result(job.name, "done")


def tries(folder, name):
    return len((Path(folder) / f"{name}.tries").read_text())


@pytest.mark.slow
def test_serial_outlives_a_crash(tmp_path, monkeypatch):
    import shapesiren.batch.engines as engines

    monkeypatch.setattr(engines, "perform", dying)
    jobs = [Job(name, (f"{name}.ply",), {}) for name in ("a", "crash", "once", "b")]
    results = list(serial(jobs, Plan([], str(tmp_path)), Resources(retries=1)))
    assert [r.status for r in results] == ["done", "failed", "done", "done"]
    assert [tries(tmp_path, job.name) for job in jobs] == [1, 2, 2, 1]
    assert results[1].error
    assert recorded(tmp_path)["crash"].status == "failed"


def test_an_unexpected_error_is_a_result(tmp_path):
    """Whatever a library throws; here, settings that are none."""
    (tmp_path / "a.ply").touch()
    result = perform(Job("a", (str(tmp_path / "a.ply"),), {}), Plan([("test", None)], str(tmp_path)))
    assert (result.status, result.error.split(":")[0]) == ("failed", "TypeError")
    assert "Traceback" in (tmp_path / ".batch" / "a.trace").read_text()


def test_a_mesh_that_is_not_its_scan_is_named(tmp_path):
    found = {
        "verification": {"watertight": True},
        "likeness": {"mean": 3.25, "p99": 9.5},
        "warnings": ["too thin", "not fitted"],
    }
    results = [Result("pipe", "done", facts=of_the_mesh(found)), Result("ball", "done", facts=of_the_mesh({}))]
    assert "warning: pipe: too thin; not fitted" in closing_lines(tmp_path, results)
    judged = Result("part", "done", facts={"acceptance.passed": False, "acceptance.share": 0.949999})
    assert "refused: part: 94.99 % within the tolerance" in closing_lines(tmp_path, [*results, judged])
    write_summary(tmp_path, results)
    page = (tmp_path / "summary.html").read_text()
    assert "too thin; not fitted" in page and "mean, spacings" in page and "3.25" in page
    with open(tmp_path / "summary.csv") as file:
        rows = {r["name"]: r for r in csv.DictReader(file)}
    assert (rows["pipe"]["warning"], rows["ball"]["warning"]) == ("too thin; not fitted", "")


def test_manifests(tmp_path):
    (tmp_path / "m.csv").write_text("source,name,preset,fit.steps\na.ply,first,fast,\nsub/b.ply;c.ply,,,70\n")
    jobs = jobs_of_manifest(tmp_path / "m.csv")
    assert [(j.name, j.settings) for j in jobs] == [("first", {"preset": "fast"}), ("b", {"fit": {"steps": 70}})]
    assert jobs[1].sources == (str(tmp_path / "sub" / "b.ply"), str(tmp_path / "c.ply"))
    (tmp_path / "m.jsonl").write_text('{"source": ["a.ply", "b.ply"], "fit": {"steps": 5}, "net.width": 32}\n\n')
    (job,) = jobs_of_manifest(tmp_path / "m.jsonl")
    assert job.settings == {"fit": {"steps": 5}, "net": {"width": 32}}
    assert len(job.sources) == 2
    for text, named in (
        ("nothing\n1\n", "line 2"),
        ("source\n", r"m\.csv"),
        ("source,name\na.ply,../b\n", r"\.\./b"),
    ):
        (tmp_path / "m.csv").write_text(text)
        with pytest.raises(InputError, match=named):
            jobs_of_manifest(tmp_path / "m.csv")
    (tmp_path / "m.jsonl").write_text('{"source": "a.ply"\n')
    with pytest.raises(InputError, match="line 1"):
        jobs_of_manifest(tmp_path / "m.jsonl")


def test_names_and_shards():
    jobs = jobs_of_files([Path("a/scan.ply"), Path("b/scan.ply"), Path("c/other.ply")])
    assert [j.name for j in jobs] == ["a-scan", "b-scan", "other"]
    assert [j.name for j in jobs_of_files([Path("a/scan.ply"), Path("a/scan.obj")])] == ["scan-ply", "scan-obj"]
    with pytest.raises(InputError, match="scan"):
        jobs_of_files([Path("a/scan.ply"), Path("a/../a/scan.ply")])
    parts = [shard(jobs, f"{k}/2") for k in (1, 2)]
    assert sorted(j.name for part in parts for j in part) == ["a-scan", "b-scan", "other"]
    assert shard(jobs, None) == jobs
    for wrong in ("0/2", "3/2", "2", "1/0", "a/b"):
        with pytest.raises(InputError, match=re.escape(repr(wrong))):
            shard(jobs, wrong)


# ---- Ray -----------------------------------------------------------------------------------------------
def workers(names):
    """The Ray workers that have one of these jobs: a worker's title is its task's name."""
    import psutil

    titles = {f"ray::{name}" for name in names}
    return [p for p in psutil.process_iter(["cmdline"]) if " ".join(p.info["cmdline"] or []).strip() in titles]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_outlives_a_killed_worker(scans, tmp_path):
    """Two `ray start` processes on loopback, with a token; a batch joins them, and so do the parts of a large run, and each
    loses a worker. With another token it is refused."""
    pytest.importorskip("ray")
    ray = [str(Path(sys.executable).parent / "ray")]
    port = free_port()
    root = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    environment = os.environ | root | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 40, "RAY_USAGE_STATS_ENABLED": "0"}
    common = ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--disable-usage-stats"]
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir=/tmp/rt{os.getpid()}"]
    names = ("sphere", "torus", "garbage")
    command = [sys.executable, "-m", "shapesiren", "batch", *(str(scans / f"{n}.ply") for n in names)]
    command += ["--pipeline", str(scans / "small.toml"), "--json", "--out", str(scans / "runs")]
    command += ["--engine", "ray", "--address", f"127.0.0.1:{port}"]
    try:
        for more in (head, [f"--address=127.0.0.1:{port}"]):
            started = [*ray, "start", *more, *common]
            done = subprocess.run(started, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        killed = None  # however long the workers take to start: a worker has a job's name only while it does it
        while killed is None and process.poll() is None:
            if busy := workers(names[:2]):
                killed = busy[0]
                os.kill(killed.pid, signal.SIGKILL)
            time.sleep(0.02)
        out, said = process.communicate(timeout=300)
        assert killed is not None, said
        assert process.returncode == 1, said
        found = {k: v["status"] for k, v in json.loads(out).items()}
        assert found == {"sphere": "done", "torus": "done", "garbage": "failed"}
        tiles = tmp_path / "tiles"  # parts of a large run, one of which kills its worker the first time
        tiles.mkdir()
        parts = (
            "import sys; from pathlib import Path; from shapesiren.runtime.workers import Workers, each; "
            "from tests.dying_work import touched; items = [Path(sys.argv[1]) / str(i) for i in range(6)]; "
            "print(sorted(p.name for p in each(touched, items, Workers('ray', address=sys.argv[2])) if p))"
        )
        done = subprocess.run(
            [sys.executable, "-c", parts, str(tiles), f"127.0.0.1:{port}"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str([str(i) for i in range(6)])  # and nothing of what Ray tells of the lost worker
        assert all((tiles / str(i)).read_text() == "done" for i in range(6))
        assert len((tiles / "3.tries").read_text()) == 2
        refused = subprocess.run(
            command, env=environment | {"RAY_AUTH_TOKEN": "x" * 40}, capture_output=True, text=True, timeout=300
        )
        assert refused.returncode == 2, refused.stderr
        (line,) = refused.stderr.strip().splitlines()
        assert "RAY_AUTH_TOKEN" in line
        assert "Traceback" not in refused.stderr
    finally:
        subprocess.run([*ray, "stop", "--force"], env=environment, capture_output=True, timeout=60)
        shutil.rmtree(f"/tmp/rt{os.getpid()}", ignore_errors=True)
        assert not (scans / "ray").exists()


def test_ray_missing_is_named(scans, monkeypatch, here):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = here("batch", scans / "box.ply", "--engine", "ray", "--out", scans / "runs", may_lack=True)
    assert refused.returncode == 2
    assert "pip install 'shapesiren[ray]'" in refused.stderr


@pytest.mark.parametrize("wrong", ["--set fit.stepz=3", "--preset nothing", "--device tpu", "--task images"])
def test_what_no_input_can_do_is_said_once(scans, wrong, here):
    files = [scans / f"{n}.ply" for n in ("sphere", "torus")]
    refused = here("batch", *files, "--out", scans / "runs", *wrong.split())
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (scans / "runs").exists()


def test_time_left_is_told_by_what_was_done_alone(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("shapesiren.batch.progress.time.monotonic", lambda: clock[0])
    shown = BatchProgress(10)
    clock[0] = 0.01
    shown(Result("bad", "failed", 0.01))
    shown(Result("old", "unchanged", 0.01))
    assert shown.line() == "2 of 10: 0 done, 1 unchanged, 1 failed"  # neither tells what a job takes
    clock[0] = 60.0
    shown(Result("good", "done", 60.0))
    assert shown.line().endswith("; 1.0 a minute, 7:00 left")

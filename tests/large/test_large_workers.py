"""Tiles by several processes and by parts of a job array: the same result, also where a worker was killed."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import shapesiren
from shapesiren.errors import InputError, RunError
from shapesiren.large import build, copies
from shapesiren.large.fit import todo_of
from shapesiren.large.quality import qualities, worst
from shapesiren.large.tiles import Tiles, name_of
from shapesiren.reports.tiles import tile_sections
from shapesiren.runtime import workers
from shapesiren.runtime.workers import Workers, each, part_of
from shapesiren.stages.report import open_finished
from shapesiren.surface.io import read_mesh
from shapesiren.surface.verify import verify
from tests.dying_work import touched


def test_what_a_killed_process_had_is_done_by_another(tmp_path):
    items = [tmp_path / str(i) for i in range(5)]
    ended = [item for item in each(touched, items, Workers(count=2)) if item is not None]
    assert sorted(ended) == items
    assert all(item.read_text() == "done" for item in items)
    assert len((tmp_path / "3.tries").read_text()) >= 2
    with pytest.raises(InputError, match="refused: no"):
        list(each(touched, [tmp_path / "refused"], Workers(count=2)))
    with pytest.raises(RunError, match="1 worker processes were lost"):
        list(each(touched, [tmp_path / "deadly"], Workers(count=2, retries=0)))
    assert list(each(touched, [], Workers(count=2))) == []


def test_an_error_of_the_work_is_no_lost_worker(monkeypatch):
    """With Ray's own errors, and no cluster."""
    exceptions = pytest.importorskip("ray.exceptions")

    def tell(error):
        def get(_):
            raise error

        task = SimpleNamespace(options=lambda name: SimpleNamespace(remote=lambda *args: object()))
        stand_in = SimpleNamespace(remote=lambda **how: lambda work: task, wait=lambda all, **how: (all[:1], []), get=get)
        stand_in.exceptions = exceptions
        monkeypatch.setattr("shapesiren.runtime.ray_cluster.ray_cluster", lambda address: nullcontext(stand_in))
        return list(each(touched, ["a"], Workers("ray")))

    with pytest.raises(ValueError, match="^bad tile$") as raised:
        tell(exceptions.RayTaskError("touched", "a traceback", ValueError("bad tile")).as_instanceof_cause())
    assert type(raised.value) is ValueError
    with pytest.raises(RunError, match="its worker was lost 4 times"):
        tell(exceptions.WorkerCrashedError())


def test_workers_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="unknown engine"):
        Workers("slurm")
    with pytest.raises(InputError, match="only Ray has an address"):
        Workers(address="auto")
    assert Workers().here and Workers(count=1).here and not Workers(count=2).here and not Workers("ray").here
    with workers.with_workers(Workers(count=3)):
        assert workers.current().count == 3
    assert workers.current() == Workers()
    parts = [part_of(range(10), f"{k}/3") for k in (1, 2, 3)]
    assert sorted(i for part in parts for i in part) == list(range(10))


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> Path:
    """A sphere of 4,000 points with normals in tiles, not fitted yet."""
    folder = tmp_path_factory.mktemp("parts")
    normals = np.random.default_rng(0).normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.save(folder / "ball.npy", np.hstack([5 * normals, normals]))
    settings = {"ingest": {"large": True, "tile_points": 1000}, "local": {"units": 48, "far_units": 48, "points": 120}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "LEAST_THINNED", 2000)
        shapesiren.ingest(folder / "ball.npy", out=folder / "run", preset="fast", settings=settings)
    return folder / "run"


def meshes(run):
    return {p.name: p.read_bytes() for p in (run / "tiles").glob("*.mesh.safetensors")}


@pytest.mark.slow
def test_parts_of_a_job_array_make_what_one_job_makes(ingested, here):
    """And what two processes make."""
    tiles = len(Tiles.open(ingested).counts)
    refused = here("mesh", ingested, "--shard", "1/2")
    assert refused.returncode == 2
    counts = []
    for k in (1, 2):
        done = here("fit", ingested, "--shard", f"{k}/2")
        assert done.returncode == 0 and f"part {k}/2: " in done.stderr, done.stderr
        counts.append(len(todo_of(ingested)))
    assert 0 < counts[0] < tiles and counts[1] == 0
    files = {p.name: p.stat().st_mtime_ns for p in (ingested / "tiles").glob("*.field.safetensors")}
    assert here("fit", ingested).returncode == 0
    assert files == {p.name: p.stat().st_mtime_ns for p in (ingested / "tiles").glob("*.field.safetensors")}  # none again
    assert here("mesh", ingested).returncode == 0
    alone = meshes(ingested)
    for name in alone:
        (ingested / "tiles" / name).unlink()
    for k in (1, 2):
        done = here("mesh", ingested, "--shard", f"{k}/2")
        own = len(part_of(range(tiles), f"{k}/2"))
        assert done.returncode == 0 and f"part {k}/2: {own} of its {own} tiles meshed now" in done.stderr, done.stderr
    parts = meshes(ingested)
    assert set(parts) <= set(alone)
    assert len(parts) == tiles
    for name in list(parts)[::2]:
        (ingested / "tiles" / name).unlink()
    assert here("mesh", ingested, "--force", "--workers", "2").returncode == 0
    again = meshes(ingested)
    assert set(again) == set(alone)
    for name in again:  # but for the seconds that it took
        a, b = again[name], alone[name]
        start = 8 + int.from_bytes(a[:8], "little")
        other = 8 + int.from_bytes(b[:8], "little")
        assert a[start:] == b[other:], name


@pytest.mark.slow
def test_a_large_run_is_kept_in_tiles_and_reported(ingested, here, tmp_path, monkeypatch):
    """After the fit above: the file is a coarse level, 3D Tiles have all, and the report names the worst tiles."""
    monkeypatch.setattr(copies, "COARSE_FACES", 500)
    monkeypatch.setattr(copies.coarse_level, "__defaults__", (500,))
    done = here("mesh", ingested, "--tiles", "-o", tmp_path / "tileset.json", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["mesh"]
    coarse = read_mesh(ingested / "mesh.ply")
    assert facts["level"] >= 1 and facts["verification"]["watertight"]
    assert verify(coarse).watertight and len(coarse.faces) < 0.6 * facts["verification"]["faces"]
    assert json.loads((tmp_path / "tileset.json").read_text())["root"]["children"]
    finished = open_finished(ingested)
    (section,) = tile_sections(finished, "z")
    text = "".join(map(str, section.blocks))
    tiles = qualities(ingested, finished.field.frame)
    assert {t.name for t in tiles} == {name_of(t) for t in Tiles.open(ingested).counts}
    named = [f">{t.name}<" in text for t in worst(tiles, 10)]
    assert all(named) and "image/png" in text
    without = replace(tiles[0], mean=None, p95=None, most=None)
    assert worst([tiles[1], without, tiles[2]], 2)[0] is without
    order = [t.p95 for t in worst(tiles, 10) if t.p95 is not None]
    assert order == sorted(order, reverse=True)
    refused = here("mesh", ingested, "-o", tmp_path / "level.glb", "--level", "99")
    assert refused.returncode == 2

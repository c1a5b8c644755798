"""Large runs: tiles beside one piece, seams, kills, changes, boxes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import shapesiren
from shapesiren.errors import InputError, RunError
from shapesiren.field import Field
from shapesiren.large import build, evaluate, tile_mesh
from shapesiren.large.blend import Neighbourhood, coarse_of, shards_beside
from shapesiren.large.evaluate import evaluate_large
from shapesiren.large.field import LargeField
from shapesiren.large.fit import fit_tiles, todo_of
from shapesiren.large.lattice import MeshPlan, TileGrid
from shapesiren.large.mesh import say_ignored, unmeshed, weighed
from shapesiren.large.pyramid import Node
from shapesiren.large.settings import Plan
from shapesiren.large.shard import Shard, told_of
from shapesiren.large.tile_mesh import TileMesh
from shapesiren.large.tiles import FILES, FOLDER, Tile, Tiles, name_of, tile_of
from shapesiren.local.settings import LocalSettings
from shapesiren.local.solve import Stopped
from shapesiren.metrics.shape import EvaluateSettings
from shapesiren.nets.cpu import engine
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.stages.store import Run
from shapesiren.surface.io import read_mesh
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.settings import MeshSettings
from shapesiren.surface.verify import point_distances, verify

Array = NDArray[np.float64]
SETTINGS = {"ingest": {"large": True}, "local": {"units": 64, "far_units": 64, "points": 120}}
CENTRE, SIZE = np.array([500_000.0, 4_000_000.0, 100.0]), 50.0


def torus(count: int, seed: int = 0) -> Array:
    """Even random points on a torus, metres, far from the origin."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(0, 2 * np.pi, (2, 3 * count))
    kept = np.flatnonzero(rng.uniform(size=3 * count) < (1 + 0.4 * np.cos(v)) / 1.4)[:count]
    u, v = u[kept], v[kept]
    ring = 1 + 0.4 * np.cos(v)
    return SIZE * np.stack([ring * np.cos(u), ring * np.sin(u), 0.4 * np.sin(v)], 1) + CENTRE


def off_torus(points: Array) -> Array:
    """Distance of points (n, 3) from that torus."""
    p = (points - CENTRE) / SIZE
    return SIZE * np.abs(np.hypot(np.hypot(p[:, 0], p[:, 1]) - 1, p[:, 2]) - 0.4)


def fitted(folder: Path, points: Array, tile_points: int, **ingest: object) -> Path:
    np.save(folder.with_suffix(".npy"), points)
    settings = {**SETTINGS, "ingest": {**SETTINGS["ingest"], "tile_points": tile_points, **ingest}}
    shapesiren.fit(folder.with_suffix(".npy"), out=folder, preset="fast", settings=settings)
    return folder


def files_of(run: Path, what: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "tiles").glob(f"*.{what}.safetensors"))}


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Few points that decide, and one thread, which the kills count on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "LEAST_THINNED", 3000)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torus of 12,000 points in some thirty tiles, meshed."""
    folder = fitted(tmp_path_factory.mktemp("large") / "torus", torus(12_000), 1000)
    shapesiren.mesh(folder)
    return folder


def test_mesh_of_tiles_is_closed_and_on_the_surface(run: Path) -> None:
    tiles, mesh = Tiles.open(run), read_mesh(run / "mesh.ply")
    assert len(tiles.counts) > 20
    checked = verify(mesh)  # of the file as a whole: what the tiles said of themselves has to be so
    told = Run.open(run).facts("mesh")["verification"]
    edges = ("boundary_edges", "nonmanifold_edges", "misoriented_edges")
    assert checked.watertight and checked.genus == 1 and checked.components == 1
    for name in (*edges, "vertices", "faces", "nonmanifold_vertices", "components", "genus"):
        assert getattr(checked, name) == told[name], name
    assert told["volume"] == pytest.approx(checked.volume, rel=1e-4)
    assert told["area"] == pytest.approx(checked.area, rel=1e-4)
    spacing = Plan.open(run).spacing * SIZE * 2.8 / 1.8
    assert off_torus(mesh.vertices).max() < 0.8 * spacing
    away = (mesh.vertices - CENTRE) * [1, 1, 0]
    outward = mesh.vertices - CENTRE - SIZE * away / np.linalg.norm(away, axis=1, keepdims=True)
    assert ((outward * mesh.normals).sum(1) > 0).all()


def test_tiles_are_as_one_piece(run: Path, tmp_path: Path) -> None:
    """Vertices, and normals, near the borders of tiles, beside those of a run of one tile."""
    whole = fitted(tmp_path / "whole", torus(12_000), 100_000)
    assert len(Tiles.open(whole).counts) == 1
    assert "1 tile," in Run.open(whole).facts("fit")["note"]
    shapesiren.mesh(whole)
    tiles, frame = Tiles.open(run), LargeField.open(run).frame
    one, many = read_mesh(whole / "mesh.ply"), read_mesh(run / "mesh.ply")
    at, other = frame.to_box(many.vertices), frame.to_box(one.vertices)
    side = 2 * tiles.half
    near = (np.abs((at + 1.1) / side - np.rint((at + 1.1) / side)) < 0.03).any(1)
    assert near.sum() > 500
    spacing = Plan.open(run).spacing
    assert np.quantile(point_distances(other, one.faces, at[near]), 0.99) < 0.1 * spacing
    tiled, single = LargeField.open(run), LargeField.open(whole)
    a, b = (f.normal(many.vertices[near]) for f in (tiled, single))
    assert np.quantile(1 - (a * b).sum(1), 0.99) < 5e-3


def test_values_at_a_border_are_the_same_to_the_last_bit(run: Path) -> None:
    tiles, plan, mesh = Tiles.open(run), Plan.open(run), MeshPlan.open(run)
    coarse = coarse_of(LargeField.open(run))
    pairs = [(a, (a[0] + 1, a[1], a[2])) for a in sorted(tiles.counts) if (a[0] + 1, a[1], a[2]) in tiles.counts]
    rng = np.random.default_rng(0)
    for a, b in pairs[:3]:
        corner = np.column_stack([np.full(300, mesh.cells), rng.integers(0, mesh.cells + 1, (300, 2))])
        on_a = TileGrid.of(a, mesh).positions(corner)
        on_b = TileGrid.of(b, mesh).positions(corner - [mesh.cells, 0, 0])
        assert (on_a == on_b).all()
        one, other = (Neighbourhood(tiles, t, plan, shards_beside(tiles, t), coarse, mesh.step) for t in (a, b))
        for x, y in zip(one(on_a, True), other(on_b, True), strict=True):
            assert (x == y).all()


def test_field_is_opened_lazily(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    from shapesiren.large import blend

    whole = blend.Shard.open
    monkeypatch.setattr(blend.Shard, "open", lambda path: opened.append(path) or whole(path))
    field = shapesiren.load(run)
    assert not opened
    points = torus(40, 3)[:1]
    assert abs(field(points)[0]) < 0.1
    assert 0 < len(opened) <= 27 and len(opened) < len(Tiles.open(run).counts)
    inside, outside = CENTRE + [SIZE, 0, 0], CENTRE
    assert field(np.stack([inside, outside])) == pytest.approx([-0.4 * SIZE, 0.6 * SIZE], abs=0.1 * SIZE)


def test_gradient_is_that_of_the_value(run: Path) -> None:
    """Also where the cells fade into the thinned cloud's field."""
    field = LargeField.open(run)
    rng = np.random.default_rng(0)
    x = field.frame.to_box(torus(2000, 5)) + rng.normal(size=(2000, 3)) * 0.02
    value, gradient = field.box_values_and_gradients(x)
    assert (value == field.box_values(x)).all()
    step = 1e-3
    for k in range(3):
        ahead, behind = (field.box_values(x + s * np.eye(3)[k] * step).astype(np.float64) for s in (1, -1))
        assert np.quantile(np.abs((ahead - behind) / (2 * step) - gradient[:, k]), 0.98) < 0.02


def test_compiled_blend_is_as_torch_has_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles, plan = Tiles.open(run), Plan.open(run)
    tile = max(tiles.counts, key=lambda t: tiles.counts[t])
    around = Neighbourhood(tiles, tile, plan, shards_beside(tiles, tile), coarse_of(LargeField.open(run)), 0.0)
    x = tiles.centre(tile) + np.random.default_rng(0).uniform(-1, 1, (400, 3)) * tiles.half
    fast = around.blended(x, True)
    monkeypatch.setattr("shapesiren.large.blend.numba_works", lambda: False)
    slow = around.blended(x, True)
    covered = fast[0][:, 1] > 1e-3
    assert covered.sum() > 50
    for a, b in zip(fast, slow, strict=True):
        assert a[covered] == pytest.approx(b[covered], rel=2e-3, abs=2e-3)


# ---- Kills and changes ---------------------------------------------------------------------------------
def test_killed_at_random_moments_it_ends_the_same(run: Path) -> None:
    tiles = Tiles.open(run)
    before = files_of(run, "field")
    for path in (run / "tiles").glob("*.field.safetensors"):
        path.unlink()
    rng, done = random.Random(0), 0
    for _ in range(3):
        child = os.fork()
        if not child:  # threads do not come along: the pool has to be another one
            engine.thread_pool.cache_clear()
            try:
                fit_tiles(run, lambda share: True)
            finally:
                os._exit(0)
        wanted = done + rng.randint(1, 6)
        deadline = time.monotonic() + 60
        while len(files_of(run, "field")) < wanted and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        held = files_of(run, "field")
        assert len(held) >= wanted
        assert all(_same(data, before[name]) for name, data in held.items())  # whole, and as they were
        done = len(held)
    assert len(todo_of(run)) == len(tiles.counts) - done
    solved = fit_tiles(run, lambda share: True)
    assert solved.kept == done
    after = files_of(run, "field")
    assert after.keys() == before.keys()
    assert all(_same(after[name], before[name]) for name in before)


def _same(one: bytes, other: bytes) -> bool:
    """Two files of a tile, but for the seconds that it took."""
    from safetensors.numpy import load

    a, b = load(one), load(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_stopped_between_tiles_it_keeps_what_is_done(run: Path) -> None:
    tiles = Tiles.open(run)
    victim = sorted(tiles.counts)[:4]
    for tile in victim:
        tiles.path(tile, "field.safetensors").unlink()
    asked = iter([True] * 6 + [False] * 1000)
    with pytest.raises(Stopped):
        fit_tiles(run, lambda share: next(asked))
    assert 0 < len(todo_of(run)) < 4
    fit_tiles(run, lambda share: True)
    assert todo_of(run) == []


def test_changed_points_of_a_tile_redo_it_and_its_neighbours_alone(run: Path) -> None:
    tiles = Tiles.open(run)
    tile = sorted(tiles.counts)[len(tiles.counts) // 2]
    held = (run / "tiles" / "index.json").read_bytes()
    tiles.digests[tile] = "another"
    tiles.save()
    assert todo_of(run) == sorted(tiles.beside(tile))
    assert 1 < len(todo_of(run)) < len(tiles.counts)
    (run / "tiles" / "index.json").write_bytes(held)
    assert todo_of(run) == []


def test_meshed_again_nothing_is_made_again(run: Path) -> None:
    tiles = Tiles.open(run)
    times = {p.name: p.stat().st_mtime_ns for p in (run / "tiles").glob("*.mesh.safetensors")}
    before = (run / "mesh.ply").read_bytes()
    (run / "mesh.ply").unlink()
    shapesiren.mesh(run)
    assert {p.name: p.stat().st_mtime_ns for p in (run / "tiles").glob("*.mesh.safetensors")} == times
    assert (run / "mesh.ply").read_bytes() == before
    assert len(times) >= len(tiles.counts)
    every = sorted(tiles.counts)
    assert unmeshed(run, every) == []
    path = tiles.path(every[1], "mesh.safetensors")
    held = path.read_bytes()
    path.unlink()
    assert unmeshed(run, every) == [every[1]] and unmeshed(run, every[2:]) == []
    path.write_bytes(held)


def test_scatter_goes_on_where_it_was_broken_off(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapesiren.large.source.BLOCK", 500)
    monkeypatch.setattr(build, "JOURNAL_EVERY", 3)
    appended = build._append
    calls = 0

    def breaks(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt
        appended(*args)  # type: ignore[arg-type]

    sources = build.sources_of([run.with_suffix(".npy")], IngestSettings())
    tiles = Tiles.open(run)
    frame = LargeField.open(run).frame
    args = (tmp_path, sources, frame, 12_000, tiles.level, 1000, False, "key", lambda _: None)
    gone, held = (99, 99, 99), next(iter(tiles.counts))  # an ingest before this one had other tiles
    for tile in (gone, held):
        for what in FILES:
            path = tmp_path / "tiles" / f"{name_of(tile)}.{what}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"old")
    monkeypatch.setattr(build, "_append", breaks)
    with pytest.raises(KeyboardInterrupt):
        build.scatter(*args)
    again = build.scatter(*args)
    assert calls == 20 + 24 - 18  # 18 blocks were in the journal
    assert again.digests == tiles.digests and again.counts == tiles.counts
    assert not list((tmp_path / "tiles").glob("*.raw"))
    assert not list((tmp_path / "tiles").glob(f"{name_of(gone)}.*"))
    assert len(list((tmp_path / "tiles").glob(f"{name_of(held)}.*"))) == len(FILES)


# ---- Holes, borders, boxes -----------------------------------------------------------------------------
def test_holes_across_borders_are_closed(tmp_path: Path) -> None:
    """No point shows the surface there; the winding number, of points and of the thinned ones beyond, closes it."""
    points = torus(5000, 2)
    at = (points - CENTRE) / SIZE
    kept = (np.linalg.norm(at - [0, 1.4, 0], axis=1) > 0.3) & (np.linalg.norm(at - [1, 0, 0.4], axis=1) > 0.25)
    folder = fitted(tmp_path / "holes", points[kept], 2500, surface="closed")
    shapesiren.mesh(folder)
    checked = verify(read_mesh(folder / "mesh.ply"))
    assert checked.boundary_edges == 0 and checked.watertight and checked.genus == 1


def test_surface_is_followed_into_tiles_that_do_not_know_of_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tile in which no point shows where to look learns from those beside it that the surface comes in."""
    folder = tmp_path / "blind"
    shutil.copytree(run, folder)
    blind = max(Tiles.open(run).counts.items(), key=lambda entry: entry[1])[0]
    seen = tile_mesh.leaves_of
    monkeypatch.setattr(tile_mesh, "leaves_of", lambda grid, at: seen(grid, at)[: 0 if _is_of(grid, blind) else None])
    (folder / "tiles" / f"{name_of(blind)}.mesh.safetensors").unlink()
    monkeypatch.setattr("shapesiren.large.mesh.WAVES", 1)
    with pytest.raises(RunError, match="still goes on after 1 round"):
        shapesiren.mesh(folder, refine=2, resolution=100)
    monkeypatch.setattr("shapesiren.large.mesh.WAVES", 64)
    shapesiren.mesh(folder, refine=2, resolution=100)
    plan = MeshPlan.open(folder)
    assert list(plan.entered) == [name_of(blind)]
    assert verify(read_mesh(folder / "mesh.ply")).watertight


def _is_of(grid: TileGrid, tile: Tile) -> bool:
    return tuple(c // grid.cells[0] for c in grid.first) == tile


@pytest.fixture(scope="module")
def terrain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    at = rng.uniform(0, 100, (6_000, 2))
    height = 4 * np.sin(at[:, 0] / 11) * np.cos(at[:, 1] / 14)
    x, y = at.T
    slopes = [-4 / 11 * np.cos(x / 11) * np.cos(y / 14), 4 / 14 * np.sin(x / 11) * np.sin(y / 14), np.ones(len(at))]
    normals = np.stack(slopes, 1) / np.linalg.norm(slopes, axis=0)[:, None]
    table = np.column_stack([at, height, normals])
    folder = fitted(tmp_path_factory.mktemp("open") / "terrain", table, 1000, surface="open")
    assert Tiles.open(folder).columns == 6 and Plan.open(folder).given
    shapesiren.mesh(folder)
    return folder


def test_open_surface_ends_where_the_points_do_and_nowhere_else(terrain: Path) -> None:
    mesh = read_mesh(terrain / "mesh.ply")
    checked = verify(mesh)
    assert checked.nonmanifold_edges == checked.misoriented_edges == 0 and checked.components == 1
    keys = np.sort(mesh.edge_keys().reshape(-1))
    _, uses = np.unique(keys, return_counts=True)
    ends = np.unique(keys)[uses == 1]
    middle = (mesh.vertices[ends // len(mesh.vertices)] + mesh.vertices[ends % len(mesh.vertices)])[:, :2] / 2
    assert checked.boundary_edges == len(ends) > 100
    assert np.minimum(np.abs(middle), np.abs(100 - middle)).min(1).max() < 5  # all along the terrain's own border
    inner = mesh.vertices[(mesh.vertices[:, :2] > 5).all(1) & (mesh.vertices[:, :2] < 95).all(1)]
    expected = 4 * np.sin(inner[:, 0] / 11) * np.cos(inner[:, 1] / 14)
    assert np.quantile(np.abs(inner[:, 2] - expected), 0.999) < 0.3
    assert (mesh.normals[:, 2] > 0).all()


def test_box_reads_its_tiles_alone(terrain: Path) -> None:
    made = shapesiren.mesh(terrain, resolution=40, box=(0, 0, -20, 40, 40, 20))
    held = {p.name for p in (terrain / "tiles").glob("*.mesh.safetensors")}
    assert 0 < len(held) < len(Tiles.open(terrain).counts)
    assert made["box"] == [0, 0, -20, 40, 40, 20]
    assert read_mesh(terrain / "mesh.ply").vertices[:, :2].max() < 75
    with pytest.raises(RunError, match="box"):
        shapesiren.mesh(terrain, box=(900, 900, 900, 901, 901, 901))


def test_evaluated_by_tiles(run: Path) -> None:
    found = shapesiren.evaluate(run)
    spacing = Plan.open(run).spacing * SIZE * 2.8 / 1.8
    assert found["surface"]["completeness"] < 0.2 * spacing
    assert found["surface"]["accuracy"] < 2 * spacing
    assert found["surface"]["hausdorff95"] < 4 * spacing and found["surface"]["f_score"] > 0.5


def test_outliers_count_on_neither_side_and_slopes_are_of_the_box(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "BOX_SAMPLES", 3000)
    folder, settings = tmp_path / "outliers", EvaluateSettings(samples=2000)
    shutil.copytree(run, folder)
    field = LargeField.open(folder)
    before = evaluate_large(folder, Field.load(folder / "field.safetensors"), settings, lambda _: None)
    box = np.random.default_rng(9).uniform(-1, 1, (3000, 3))
    off = np.abs(np.linalg.norm(field.box_values_and_gradients(box)[1], axis=1) - 1).mean()
    assert before.field.eikonal == pytest.approx(off, rel=0.15)
    tiles = Tiles.open(folder)
    tile = max(tiles.counts, key=lambda t: tiles.counts[t])
    shard = Shard.open(tiles.path(tile, "field.safetensors"))
    along = tiles.stored(tile)[:, 0]
    Shard(**{**shard.__dict__, "kept": along < np.quantile(along, 0.3)}).write(tiles.path(tile, "field.safetensors"))
    after = evaluate_large(folder, Field.load(folder / "field.safetensors"), settings, lambda _: None)
    assert before.surface.hausdorff < 0.2 * tiles.half * field.frame.scale
    assert after.surface.hausdorff > 0.4 * tiles.half * field.frame.scale  # the mesh there has no points near that are any


def test_facts_of_tiles_count_by_their_size() -> None:
    facts = [{"vertices": 300, "residual": 1.0, "points": 1, "mean": 2.0}, {"vertices": 100, "residual": 5.0, "points": 7}]
    assert weighed(facts, "residual", "vertices") == 2.0
    assert weighed(facts, "mean", "points") == 2.0  # one of them has none
    assert weighed([{"vertices": 0, "residual": 0.0}], "residual", "vertices") == 0.0


def test_settings_without_effect_are_said() -> None:
    said: list[str] = []
    say_ignored(MeshSettings(min_component=0.0, resolution=64), said.append)
    assert said == []
    say_ignored(MeshSettings(min_component=0.01, trim_distance=2.0, watertight=True), said.append)
    (line,) = said
    assert all(f"mesh.{name}" in line for name in ("min_component", "trim_distance", "watertight"))


def test_a_part_to_print_is_refused_before_work(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.glob("mesh*")}
    with pytest.raises(InputError, match="a scan in tiles makes no part to print; fit the body alone"):
        shapesiren.mesh(run, height=120)
    assert {path: path.read_bytes() for path in run.glob("mesh*")} == before


def test_too_little_disk_is_said_before_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(RunError, match="GiB of disk are needed"):
        fitted(tmp_path / "full", torus(2000), 1000)


def test_damaged_tiles_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tiles here"):
        Tiles.open(tmp_path)
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "index.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Tiles.open(tmp_path)
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    assert told_of(tmp_path / "bad.safetensors") == ("", {})
    for kind in (TileMesh, Shard, Node):
        with pytest.raises(InputError, match="missing or damaged") as refused:
            kind.open(tmp_path / "bad.safetensors")
        assert str(refused.value.hint).endswith("again with --force")  # without, a stage is skipped


def test_names_of_tiles_go_both_ways() -> None:
    tile: Tile = (0, 12, 3)
    assert tile_of(name_of(tile)) == tile


def test_vertices_where_parts_touch_are_counted_in_tiles_that_have_neighbours() -> None:
    """Two cones on one apex, with one vertex of a rim at the tile's side."""
    around = np.arange(6) * np.pi / 3
    rim = 0.1 * np.stack([np.cos(around), np.sin(around), np.ones(6)], 1)
    vertices = np.concatenate([np.zeros((1, 3)), rim, -rim])
    faces = np.array([(0, k + i, k + (i + 1) % 6) for k in (1, 7) for i in range(6)])
    border = np.arange(13) == 1

    def facts(border: NDArray[np.bool_], faces: NDArray[np.int64] = faces) -> dict[str, object]:
        none = np.empty((0, 3), np.int64)
        points = tile_mesh.NearPoints(np.empty((0, 3)), np.empty(0, bool), np.empty(0))
        grid = TileGrid((-0.5, -0.5, -0.5), 0.125, (8, 8, 8))
        mesh = TriangleMesh(vertices, faces, np.zeros((13, 3)))
        made = tile_mesh._finished(mesh, border, np.zeros((13, 2), np.int64), none, none, points, np.zeros(3), grid, 0.0, 0, 0)
        return made.facts

    assert facts(border)["nonmanifold_vertices"] == 1
    assert facts(np.arange(13) == 0)["nonmanifold_vertices"] == 0  # other tiles may hold what joins its fans
    turned = np.concatenate([faces[:1, [0, 2, 1]], faces[1:]])
    assert facts(border)["misoriented_edges"] == 0
    assert facts(border, turned)["misoriented_edges"] == 2
    assert facts(np.isin(np.arange(13), (0, 1)), turned)["misoriented_edges"] == 1  # the other is at the side: counted there


def test_a_plan_without_a_number_for_noisy_cells_has_as_many_sines_everywhere(tmp_path):
    (tmp_path / FOLDER).mkdir()
    plan = Plan(LocalSettings(units=384), 0, 1.0, 2.0, True, True, 0.0, None, True, False, 4, "key")
    tree = plan.tree()
    del tree["local"]["noisy_units"]
    (tmp_path / FOLDER / "plan.json").write_text(json.dumps(tree))
    assert Plan.open(tmp_path).prior.units == 384

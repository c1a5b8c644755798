"""Files in blocks hold what they hold as a whole, whatever the format."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shapesiren.errors import InputError
from shapesiren.large import source
from shapesiren.large.build import depth_below, level_for, margin_of, sources_of, thinned
from shapesiren.large.ingest import is_large
from shapesiren.large.source import Source, points_in
from shapesiren.large.tiles import morton63
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.partial import ChooseRows
from shapesiren.pointcloud.io.ply import vertex_table
from shapesiren.pointcloud.io.read import BY_SUFFIX, read_cloud
from shapesiren.pointcloud.selection import Selection
from shapesiren.pointcloud.settings import IngestSettings

COUNT = 1000
PCD_HEAD = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {0}\nHEIGHT 1\nPOINTS {0}\n"


def text_of(table: NDArray[np.float64]) -> bytes:
    return "".join(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in table).encode()


@pytest.fixture(scope="module")
def points() -> NDArray[np.float64]:
    return np.round(np.random.default_rng(0).uniform(0, 30, (COUNT, 3)), 3) + [500_000, 4_000_000, 0]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BLOCK", 300)
    monkeypatch.setattr(source, "TEXT_BLOCK", 7000)


def written(folder: Path, suffix: str, points: NDArray[np.float64]) -> Path:
    path = folder / f"cloud{suffix}"
    if suffix in (".las", ".laz"):
        import laspy

        las = laspy.create(point_format=6, file_version="1.4")
        las.header.offsets, las.header.scales = points.min(0), [0.001] * 3
        las.x, las.y, las.z = points.T
        las.classification = np.where(np.arange(len(points)) < 50, 7, 2)  # noise
        las.write(path)
    elif suffix == ".ply":
        from plyfile import PlyData, PlyElement

        table = vertex_table(points, np.tile([0.0, 0, 1], (len(points), 1)), None, double=True)
        PlyData([PlyElement.describe(table, "vertex")], byte_order="<").write(path)
    elif suffix == ".npy":
        np.save(path, points)
    elif suffix == ".pcd":
        path.write_bytes(f"{PCD_HEAD.format(len(points))}DATA binary\n".encode() + points.tobytes())
    elif suffix == ".e57":
        import pye57

        with_axes = {f"cartesian{a}": points[:, k] for k, a in enumerate("XYZ")}
        file = pye57.E57(str(path), mode="w")
        file.write_scan_raw(with_axes, name="one")
        file.close()
    else:
        np.savetxt(path, points, fmt="%.3f", header="x y z")
    return path


@pytest.mark.parametrize("suffix", [".las", ".laz", ".ply", ".npy", ".pcd", ".e57", ".xyz"])
def test_blocks_are_the_file(tmp_path: Path, points: NDArray[np.float64], suffix: str) -> None:
    path = written(tmp_path, suffix, points)
    blocks = list(Source(path).blocks())
    whole = read_cloud(path)
    assert len(blocks) > 2 and max(len(b.points) for b in blocks) < len(whole.points)
    assert np.concatenate([b.points for b in blocks]) == pytest.approx(whole.points, abs=1e-9)
    if suffix == ".ply":
        assert all(b.normals is not None for b in blocks)
    if suffix != ".e57":
        assert points_in(path) == pytest.approx(COUNT, rel=0.05)
    box = (500_000.0, 4_000_000.0, 0.0, 500_010.0, 4_000_010.0, 30.0)
    inside = np.concatenate([b.points for b in Source(path, Selection(box=box)).blocks()])
    assert len(inside) == ((whole.points[:, :2] <= [500_010, 4_000_010]).all(1)).sum()


@pytest.mark.parametrize("form", ["ascii.ply", "ascii.pcd", "compressed.pcd"])
def test_what_is_parsed_whole_is_parsed_once(
    tmp_path: Path, points: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path, table = tmp_path / form, points - [500_000, 4_000_000, 0]
    if form == "ascii.ply":
        from plyfile import PlyData, PlyElement

        PlyData([PlyElement.describe(vertex_table(table, None, None, double=True), "vertex")], text=True).write(path)
    else:
        head = PCD_HEAD.format(len(table)) + f"DATA {'ascii' if form == 'ascii.pcd' else 'binary_compressed'}\n"
        columns = np.ascontiguousarray(table.T).tobytes()
        literals = b"".join(bytes([len(columns[k : k + 32]) - 1]) + columns[k : k + 32] for k in range(0, len(columns), 32))
        packed = struct.pack("<II", len(literals), len(columns)) + literals
        path.write_bytes(head.encode() + (text_of(table) if form == "ascii.pcd" else packed))
    held, opened = BY_SUFFIX[path.suffix], 0

    def counted(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
        nonlocal opened
        opened += 1
        assert held.table is not None
        return held.table(path, choose, words)

    monkeypatch.setitem(BY_SUFFIX, path.suffix, replace(held, table=counted))
    blocks = list(Source(path).blocks())
    assert opened == 1 and len(blocks) == 4
    assert np.concatenate([b.points for b in blocks]) == pytest.approx(table, abs=1e-6)
    assert list(Source(path, Selection(box=(90, 90, 90, 91, 91, 91))).blocks()) == []


def test_damage_is_named(tmp_path: Path, points: NDArray[np.float64]) -> None:
    path = written(tmp_path, ".las", points)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated|damaged"):
        list(Source(path).blocks())
    (tmp_path / "bad.xyz").write_text("1 2 3\n4 five 6\n")
    with pytest.raises(InputError, match="line 2"):
        list(Source(tmp_path / "bad.xyz").blocks())
    with pytest.raises(InputError, match="unknown extension"):
        list(Source(tmp_path / "a.unknown").blocks())


def test_thinned_cloud_does_not_depend_on_memory(
    tmp_path: Path, points: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, ".npy", points)
    monkeypatch.setattr("shapesiren.large.build.LEAST_THINNED", 100)
    found = thinned(sources_of([path], IngestSettings()), 0, lambda _: None)
    assert (found.count, found.read, len(found.cloud.points)) == (COUNT, COUNT, 100)
    again = thinned(sources_of([path], IngestSettings()), 0, lambda _: None)
    assert (found.cloud.points == again.cloud.points).all()
    monkeypatch.setattr("shapesiren.large.build.MOST_THINNED", 200)  # what it holds is halved on the way
    held = thinned(sources_of([path], IngestSettings()), 0, lambda _: None)
    assert len(held.cloud.points) == 100


def test_level_is_such_that_no_tile_has_too_many(points: NDArray[np.float64]) -> None:
    box = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 3))
    assert level_for(box, 5_000_000, 10_000_000) == 0
    assert level_for(box, 5_000_000, 1_000_000) == 1
    assert level_for(box, 5_000_000, 200_000) == 2


def test_margins_shrink_with_the_cells_of_a_tile() -> None:
    assert depth_below(1_000_000) == 4 and depth_below(1000) == 1
    assert margin_of(1.0, 1_000_000) < margin_of(1.0, 1000) <= 0.7


def test_order_of_codes_is_that_of_an_octree() -> None:
    at = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [2**20, 0, 0], [2**21 - 1] * 3])
    assert morton63(at).tolist() == [0, 1, 2, 4, 4 << 60, 2**63 - 1]


def test_large_by_setting_or_by_count(tmp_path: Path, points: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, ".npy", points)
    assert not is_large([path], IngestSettings())
    assert is_large([path], IngestSettings(large=True))
    monkeypatch.setattr("shapesiren.large.ingest.LARGE_FROM", 900)
    assert is_large([path], IngestSettings())
    assert not is_large([path], IngestSettings(every=2))
    assert not is_large([path], IngestSettings(large=False))

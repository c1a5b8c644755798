"""One tile's part of the mesh: triangles of the cells of one lattice, which all tiles share (see `lattice`)."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..nets.octree import Octree
from ..runtime.kdtree import KDTree
from ..surface.cell_tables import LEAF
from ..surface.fitted_faces import balance_vertices, flip_edges
from ..surface.marching_cubes import sparse_marching_cubes
from ..surface.mesh import TriangleMesh
from ..surface.refine import newton_refine
from ..surface.verify import point_distances, verify
from .blend import Coarse, Neighbourhood, coarse_of, shards_beside
from .fit_tile import key_of, thinned_of
from .lattice import MeshPlan, TileGrid, doubled_places, exits_of, grow, keys_of_places, leaves_of, on_sides
from .settings import Plan
from .shard import DAMAGED, Shard, read_told, told_of, write_told
from .tile_cut import cut_by_level
from .tiles import Tile, Tiles, name_of

Array = NDArray[np.float64]
Index = NDArray[np.int64]

VERSION = 2  # raised when the code here or in `lattice` changes what it makes
FIELD_FILE = "field.safetensors"
REACH = 4.0  # local spacings from the points at which an open surface ends
JUDGED = 2000  # points of a tile whose distance from its mesh is measured


@dataclass(frozen=True)
class TileMesh:
    """vertices : (n, 3) float32 from the tile's centre, box units; normals : (n, 3); faces : (m, 3) int32
    border : (b,) vertices that lie on a side of the tile; keys : (b, 2) which they are, in all tiles alike
    edges : (e, 2) half-edges between two of them, each as a face runs along it; indices into ``border``
    component : (n,) connected component of each vertex, of those of the tile; area, volume, ends : (c,) of each, box units, and
        the edges inside of the tile at which it ends
    exits : (k, 3) leaves of the lattice beyond the tile that the surface goes into; held : (h, 3) those at the tile's sides
        that it looked at
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float16]
    faces: NDArray[np.int32]
    border: NDArray[np.int32]
    keys: NDArray[np.int64]
    edges: NDArray[np.int32]
    component: NDArray[np.int32]
    area: NDArray[np.float64]
    volume: NDArray[np.float64]
    ends: NDArray[np.int64]
    exits: NDArray[np.int32]
    held: NDArray[np.int32]
    key: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    ARRAYS = ("vertices", "normals", "faces", "border", "keys", "edges", "component", "area", "volume", "ends", "exits", "held")

    def write(self, path: Path) -> None:
        write_told(path, {name: getattr(self, name) for name in self.ARRAYS}, {"key": self.key, "facts": self.facts})

    @classmethod
    def open(cls, path: Path, *names: str) -> Self:
        """The arrays with these ``names``, all if none; others are empty. Raises InputError if it is missing or damaged."""
        try:
            found, told = read_told(path, names or cls.ARRAYS)
            arrays: dict[str, Any] = {**dict.fromkeys(cls.ARRAYS, np.empty(0)), **found}
            return cls(**arrays, key=told["key"], facts=told["facts"])
        except DAMAGED as e:
            raise InputError(
                f"the mesh of a tile is missing or damaged ({e})", where=path, hint="mesh it again with --force"
            ) from None


def mesh_key(tiles: Tiles, tile: Tile, plan: Plan, mesh: MeshPlan, coarse: str, fits: dict[Tile, str]) -> str:
    """Of all that a tile's mesh depends on: the cells of the tile and of those beside it, the plan, the thinned cloud's field.

    ``fits``: keys of the tiles' cells
    """
    settings = {k: v for k, v in asdict(mesh).items() if k not in ("entered", "only")}
    digest = hashlib.sha256(f"{VERSION} {tile} {settings} {mesh.entered.get(name_of(tile))} {coarse}".encode())
    for other in tiles.beside(tile):
        digest.update(f"{other} {fits[other]}".encode())
    return digest.hexdigest()


def mesh_tile(run: Path, tile: Tile) -> dict[str, Any]:
    """Mesh one tile of a run whose cells, and those of the tiles beside it, are solved, by its `MeshPlan`; what is there with
    the same key is kept. Returns its facts: faces, edges, distances of its points (box units), seconds."""
    tiles, plan, mesh = Tiles.open(run), Plan.open(run), MeshPlan.open(run)
    return mesh_tile_of(tiles, plan, mesh, tile, coarse_field(run), keys_of_fits(run, tiles, tiles.beside(tile)))


@dataclass(frozen=True)
class CoarseField:
    """The thinned cloud's field, and a digest of it."""

    ask: Coarse
    digest: str


def coarse_field(run: Path) -> CoarseField:
    path = run / FIELD_FILE
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return CoarseField(coarse_of(Field.load(path)), digest)


def keys_of_fits(run: Path, tiles: Tiles, wanted: list[Tile]) -> dict[Tile, str]:
    """The keys that the tiles' cells have to have. Raises InputError if one of them is not solved."""
    plan, thinned, found = Plan.open(run), thinned_of(run), {}
    for tile in wanted:
        found[tile] = key_of(tiles, tile, plan, thinned)
        if told_of(tiles.path(tile, "field.safetensors"))[0] != found[tile]:
            raise InputError(f"tile {name_of(tile)} is not solved as it is now", where=run, hint="run `shapesiren fit --force`")
    return found


def mesh_tile_of(
    tiles: Tiles, plan: Plan, mesh: MeshPlan, tile: Tile, coarse: CoarseField, fits: dict[Tile, str]
) -> dict[str, Any]:
    """`mesh_tile`, of what is open already."""
    path = tiles.path(tile, "mesh.safetensors")
    key = mesh_key(tiles, tile, plan, mesh, coarse.digest, fits)
    held, facts = told_of(path)
    if held == key:
        return facts
    begun = time.perf_counter()
    made = meshed(tiles, plan, mesh, tile, coarse.ask, shards_beside(tiles, tile))
    made.facts["seconds"] = round(time.perf_counter() - begun, 3)
    TileMesh(**{**made.__dict__, "key": key}).write(path)
    return made.facts


def meshed(tiles: Tiles, plan: Plan, mesh: MeshPlan, tile: Tile, coarse: Coarse, shards: dict[Tile, Shard]) -> TileMesh:
    """The triangles of one tile."""
    grid = TileGrid.of(tile, mesh)
    points = near_points(tiles, tile, plan, shards, REACH * 4 * plan.spacing + 2 * mesh.step)
    around = Neighbourhood(tiles, tile, plan, shards, coarse, mesh.step)
    entered = np.array(mesh.entered.get(name_of(tile), []), np.int64).reshape(-1, 3) - np.array(grid.first) // LEAF
    tree = KDTree(points.at) if len(points.at) else None

    def allowed(leaves: Index) -> NDArray[np.bool_]:
        """Leaves (n, 3) that the surface may go on into: in the box, and of an open one those that its points reach."""
        middle, near = grid.positions((leaves + 0.5) * LEAF), np.ones(len(leaves), bool)
        if mesh.box is not None:
            near &= ((middle >= mesh.box[:3]) & (middle <= mesh.box[3:])).all(1)
        if mesh.trim and tree is not None:
            distance, nearest = tree.query(middle)
            near &= distance <= points.reach[nearest] + 3**0.5 * mesh.step
        return near if tree is not None or not mesh.trim else np.zeros(len(leaves), bool)

    seeds = np.concatenate([leaves_of(grid, points.at), entered])
    band = grow(grid, around.values, seeds[allowed(seeds)], allowed)
    exits, held = exits_of(band, grid)
    exits = exits[allowed(exits - np.array(grid.first) // LEAF)]
    vertices, faces = sparse_marching_cubes(band) if band.crosses_zero() else (np.empty((0, 3)), np.empty((0, 3), np.int64))
    doubled = doubled_places(vertices)
    border = ((doubled == 0) | (doubled == 2 * mesh.cells)).any(1)
    vertices = on_sides(band, vertices, doubled, border)
    keys = keys_of_places(doubled + 2 * np.array(grid.first), tiles.level, mesh.cells)
    at, normals, residual, _ = newton_refine(around.values_and_gradients, grid.positions(vertices), grid.step, mesh.refine)
    flips = 0
    if mesh.fitted and len(faces):
        faces, flips = flip_edges(at, faces, normals, grid.step)
        balanced, _ = balance_vertices(at, faces, normals, grid.step)
        at = np.where(border[:, None], at, balanced)  # of faces of the other tile it knows nothing
    pairs = np.stack([keys, np.full(len(keys), -1)], 1)
    if mesh.trim and len(faces):
        assert tree is not None
        distance, nearest = tree.query(at)
        cut = cut_by_level(at, normals, faces, border, pairs, distance / points.reach[nearest] - 1)
        at, normals, faces, border, pairs = cut
    triangles = TriangleMesh(at - tiles.centre(tile), faces, normals)
    return _finished(
        triangles,
        border,
        pairs,
        exits,
        held,
        points,
        tiles.centre(tile),
        grid,
        float(residual.mean()) if len(residual) else 0.0,
        flips,
        band.evaluations,
    )


@dataclass(frozen=True)
class NearPoints:
    """at : (n, 3) box coordinates, the same in all tiles; own : (n,) whether of the tile itself
    reach : (n,) how far from each an open surface goes"""

    at: Array
    own: NDArray[np.bool_]
    reach: Array


def near_points(tiles: Tiles, tile: Tile, plan: Plan, shards: dict[Tile, Shard], margin: float) -> NearPoints:
    """Points of a tile and of what lies within ``margin`` of it that are no outliers."""
    parts, own, reach = [np.empty((0, 3))], [np.empty(0, bool)], [np.empty(0)]
    for other in tiles.beside(tile):
        shard = shards[other]
        stored = np.asarray(tiles.stored(other)[:, :3], np.float64)[shard.kept]
        at = stored + tiles.centre(other)
        if other != tile:
            near = (np.abs(at - tiles.centre(tile)) <= tiles.half + margin).all(1)
            stored, at = stored[near], at[near]
        leaves = shard.cells.copy()
        leaves[:, 0] -= tiles.level
        leaves[:, 1:] -= np.array(other) << leaves[:, :1]
        spacing = shard.spacing[Octree(leaves, tiles.half).leaf_of(stored)].astype(np.float64)
        parts.append(at)
        own.append(np.full(len(at), other == tile))
        reach.append(REACH * np.minimum(np.maximum(spacing, plan.spacing), 4 * plan.spacing) + 2 * plan.deviation)
    return NearPoints(np.concatenate(parts), np.concatenate(own), np.concatenate(reach))


def _finished(
    mesh: TriangleMesh,
    border: NDArray[np.bool_],
    pairs: Index,
    exits: Index,
    held: Index,
    points: NearPoints,
    centre: Array,
    grid: TileGrid,
    residual: float,
    flips: int,
    evaluations: int,
) -> TileMesh:
    """What of a tile's mesh is kept, and what is known of it before it is joined to the others."""
    faces = mesh.faces
    on = np.flatnonzero(border)
    place = np.full(len(border), -1)
    place[on] = np.arange(len(on))
    half = np.stack([faces, faces[:, [1, 2, 0]]], 2).reshape(-1, 2)
    edges = place[half]
    count, label = mesh.face_components() if len(faces) else (0, np.empty(0, np.int64))
    component = np.zeros(len(border), np.int64)
    component[faces] = label[:, None]
    corners, areas = mesh.vertices[faces] + centre, mesh.face_areas()
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    # edges of one face, not both of whose ends are at the tile's sides: the mesh ends there
    inner = (edges < 0).any(1)
    code = np.sort(half[inner], 1)
    code = code[:, 0] * max(1, len(border)) + code[:, 1]
    _, first, of_edge, uses = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    ways = np.bincount(of_edge.reshape(-1), half[inner, 0] < half[inner, 1], len(uses))
    ends = component[half[inner][first[uses == 1], 0]]
    facts: dict[str, Any] = {
        "vertices": len(border),
        "faces": len(faces),
        "nonmanifold_edges": int((uses > 2).sum()),
        "misoriented_edges": int(((uses == 2) & (ways != 1)).sum()),  # those at the tile's sides are counted where it is joined
        "nonmanifold_vertices": verify(mesh, but=border).nonmanifold_vertices,
        "residual": residual,
        "flipped": flips,
        "evaluations": evaluations,
    } | _distances(mesh, points, centre, grid)
    return TileMesh(
        vertices=mesh.vertices.astype(np.float32),
        normals=mesh.normals.astype(np.float16),
        faces=faces.astype(np.int32),
        border=on.astype(np.int32),
        keys=pairs[on].astype(np.int64).reshape(-1, 2),
        edges=edges[~inner].astype(np.int32),
        component=component.astype(np.int32),
        area=np.bincount(label, areas, count).astype(np.float64),
        volume=np.bincount(label, volumes, count).astype(np.float64),
        ends=np.bincount(ends, minlength=count).astype(np.int64),
        exits=exits.astype(np.int32),
        held=held.astype(np.int32),
        facts=facts,
    )


def _distances(mesh: TriangleMesh, points: NearPoints, centre: Array, grid: TileGrid) -> dict[str, Any]:
    """How far some of a tile's points are from its mesh, box units; those near its sides may be nearer to another tile's."""
    inside = np.abs(points.at - centre).max(1) < grid.cells[0] * grid.step / 2 - 3 * grid.step
    own = np.flatnonzero(points.own & inside)
    if not len(own) or not len(mesh.faces):
        return {"points": int(points.own.sum())}
    some = points.at[np.random.default_rng(0).choice(own, min(JUDGED, len(own)), replace=False)] - centre
    scale = 1 / (grid.cells[0] * grid.step)  # near 1, for float32
    distance = point_distances(mesh.vertices * scale, mesh.faces, some * scale) / scale
    mean, p95 = float(distance.mean()), float(np.quantile(distance, 0.95))
    return {"points": int(points.own.sum()), "mean": mean, "p95": p95, "max": float(distance.max()), "judged": len(some)}

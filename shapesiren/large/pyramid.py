"""A mesh of tiles at ever coarser levels: an octree over the tiles, each node with a quarter of the faces of its children.

What a node shares with another one of its level stays as it is, at full resolution, until both are in one node. So nodes fit
each other whatever their levels: any choice of nodes that covers every tile once is one mesh without a crack.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime import threads
from ..runtime.working import working_at
from ..surface.locked_decimation import decimate_locked
from ..surface.mesh import TriangleMesh
from ..surface.settings import MeshSettings
from ..surface.verify import point_distances
from .lattice import MeshPlan
from .shard import DAMAGED, read_told, told_of, write_told
from .tiles import FOLDER, Tile, Tiles, name_of
from .weld import LEAST_CELLS, Weld

Array = NDArray[np.float64]
Index = NDArray[np.int64]

VERSION = 1  # raised when the code below changes what it makes
LEVELS = "levels"  # folder in that of the tiles
SHARE = 0.25  # of the faces of its children, that a node has beside those at its sides
MEASURED = 20_000  # vertices by which is told how far a node is off its children
NEVER = 127  # level at which a vertex that one tile alone has is shared


@dataclass(frozen=True)
class Node:
    """A part of the mesh at one level.

    vertices : (n, 3) float32 from the node's centre, box units; normals : (n, 3); faces : (m, 3) int32
    border : (b,) vertices that a node beside it has too; keys : (b, 2) which they are, in all tiles alike
    until : (b,) level from which on one node has all that share it
    facts : error (how far it is off the tiles' meshes, box units), tiles (how many are in it)
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float16]
    faces: NDArray[np.int32]
    border: NDArray[np.int32]
    keys: Index
    until: NDArray[np.int8]
    key: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    ARRAYS = ("vertices", "normals", "faces", "border", "keys", "until")

    def write(self, path: Path) -> None:
        write_told(path, {name: getattr(self, name) for name in self.ARRAYS}, {"key": self.key, "facts": self.facts})

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises InputError if it is missing or damaged."""
        try:
            arrays, told = read_told(path, cls.ARRAYS)
            return cls(**arrays, key=told["key"], facts=told["facts"])
        except DAMAGED as e:
            raise InputError(
                f"a level of the mesh is missing or damaged ({e})", where=path, hint="mesh it again with --force"
            ) from None


def joined(run: Path, settings: MeshSettings) -> Weld:
    """The tiles of a run that is meshed, as one mesh. Raises InputError if there are none."""
    tiles, plan = Tiles.open(run), MeshPlan.open(run)
    held = sorted(tiles.folder.glob("*.mesh.safetensors"))
    meshed = sorted(tuple(map(int, path.name.split(".")[0].split("-"))) for path in held)
    if not meshed:
        raise InputError("no tile of it is meshed", where=run, hint=f"shapesiren mesh {run}")
    least = 0.0 if settings.min_component == 0 else (LEAST_CELLS * plan.step) ** 2
    return Weld(tiles, [(x, y, z) for x, y, z in meshed], least)


class Pyramid:
    """The levels of a run's mesh. Level 0 are the tiles themselves, which are not written again; the last one is one node."""

    def __init__(self, run: Path, weld: Weld) -> None:
        self.run, self.weld, self.tiles = run, weld, weld.tiles
        self.folder = run / FOLDER / LEVELS
        self.place = {tile: i for i, tile in enumerate(weld.meshed) if weld.face_counts[i]}
        self.until = _until(weld)
        self.keys: list[dict[Tile, str]] = [{tile: self._key_of_tile(tile) for tile in self.place}]
        self.children: list[dict[Tile, list[Tile]]] = [{}]
        for level in range(1, self.tiles.level + 1):
            below: dict[Tile, list[Tile]] = {}
            for x, y, z in sorted(self.keys[level - 1]):
                below.setdefault((x >> 1, y >> 1, z >> 1), []).append((x, y, z))
            self.children.append(below)
            self.keys.append({node: _digest([self.keys[level - 1][c] for c in held]) for node, held in below.items()})
            if len(below) == 1:
                break

    @property
    def top(self) -> int:
        """The coarsest level."""
        return len(self.keys) - 1

    def half(self, level: int) -> float:
        """Half the side of a node, box units."""
        return self.tiles.half * 2**level

    def centre(self, level: int, node: Tile) -> Array:
        """(3,) box coordinates of a node's middle."""
        corner = self.tiles.centre((0, 0, 0)) - self.tiles.half
        centre: Array = corner + (2 * np.array(node) + 1) * self.half(level)
        return centre

    def path(self, level: int, node: Tile) -> Path:
        return self.folder / f"{level}-{name_of(node)}.safetensors"

    def node(self, level: int, node: Tile) -> Node:
        """One that is made; of level 0 that of a tile."""
        return Node.open(self.path(level, node)) if level else self._of_tile(node)

    def facts(self, level: int, node: Tile) -> dict[str, Any]:
        """Of a node that is made: error, tiles, faces, vertices."""
        if level:
            return told_of(self.path(level, node))[1]
        return {"error": 0.0, "tiles": 1, "faces": int(self.weld.face_counts[self.place[node]])}

    def is_built(self, level: int) -> bool:
        """Whether all nodes of a level are there as they have to be."""
        return level == 0 or all(told_of(self.path(level, node))[0] == key for node, key in self.keys[level].items())

    # ---- Making it ---------------------------------------------------------------------------------------
    def build(self, top: int | None = None) -> int:
        """Make what is not there with the keys that it has to have, up to a level; the number of nodes that were made.

        Nodes of a level are made by as many threads as the process has. Each is whole or absent, so a killed process goes on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        made = 0
        top = self.top if top is None else min(top, self.top)
        for level in range(1, top + 1):
            wanted = self.keys[level]
            todo = [node for node in sorted(wanted) if told_of(self.path(level, node))[0] != wanted[node]]
            with ThreadPoolExecutor(threads.count()) as pool:
                for i, _ in enumerate(pool.map(lambda node, at=level: self._make(at, node), todo)):
                    working_at(f"level {level} of {top}: part {i + 1} of {len(todo)}")
            made += len(todo)
        kept = {self.path(level, node).name for level in range(1, self.top + 1) for node in self.keys[level]}
        for path in self.folder.glob("*.safetensors"):
            if path.name not in kept:
                path.unlink()
        return made

    def _make(self, level: int, node: Tile) -> None:
        centre, parts, error, tiles = self.centre(level, node), [], 0.0, 0
        for child in self.children[level][node]:
            part = self.node(level - 1, child)
            error, tiles = max(error, float(part.facts["error"])), tiles + int(part.facts["tiles"])
            parts.append((self.centre(level - 1, child) - centre, part))
        mesh, border, keys, until = _joined(parts)
        stays = until > level
        border, keys, until = border[stays], keys[stays], until[stays]
        locked = np.zeros(len(mesh.vertices), bool)
        locked[border] = True
        at_sides = int(locked[mesh.faces].any(1).sum())
        made, number = decimate_locked(mesh, locked, at_sides + round(SHARE * (len(mesh.faces) - at_sides)))
        error += _farthest(mesh, made)
        Node(
            made.vertices.astype(np.float32),
            made.normals.astype(np.float16),
            made.faces.astype(np.int32),
            number[border].astype(np.int32),
            keys,
            until,
            self.keys[level][node],
            {"error": error, "tiles": tiles, "faces": len(made.faces), "vertices": len(made.vertices)},
        ).write(self.path(level, node))

    def _of_tile(self, tile: Tile) -> Node:
        """The kept faces of a tile."""
        i = self.place[tile]
        part = self.weld.part(i)
        mesh = part.mesh
        rows = np.arange(self.weld.begins[i], self.weld.begins[i] + len(mesh.border))
        faces = mesh.faces[part.kept]
        used = np.zeros(len(mesh.vertices), bool)
        used[faces] = True
        number = np.cumsum(used) - 1
        until = self.until[rows]
        shared = used[mesh.border] & (until < NEVER)
        return Node(
            mesh.vertices[used],
            mesh.normals[used],
            number[faces].astype(np.int32),
            number[mesh.border[shared]].astype(np.int32),
            mesh.keys[shared],
            until[shared],
            self.keys[0][tile],
            {"error": 0.0, "tiles": 1, "faces": len(faces), "vertices": int(used.sum())},
        )

    def _key_of_tile(self, tile: Tile) -> str:
        i = self.place[tile]
        begin = self.weld.begins[i]
        end = self.weld.begins[i + 1] if i + 1 < len(self.weld.begins) else len(self.until)
        key = told_of(self.tiles.path(tile, "mesh.safetensors"))[0]
        return _digest([key, self.until[begin:end].tobytes().hex(), self.weld.stays[i].tobytes().hex()])


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps([VERSION, SHARE, *parts]).encode()).hexdigest()


def _until(weld: Weld) -> NDArray[np.int8]:
    """(rows,) Of each vertex at a tile's side: the level from which on all tiles that have it are in one node."""
    counts = np.diff(np.append(weld.begins, len(weld.first)))
    owner = np.repeat(np.arange(len(weld.meshed)), counts)
    until = np.full(len(owner), NEVER, np.int8)
    if not len(owner):
        return until
    place = np.array(weld.meshed, np.int64)[owner]
    order = np.argsort(weld.first, kind="stable")
    new = np.diff(weld.first[order], prepend=-1) != 0
    starts = np.flatnonzero(new)
    low = np.minimum.reduceat(place[order], starts)
    high = np.maximum.reduceat(place[order], starts)
    apart = np.bitwise_xor(low, high).max(1)  # the highest bit in which two of them differ
    levels = np.where(apart > 0, np.frexp(apart.astype(np.float64))[1], NEVER).astype(np.int8)
    until[order] = levels[np.cumsum(new) - 1]
    return until


def _joined(parts: list[tuple[Array, Node]]) -> tuple[TriangleMesh, Index, Index, NDArray[np.int8]]:
    """Children as one mesh, their shared vertices joined by their keys; and what of these there are: border, keys, until.

    parts : (offset (3,), child)
    """
    counts = np.array([len(part.vertices) for _, part in parts])
    shift = np.cumsum(counts) - counts
    vertices = np.concatenate([part.vertices + offset for offset, part in parts]).astype(np.float64)
    normals = np.concatenate([part.normals for _, part in parts]).astype(np.float32)
    faces = np.concatenate([part.faces.astype(np.int64) + s for (_, part), s in zip(parts, shift, strict=True)])
    border = np.concatenate([part.border.astype(np.int64) + s for (_, part), s in zip(parts, shift, strict=True)])
    keys = np.concatenate([part.keys for _, part in parts]).reshape(-1, 2)
    until = np.concatenate([part.until for _, part in parts])
    order = np.lexsort((border, keys[:, 1], keys[:, 0]))
    new = np.ones(len(order), bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(1)
    first = order[np.flatnonzero(new)]
    number = np.arange(len(vertices))
    if len(order):
        number[border[order]] = border[first][np.cumsum(new) - 1]
    faces = number[faces]
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    place = np.cumsum(used) - 1
    held = first[used[border[first]]]
    mesh = TriangleMesh(vertices[used], place[faces], normals[used])
    return mesh, place[border[held]], keys[held], until[held]


def _farthest(mesh: TriangleMesh, made: TriangleMesh) -> float:
    """The largest distance of vertices of a mesh, each nth of them, from a coarser one."""
    if not len(made.faces):
        return 0.0
    some = mesh.vertices[:: max(1, len(mesh.vertices) // MEASURED)]
    return float(point_distances(made.vertices, made.faces, some).max())

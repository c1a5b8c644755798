"""Meshes of tiles -> one mesh: vertices at the tiles' sides joined by their keys, checked, and written without being held.

In memory are only the vertices and half-edges at the sides of the tiles, some hundredths of them all, and the components.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..pointcloud.io.ply import NORMALS
from ..runtime.files import write_atomically
from ..similarity import Similarity
from ..surface.connected_components import connected_components
from ..surface.facts import Verification
from .tile_mesh import TileMesh
from .tiles import Tile, Tiles

Index = NDArray[np.int64]

MOST_INDEX = 2**31 - 1  # of a vertex, in PLY's int
LEAST_CELLS = 12.0  # side, in lattice cells, of the square whose area a component has at least


@dataclass(frozen=True)
class Part:
    """One tile's part of the joined mesh.

    number : (n,) of each of its vertices in the joined mesh, -1 of those that are dropped
    new : (n,) which of them are written with this tile; kept : (m,) which faces are
    """

    tile: Tile
    mesh: TileMesh
    number: Index
    new: NDArray[np.bool_]
    kept: NDArray[np.bool_]


class Side(NamedTuple):
    """What of a tile's mesh concerns others: as of `TileMesh`, but for ``component`` (b,), which is that of border vertices."""

    border: NDArray[np.int32]
    keys: Index
    edges: NDArray[np.int32]
    component: Index
    area: NDArray[np.float64]
    volume: NDArray[np.float64]
    ends: Index
    facts: dict[str, Any]


class Weld:
    """Tiles that are meshed, as one mesh.

    Parameters
    ----------
    meshed : in the order in which they are written
    least_area : of a component that is kept, box units squared
    """

    def __init__(self, tiles: Tiles, meshed: Sequence[Tile], least_area: float) -> None:
        self.tiles, self.meshed = tiles, list(meshed)
        sides = [self._side(tile) for tile in self.meshed]
        self.facts = [side.facts for side in sides]
        borders = np.array([len(side.border) for side in sides], np.int64)
        self.begins = np.cumsum(borders) - borders  # of each tile's among all border vertices
        # ---- the same place has one number ------------------------------------------------------------
        keys = np.concatenate([np.empty((0, 2), np.int64), *(side.keys.reshape(-1, 2) for side in sides)])
        order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
        begins = np.ones(len(keys), bool)
        begins[1:] = (keys[order[1:]] != keys[order[:-1]]).any(1)
        self.first = np.empty(len(keys), np.int64)  # of each, the row of the tile that comes first
        self.first[order] = order[begins][np.cumsum(begins) - 1]
        # ---- components of the whole ------------------------------------------------------------------
        counts = np.array([len(side.area) for side in sides], np.int64)
        shift = np.cumsum(counts) - counts
        of_border = np.concatenate([np.empty(0, np.int64), *(s.component + k for s, k in zip(sides, shift, strict=True))])
        self.components, label = connected_components(np.stack([of_border, of_border[self.first]], 1), int(counts.sum()))
        area = np.bincount(label, np.concatenate([np.empty(0), *(side.area for side in sides)]), self.components)
        stays = area >= least_area
        if not stays.any() and len(area):
            stays[np.argmax(area)] = True
        self.dropped = int((~stays).sum())
        self.stays = [stays[label[k : k + count]] for k, count in zip(shift, counts, strict=True)]
        self.area, self.volume, self.ends = (
            sum(float(getattr(side, name)[kept].sum()) for side, kept in zip(sides, self.stays, strict=True))
            for name in ("area", "volume", "ends")
        )
        # ---- numbers of vertices ----------------------------------------------------------------------
        self.offsets = np.zeros(len(sides) + 1, np.int64)
        self.face_counts = np.zeros(len(sides), np.int64)
        numbers = np.full(len(keys), -1, np.int64)
        halves = [np.empty((0, 2), np.int64)]
        for i, side in enumerate(sides):
            mesh = TileMesh.open(self._path(i), "border", "component", "faces")
            part = self._of(i, mesh, None)
            self.offsets[i + 1] = self.offsets[i] + int(part.new.sum())
            self.face_counts[i] = int(part.kept.sum())
            rows = self.begins[i] + np.flatnonzero(part.new[mesh.border])
            numbers[rows] = (np.cumsum(part.new) - 1 + self.offsets[i])[mesh.border[part.new[mesh.border]]]
            kept = self.stays[i][side.component[side.edges[:, 0]]] if len(side.edges) else np.empty(0, bool)
            halves.append(self.begins[i] + side.edges.reshape(-1, 2)[kept].astype(np.int64))
        self.numbers = numbers[self.first]  # of each border vertex in the joined mesh
        self.halves = np.concatenate(halves)

    def _path(self, i: int) -> Path:
        return self.tiles.path(self.meshed[i], "mesh.safetensors")

    def _side(self, tile: Tile) -> Side:
        mesh = TileMesh.open(
            self.tiles.path(tile, "mesh.safetensors"), "border", "keys", "edges", "component", "area", "volume", "ends"
        )
        of_border = mesh.component[mesh.border].astype(np.int64)
        return Side(mesh.border, mesh.keys, mesh.edges, of_border, mesh.area, mesh.volume, mesh.ends, mesh.facts)

    @property
    def vertices(self) -> int:
        return int(self.offsets[-1])

    @property
    def faces(self) -> int:
        return int(self.face_counts.sum())

    # ---- Part by part ----------------------------------------------------------------------------------
    def _of(self, i: int, mesh: TileMesh, numbers: Index | None) -> Part:
        stays = self.stays[i][mesh.component] if len(self.stays[i]) else np.zeros(len(mesh.component), bool)
        used = np.zeros(len(mesh.component), bool)
        used[mesh.faces] = True
        stays &= used
        rows = np.arange(self.begins[i], self.begins[i] + len(mesh.border))
        new = stays.copy()
        new[mesh.border] &= self.first[rows] == rows
        number = np.full(len(stays), -1, np.int64)
        if numbers is not None:
            number[new] = self.offsets[i] + np.arange(int(new.sum()))
            number[mesh.border] = numbers[rows]
        kept = stays[mesh.faces[:, 0]] if len(mesh.faces) else np.empty(0, bool)
        return Part(self.meshed[i], mesh, number, new, kept)

    def part(self, i: int) -> Part:
        """Tile i of the order, opened now."""
        mesh = TileMesh.open(self._path(i))
        return self._of(i, mesh, self.numbers)

    def parts(self) -> Iterator[Part]:
        for i in range(len(self.meshed)):
            if self.face_counts[i]:
                yield self.part(i)

    # ---- What it is ------------------------------------------------------------------------------------
    def verification(self, scale: float) -> Verification:
        """As `surface.verify.verify`, of edges that all tiles counted for themselves and those at their sides, counted here; of
        vertices the fans are counted inside of the tiles. ``scale``: user units to a box unit"""
        ends = self.numbers[self.halves]
        forward = ends[:, 0] < ends[:, 1]
        low, high = ends.min(1, initial=MOST_INDEX), ends.max(1, initial=-1)
        order = np.lexsort((high, low))
        low, high, forward = low[order], high[order], forward[order]
        begins = (
            np.flatnonzero(np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])]) if len(low) else np.empty(0, np.int64)
        )
        uses = np.diff(np.r_[begins, len(low)])
        ways = np.add.reduceat(forward.astype(np.int64), begins) if len(begins) else np.empty(0, np.int64)

        def total(name: str) -> int:
            return sum(int(facts[name]) for facts in self.facts)

        boundary = int(self.ends) + int((uses == 1).sum())
        nonmanifold = total("nonmanifold_edges") + int((uses > 2).sum())
        misoriented = total("misoriented_edges") + int(((uses == 2) & (ways != 1)).sum())
        components = self.components - self.dropped
        watertight = not (boundary or nonmanifold or misoriented) and bool(self.faces)
        edges = (3 * self.faces + boundary) // 2
        genus = components - (self.vertices - edges + self.faces) // 2 if watertight else None
        return Verification(
            vertices=self.vertices,
            faces=self.faces,
            boundary_edges=boundary,
            nonmanifold_edges=nonmanifold,
            misoriented_edges=misoriented,
            nonmanifold_vertices=total("nonmanifold_vertices"),
            components=components,
            genus=genus,
            volume=self.volume * scale**3 if watertight else None,
            area=self.area * scale**2,
            watertight=watertight,
        )

    # ---- The file --------------------------------------------------------------------------------------
    def write_ply(self, path: Path, frame: Similarity, double: bool) -> None:
        """One binary PLY file, tile by tile. Raises RunError if its indices would not fit, or it cannot be written."""
        if self.vertices > MOST_INDEX:
            hint = "--tiles keeps it as tiles; or a lower --resolution"
            raise RunError(f"{self.vertices:,} vertices are more than PLY can number", where=path, hint=hint)
        kind = "<f8" if double else "<f4"
        layout = np.dtype([*((name, kind) for name in "xyz"), *((name, "<f4") for name in NORMALS)])
        triangle = np.dtype([("corners", "u1"), ("vertex_indices", "<i4", (3,))])

        def content(file: IO[bytes]) -> None:
            real = "double" if double else "float"
            columns = [*(f"property {real} {name}" for name in "xyz"), *(f"property float {name}" for name in NORMALS)]
            head = ["ply", "format binary_little_endian 1.0", "comment shapesiren", f"element vertex {self.vertices}", *columns]
            head += [f"element face {self.faces}", "property list uchar int vertex_indices", "end_header"]
            file.write(("\n".join(head) + "\n").encode())
            for part in self.parts():
                rows = np.empty(int(part.new.sum()), layout)
                at = frame.to_user(part.mesh.vertices[part.new].astype(np.float64) + self.tiles.centre(part.tile))
                normals = part.mesh.normals[part.new].astype(np.float32)
                for k in range(3):
                    rows["xyz"[k]], rows[NORMALS[k]] = at[:, k], normals[:, k]
                file.write(rows.tobytes())
            for part in self.parts():
                faces = np.empty(int(part.kept.sum()), triangle)
                faces["corners"], faces["vertex_indices"] = 3, part.number[part.mesh.faces[part.kept]]
                file.write(faces.tobytes())

        try:
            write_atomically(path, content)
        except OSError as e:
            raise RunError(f"cannot write ({e.strerror})", where=path) from None

"""One level of a large run's mesh, from part to part: for files that are written without being held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..pointcloud.io.ply import NORMALS
from ..runtime.files import write_atomically
from ..similarity import Similarity
from ..surface.glb import check_size, write_glb
from .pyramid import Pyramid
from .tiles import Tile
from .weld import MOST_INDEX

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class LevelPart:
    """vertices : (n, 3) in the user's coordinates, those that no part before has; normals : (n, 3); faces : (m, 3) numbers of
    vertices of the whole level"""

    vertices: Array
    normals: NDArray[np.float32]
    faces: Index


class LevelMesh:
    """A level that is built, as one mesh.

    Parameters
    ----------
    frame : of the user's coordinates, to which ``scale`` is applied
    """

    def __init__(self, pyramid: Pyramid, level: int, frame: Similarity, scale: float = 1.0) -> None:
        self.pyramid, self.level, self.frame, self.scale = pyramid, min(level, pyramid.top), frame, scale
        self.nodes = sorted(pyramid.keys[self.level])
        keys, counts, faces, ours = [np.empty((0, 2), np.int64)], [], 0, []
        for node in self.nodes:
            part = pyramid.node(self.level, node)
            keys.append(part.keys.reshape(-1, 2))
            counts.append(len(part.vertices))
            faces += len(part.faces)
            ours.append(part.border)
        every = np.concatenate(keys)
        sizes = np.array([len(border) for border in ours], np.int64)
        self.begins = np.cumsum(sizes) - sizes
        order = np.lexsort((np.arange(len(every)), every[:, 1], every[:, 0]))
        new = np.ones(len(order), bool)
        new[1:] = (every[order[1:]] != every[order[:-1]]).any(1)
        first = np.empty(len(every), np.int64)
        first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1] if len(order) else 0
        self.first = first  # row of the part that writes it
        rows = np.arange(len(every))
        self.mine = first == rows
        written = np.array(
            [n - int((~self.mine[b : b + s]).sum()) for n, b, s in zip(counts, self.begins, sizes, strict=True)], np.int64
        )
        self.offsets = np.cumsum(written) - written
        self.vertices, self.faces = int(written.sum()), faces
        self.number = np.full(len(every), -1, np.int64)
        for i, border in enumerate(ours):
            here = slice(self.begins[i], self.begins[i] + sizes[i])
            place = self._written(counts[i], border, self.mine[here])
            self.number[here] = np.where(self.mine[here], self.offsets[i] + np.cumsum(place)[border] - 1, -1)
        self.number = self.number[first] if len(first) else self.number

    @staticmethod
    def _written(count: int, border: NDArray[np.int32], mine: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) which vertices of a part are written with it."""
        written = np.ones(count, bool)
        written[border[~mine]] = False
        return written

    def parts(self) -> Iterator[LevelPart]:
        """Node by node."""
        for i, node in enumerate(self.nodes):
            yield self.part(i, node)

    def part(self, i: int, node: Tile) -> LevelPart:
        made = self.pyramid.node(self.level, node)
        here = slice(self.begins[i], self.begins[i] + len(made.border))
        written = self._written(len(made.vertices), made.border, self.mine[here])
        number = self.offsets[i] + np.cumsum(written) - 1
        number[made.border] = self.number[here]
        at = self.frame.to_user(made.vertices[written].astype(np.float64) + self.pyramid.centre(self.level, node))
        return LevelPart(at * self.scale, made.normals[written].astype(np.float32), number[made.faces])

    # ---- Files -------------------------------------------------------------------------------------------
    def write_ply(self, path: Path, double: bool, units: str | None = None) -> None:
        """One binary PLY file. Raises InputError if its vertices are more than its indices can number."""
        if self.vertices > MOST_INDEX:
            raise InputError(
                f"{self.vertices:,} vertices are more than PLY can number (2^31)",
                where=path,
                hint="-o FOLDER/tiles.json keeps tiles, --level 1 is coarser",
            )
        kind = "<f8" if double else "<f4"
        layout = np.dtype([*((name, kind) for name in "xyz"), *((name, "<f4") for name in NORMALS)])
        triangle = np.dtype([("corners", "u1"), ("vertex_indices", "<i4", (3,))])
        real = "double" if double else "float"
        columns = [*(f"property {real} {name}" for name in "xyz"), *(f"property float {name}" for name in NORMALS)]
        head = ["ply", "format binary_little_endian 1.0", "comment shapesiren", *([f"comment units {units}"] if units else [])]
        head += [f"element vertex {self.vertices}", *columns]
        head += [f"element face {self.faces}", "property list uchar int vertex_indices", "end_header"]

        def content(file: IO[bytes]) -> None:
            file.write(("\n".join(head) + "\n").encode())
            for part in self.parts():
                rows = np.empty(len(part.vertices), layout)
                for k in range(3):
                    rows["xyz"[k]], rows[NORMALS[k]] = part.vertices[:, k], part.normals[:, k]
                file.write(rows.tobytes())
            for part in self.parts():
                faces = np.empty(len(part.faces), triangle)
                faces["corners"], faces["vertex_indices"] = 3, part.faces
                file.write(faces.tobytes())

        write_atomically(path, content)

    def write_glb(self, path: Path, double: bool) -> None:
        """One GLB file; coordinates that float32 would lose count from the frame's centre, which is in the node's matrix.

        Raises InputError if it would be longer than 4 GiB.
        """
        check_size(self.vertices, self.faces, path)
        offset = np.array(self.frame.centre) * self.scale if double else np.zeros(3)
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for part in self.parts():
            if len(part.vertices):
                low = np.minimum(low, (part.vertices - offset).min(0))
                high = np.maximum(high, (part.vertices - offset).max(0))
        matrix = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, *offset.tolist(), 1) if double else None
        parts = lambda: ((p.vertices - offset, p.normals, p.faces) for p in self.parts())  # noqa: E731
        write_atomically(path, lambda file: write_glb(file, parts, self.vertices, self.faces, low, high, matrix))

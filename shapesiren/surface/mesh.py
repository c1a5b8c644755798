"""A triangle mesh as `extract` makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .connected_components import connected_components

FACES_AT_ONCE = 500_000  # bounds the memory of what is computed at their corners


def faces_in_parts(faces: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Faces (m, 3), so many at a time that a mesh of millions keeps its memory."""
    for start in range(0, len(faces), FACES_AT_ONCE):
        yield faces[start : start + FACES_AT_ONCE]


@dataclass(frozen=True)
class Texture:
    """A picture on a mesh, whose vertices have several places in it where it is cut.

    uv : (k, 2) places in the picture, of [0, 1] to the right and upwards, as OBJ counts them
    vertex : (k,) vertex of the mesh that each is of; faces : (m, 3) into ``uv``, in the order of the mesh's
    image : (size, size, 3) uint8, the first row at the top
    """

    uv: NDArray[np.float64]
    vertex: NDArray[np.int64]
    faces: NDArray[np.int64]
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class TriangleMesh:
    """A mesh with what its vertices have.

    vertices : (n, 3) float64; faces : (m, 3) int64, counter-clockwise seen from outside;
    normals : (n, 3) float32, unit, outward; colours : (n, 3) uint8 or None; intensity : (n,) float32 or None
    uncertainty : (n,) float32 or None, standard deviation of each vertex across the surface
    invented : (n,) uint8 or None, 1 where no point is near and a prior made the surface
    texture : of the faces as they are, or None
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float32]
    colours: NDArray[np.uint8] | None = None
    intensity: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    texture: Texture | None = None
    invented: NDArray[np.uint8] | None = None

    def keep_faces(self, keep: NDArray[np.bool_]) -> TriangleMesh:
        """The mesh of the faces in ``keep`` (m,), without vertices that none of them uses."""
        faces = self.faces[keep]
        used = np.zeros(len(self.vertices), bool)
        used[faces] = True
        number = np.cumsum(used) - 1
        return replace(
            self,
            vertices=self.vertices[used],
            faces=number[faces],
            normals=self.normals[used],
            colours=None if self.colours is None else self.colours[used],
            intensity=None if self.intensity is None else self.intensity[used],
            uncertainty=None if self.uncertainty is None else self.uncertainty[used],
            texture=None,
            invented=None if self.invented is None else self.invented[used],
        )

    def face_areas(self) -> NDArray[np.float64]:
        """(m,) areas, in squared units of the vertices."""
        areas = [np.empty(0)]
        for faces in faces_in_parts(self.faces):
            a, b, c = self.vertices[faces.T]
            areas.append(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
        return np.concatenate(areas)

    def edge_keys(self) -> NDArray[np.int64]:
        """(m, 3) a number for each side of each face, the same for the faces that share it."""
        ends = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 3, 2), axis=2)
        keys: NDArray[np.int64] = ends[..., 0] * len(self.vertices) + ends[..., 1]
        return keys

    def face_components(self, by_edge: bool = False) -> tuple[int, NDArray[np.int64]]:
        """Number of connected components, and (m,) the one that each face belongs to.

        ``by_edge``: faces are connected where they share an edge; otherwise a vertex is enough, which is quicker to find.
        """
        if by_edge:
            key = self.edge_keys().reshape(-1)
            order = np.argsort(key, kind="stable")
            same = np.flatnonzero(key[order[1:]] == key[order[:-1]])
            count, label = connected_components(np.stack([order[same], order[same + 1]], 1) // 3, len(self.faces))
        else:
            count, label = connected_components(self.faces, len(self.vertices))
            label = label[self.faces[:, 0]]
            used = np.zeros(count, bool)  # a vertex without faces is none
            used[label] = True
            count, label = int(used.sum()), (np.cumsum(used) - 1)[label]
        return count, label.astype(np.int64)

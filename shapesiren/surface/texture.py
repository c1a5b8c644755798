"""A texture of the scan's colours: each texel has those of the points nearest to its place on the mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..pointcloud.header import CloudHeader
from ..pointcloud.units import suffix
from ..runtime.kdtree import KDTree
from ..runtime.triangles import Triangles
from .atlas import Atlas, require_xatlas, unwrap
from .attributes import blended
from .io import TEXTURED
from .mesh import Texture, TriangleMesh
from .settings import MeshSettings

ROUND = 2  # texels round a chart that get the colour of its border; all others copy their nearest
AT_ONCE = 500_000  # texels
NEIGHBOURS, MOST_NEIGHBOURS = 4, 32


def check_textured(path: Path) -> None:
    """Raise InputError if the format of ``path`` holds no texture."""
    if path.suffix.lower() not in TEXTURED:
        hint = f"name one of {' '.join(TEXTURED)}, or leave --texture out: {path.suffix.upper()[1:]} keeps colours of vertices"
        if path.suffix.lower() in (".stl", ".off"):
            hint = f"name one of {' '.join(TEXTURED)}, or leave --texture out"
        raise InputError(f"{path.suffix.upper()[1:] or 'such a file'} holds no texture", where=path, hint=hint)


def check_texture(settings: MeshSettings, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise InputError if the texture that ``settings`` ask for cannot be made of the ``arrays`` of the ingested cloud."""
    if settings.texture is None:
        return
    if "colours" not in arrays:
        raise InputError("the scan has no colours to make a texture of", where="mesh.texture", hint="leave it out")
    if settings.printing:
        raise InputError("a part to print has no texture", where="mesh.texture", hint="leave out what makes it a part")
    require_xatlas()


def textured(
    mesh: TriangleMesh,
    field: Field,
    arrays: dict[str, NDArray[Any]],
    size: int,
    say: Callable[[str], None] = lambda _: None,
) -> TriangleMesh:
    """The mesh (user coordinates) with a texture of ``size`` texels a side.

    Parameters
    ----------
    arrays : of the ingested cloud: its points (box coordinates) and their colours
    say : is told what is done, which takes a minute for a large mesh
    """
    check_texture(MeshSettings(texture=size), arrays)
    header, scale = CloudHeader.of(field.header), field.frame.scale
    say(f"texture: unwrapping {len(mesh.faces):,} faces")
    atlas = unwrap(mesh, size)
    vertices = field.frame.to_box(mesh.vertices)[atlas.vertex]
    texel, unit = texel_size(vertices, atlas, size) * scale, suffix(header.units)
    beside = f", points {header.spacing * scale:.3g}{unit} apart" if header.spacing else ""
    say(f"texture: {atlas.charts:,} charts on {size:,} x {size:,} texels of {texel:.3g}{unit}{beside}")
    image = bake(atlas, vertices, size, KDTree(arrays["points"].astype(np.float64)), np.asarray(arrays["colours"]))
    uv = np.stack([atlas.place[:, 0], 1 - atlas.place[:, 1]], 1)
    return replace(mesh, texture=Texture(uv, atlas.vertex, atlas.faces, image))


def texel_size(vertices: NDArray[np.float64], atlas: Atlas, size: int) -> float:
    """Side of a texel on the mesh, in the units of ``vertices`` (k, 3) at the atlas's corners."""
    return float((_area(vertices[atlas.faces]) / max(_area(atlas.place[atlas.faces] * size), 1e-300)) ** 0.5)


def _area(corners: NDArray[np.float64]) -> float:
    """Of triangles (m, 3, d)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    squared = (a**2).sum(1) * (b**2).sum(1) - (a * b).sum(1) ** 2
    return float(np.sqrt(np.maximum(squared, 0)).sum() / 2)


def bake(atlas: Atlas, vertices: NDArray[np.float64], size: int, tree: KDTree, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (size, size, 3) of an atlas whose corners lie at ``vertices`` (k, 3), in the coordinates of the points.

    Colours go on for some texels beyond the border of each chart, and from there as they are there, over all of the picture:
    what a viewer mixes at a border, in any mipmap, is the border's own colour.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt

    face, weights = _faces_at_texels(atlas, size)
    covered = face >= 0
    near = np.flatnonzero((binary_dilation(covered.reshape(size, size), np.ones((3, 3)), ROUND).reshape(-1)) & ~covered)
    face[near], weights[near] = _nearest_faces(atlas, size, near)

    known = np.flatnonzero(face >= 0)
    neighbours = int(np.clip(round(NEIGHBOURS * tree.n / max(int(covered.sum()), 1)), NEIGHBOURS, MOST_NEIGHBOURS))
    reach = texel_size(vertices, atlas, size) / 2  # points of one texel count alike
    image = np.zeros((size * size, 3), np.uint8)
    for start in range(0, len(known), AT_ONCE):
        some = known[start : start + AT_ONCE]
        w = weights[some].astype(np.float64)
        corner = vertices[atlas.faces[face[some]]]
        at = corner[:, 0] * (1 - w.sum(1, keepdims=True)) + corner[:, 1] * w[:, :1] + corner[:, 2] * w[:, 1:]
        image[some] = blended(tree, colours, at, neighbours, reach)
    picture = image.reshape(size, size, 3)
    empty = (face < 0).reshape(size, size)
    if empty.any():
        rows, columns = distance_transform_edt(empty, return_distances=False, return_indices=True)
        picture = picture[rows, columns]
    return picture


def _scene(atlas: Atlas, size: int) -> Triangles:
    """The charts in the plane, in texels."""
    flat = np.zeros((len(atlas.place), 3))
    flat[:, :2] = atlas.place * size
    return Triangles(flat, atlas.faces)


def _faces_at_texels(atlas: Atlas, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(size²,) face at the centre of each texel, row by row, -1 where there is none; (size², 2) weights of its second and third
    corner."""
    scene, rows = _scene(atlas, size), max(1, AT_ONCE // size)
    face, weights = np.full(size * size, -1), np.zeros((size * size, 2), np.float32)
    for first in range(0, size, rows):
        y, x = np.mgrid[first : min(first + rows, size), :size].reshape(2, -1)
        down = np.broadcast_to(np.array([0.0, 0.0, -1.0]), (len(x), 3))
        hit = scene.cast(np.stack([x + 0.5, y + 0.5, np.ones(len(x))], 1), down)
        at = first * size + np.flatnonzero(hit.found)
        face[at], weights[at] = hit.faces[hit.found], hit.uvs[hit.found]
    return face, weights


def _nearest_faces(atlas: Atlas, size: int, texels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The same of the nearest place of any chart, for texels (t,) by their number."""
    scene = _scene(atlas, size)
    at = np.zeros((len(texels), 3))
    at[:, 0], at[:, 1] = texels % size + 0.5, texels // size + 0.5
    hit = scene.closest(at)
    return hit.faces, hit.uvs.astype(np.float32)

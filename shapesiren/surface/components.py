"""What belongs to the scan stays of a mesh, in box coordinates: trimming, phantoms, small parts; and its colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..field import Field
from ..runtime.kdtree import KDTree
from .mesh import TriangleMesh
from .settings import MeshSettings
from .trim import cut, fill_holes, trim

Array = NDArray[np.float64]

SMALL = (1e-3, 2e-4)  # share of the area, of closed and of open scans
PHANTOM = 0.1  # a component of which a smaller share is near any point is none of the scan's


def clean_up(
    mesh: TriangleMesh,
    field: Field,
    points: Array,
    tree: KDTree,
    settings: MeshSettings,
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> TriangleMesh:
    """Trim an open scan, drop phantoms and small components; what was done goes into ``facts`` and to ``say``.

    Raises
    ------
    RunError : nothing would be left
    """
    scale, header = field.frame.scale, field.header
    if settings.trim == "on" or (settings.trim == "auto" and bool(header["open"])):
        fixed = settings.trim_distance / scale if settings.trim_distance else None
        keep, level, reach = trim(mesh, points, tree, header["spacing"], header["support"], fixed)
        if settings.fill_holes:
            keep = fill_holes(mesh, keep, settings.fill_holes / scale)
        if not keep.any():
            raise RunError("trimming leaves nothing of the surface", where="mesh", hint="--set mesh.trim=off")
        before = float(mesh.face_areas().sum())
        mesh = cut(mesh, keep, level)
        share = 1 - float(mesh.face_areas().sum()) / before
        facts["trimmed"] = {"distance": reach * scale, "area_share": share}
        say(
            f"open scan: trimmed what lies farther than about {reach * scale:.3g} from any point "
            f"({share:.1%} of the area; --set mesh.trim=off keeps it)"
        )
    mesh, phantoms = drop_phantoms(mesh, tree, header["support"])
    if phantoms:
        say(f"dropped {phantoms} components that no point supports")
    least = settings.min_component
    if least is None:  # the sparse parts of an open scan are islands, and surface all the same
        least = SMALL[bool(header["open"])]
    mesh, small = drop_small_components(mesh, least, by_edge="trimmed" in facts)
    if small:
        say(f"dropped {small} components below {least:.2%} of the area")
    if settings.largest is not None:
        mesh, others = keep_largest(mesh, settings.largest)
        facts["dropped_others"] = others
    facts["dropped_components"], facts["dropped_phantoms"] = small, phantoms
    return mesh


def drop_phantoms(mesh: TriangleMesh, tree: KDTree, support: float) -> tuple[TriangleMesh, int]:
    """Without the components that lie away from all points, unless that is all of them; and how many those were."""
    count, label = mesh.face_components()
    if count < 2:
        return mesh, 0
    near = tree.query(mesh.vertices, distance_upper_bound=support)[0] <= support
    share = np.bincount(label, near[mesh.faces].mean(1), count) / np.bincount(label, minlength=count)
    phantom = share < PHANTOM
    if phantom.all() or not phantom.any():
        return mesh, 0
    return mesh.keep_faces(~phantom[label]), int(phantom.sum())


def drop_small_components(mesh: TriangleMesh, share: float, by_edge: bool = False) -> tuple[TriangleMesh, int]:
    """Without the components whose area is below ``share`` of the whole; and how many those were.

    ``by_edge``: scraps that hang on the rest by a single vertex count as components too; trimming leaves some.
    """
    count, label = mesh.face_components(by_edge)
    if count < 2 or share <= 0:
        return mesh, 0
    areas = np.bincount(label, mesh.face_areas(), count)
    small = areas < share * areas.sum()
    return (mesh.keep_faces(~small[label]), int(small.sum())) if small.any() else (mesh, 0)


def keep_largest(mesh: TriangleMesh, most: int) -> tuple[TriangleMesh, int]:
    """The ``most`` components with the largest areas; and how many were dropped."""
    count, label = mesh.face_components()
    if count <= most:
        return mesh, 0
    areas = np.bincount(label, mesh.face_areas(), count)
    kept = np.isin(label, np.argsort(areas)[-most:])
    return mesh.keep_faces(kept), count - most


def carry(
    mesh: TriangleMesh,
    tree: KDTree,
    colours: NDArray[np.uint8] | None,
    intensity: NDArray[np.float32] | None,
    neighbours: int = 4,
) -> TriangleMesh:
    """The mesh with colours (n, 3) and intensity (n,) of the points: the nearest ones', by inverse squared distance."""
    distance, near = tree.query(mesh.vertices, [*range(1, min(neighbours, tree.n) + 1)])
    weight = 1 / np.maximum(distance, 1e-12) ** 2
    weight /= weight.sum(1, keepdims=True)
    if colours is not None:
        blended = np.einsum("nk,nkc->nc", weight, colours[near].astype(np.float64))
        mesh = replace(mesh, colours=np.clip(np.rint(blended), 0, 255).astype(np.uint8))
    if intensity is not None:
        mesh = replace(mesh, intensity=(intensity[near] * weight).sum(1).astype(np.float32))
    return mesh

"""A part for a printer, of a closed mesh: turned upright, cut flat, scaled to its height, hollowed, drained, verified."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, RunError
from ...field import Field
from ...pointcloud.header import CloudHeader
from ...pointcloud.units import factor
from ...runtime.kdtree import KDTree
from ..mesh import TriangleMesh
from ..settings import MeshSettings
from ..verify import verify
from .base import cut_base
from .facts import Hollow, PartFacts
from .hollow import cavity, drain_through, pockets_to_keep
from .solids import from_mesh, require_manifold3d, to_mesh
from .walls import thickness, walls_of

if TYPE_CHECKING:
    from manifold3d import Manifold

Array = NDArray[np.float64]

UPRIGHT = {"x": [1, 2, 0], "y": [2, 0, 1], "z": [0, 1, 2]}  # axes of the scan that become x, y, z


def check_printing(settings: MeshSettings, units: str | None = None) -> None:
    """Raise InputError if what is asked of a part of a scan in ``units`` makes no sense, or cannot be made here."""
    if not settings.printing:
        return
    if settings.hollow and not settings.height and units is None:
        raise InputError("a wall in millimetres needs the part's size", where="--hollow", hint="--height 120mm")
    if settings.drain and not settings.hollow:
        raise InputError("only a hollow part has something to drain", where="--drain", hint="--hollow 2mm")
    require_manifold3d()


def make_part(mesh: TriangleMesh, field: Field, settings: MeshSettings, up: str) -> tuple[TriangleMesh, PartFacts, Array]:
    """The part that settings ask for, in millimetres, z up, its lowest point at z = 0, x and y centred.

    Parameters
    ----------
    mesh : closed, in the user's units
    up : axis of the scan that points up: x, y or z

    Returns
    -------
    part, facts, and (m,) the thickness of each of its faces

    Raises
    ------
    RunError : it cannot be done to this mesh
    """
    axes = UPRIGHT[up]
    origin = mesh.vertices.mean(0)  # UTM coordinates lose nothing
    solid = from_mesh((mesh.vertices - origin)[:, axes], mesh.faces)
    cut, stands = 0.0, None
    if settings.flat_base:
        solid, cut, stands = cut_base(solid)
    box = np.array(solid.bounding_box())
    low, extent = box[:3], box[3:] - box[:3]
    units = CloudHeader.of(field.header).units
    own = 1.0 if units is None else factor(units, "mm")  # where nothing is known a unit is taken for a millimetre
    scale = settings.height / float(extent[2]) if settings.height else own
    shift = np.array([low[0] + extent[0] / 2, low[1] + extent[1] / 2, low[2]])
    solid = solid.translate((-shift).tolist()).scale([scale] * 3)

    hollow = None
    if settings.hollow:

        def distance(x: Array) -> Array:
            scan = np.empty_like(x)
            scan[:, axes] = x / scale + shift
            return field.box_values(field.frame.to_box(scan + origin)).astype(np.float64) * field.frame.scale * scale

        solid, hollow = hollowed(solid, settings.hollow, settings.drain, distance)

    vertices, faces = to_mesh(solid)
    part = TriangleMesh(vertices, faces, vertex_normals(vertices, faces))
    checked = verify(part)
    if not checked.watertight or checked.volume is None:
        raise RunError("the part is not closed", where="printing", hint="another --resolution")
    if mesh.colours is not None:
        upright = ((mesh.vertices - origin)[:, axes] - shift) * scale
        part = TriangleMesh(vertices, faces, part.normals, colours=mesh.colours[KDTree(upright).query(vertices)[1]])
    thick, areas = thickness(vertices, faces), part.face_areas()
    facts = PartFacts(
        up=up,
        scale=scale,
        size=np.ptp(vertices, axis=0).tolist(),
        volume=checked.volume,
        bodies=sum(body.volume() > 0 for body in solid.decompose()),
        watertight=checked.watertight,
        **(base_of(part, cut * scale, bool(stands)) if settings.flat_base else {}),
        **({} if hollow is None else {"hollow": hollow}),
        walls=walls_of(thick, areas, settings.nozzle),
    )
    return part, facts, thick


def hollowed(solid: Manifold, wall: float, drain: float | None, distance: Callable[[Array], Array]) -> tuple[Manifold, Hollow]:
    """A solid with z up on z = 0, with a cavity ``wall`` below its surface, drained where asked; millimetres.

    ``distance`` : the fit's, (k, 3) -> (k,); it knows nothing of a base that was cut, and is told
    """
    pockets, origin, median = cavity(*to_mesh(solid), wall, lambda x: np.maximum(distance(x), -x[:, 2]))
    pockets, left = pockets_to_keep(pockets, only_largest=drain is not None)
    whole = solid.volume()
    made = solid - pockets
    if drain is not None:
        made = made - drain_through(pockets, wall, drain)
    optional = {} if drain is None else {"drain": drain}
    saved = 1 - made.volume() / whole
    return made, Hollow(wall=wall, wall_median=median, origin=origin, saved_share=saved, closed_pockets=left, **optional)


def base_of(part: TriangleMesh, cut: float, stands: bool) -> dict[str, float | bool]:
    """What is told of the base of a part, of its faces that look down at z = 0."""
    corner = part.vertices[part.faces]
    edge, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    normal = np.cross(edge, other)
    down = (normal[:, 2] < 0) & (np.abs(normal[:, :2]).max(1) <= 1e-6 * -normal[:, 2])
    down &= corner[:, :, 2].max(1) <= 1e-3 * float(part.vertices[:, 2].max())
    if not down.any():
        raise RunError("the base did not become flat", where="--flat-base", hint="another --up or --resolution")
    flatness = float(np.abs(corner[down, :, 2]).max())
    return {
        "base_cut": cut,
        "base_area": float(-normal[down, 2].sum() / 2),
        "base_flatness": flatness,
        "stands": stands,
    }


def vertex_normals(vertices: Array, faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, 3) unit normals, of the faces round each vertex by their areas."""
    a, b, c = vertices[faces.T]
    normal = np.zeros_like(vertices)
    for corner in faces.T:
        np.add.at(normal, corner, np.cross(b - a, c - a))
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return (normal / np.maximum(length, 1e-300)).astype(np.float32)

"""The part to print that stage ``mesh`` makes beside the mesh, and the picture of where it is thin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from ..pointcloud.cloud import PointCloud
from ..pointcloud.header import CloudHeader
from ..pointcloud.upright import vertical_of_scan
from ..similarity import Similarity
from ..surface.io import write_mesh
from ..surface.mesh import TriangleMesh
from ..surface.printing.facts import PartFacts
from ..surface.printing.part import make_part
from ..surface.settings import MeshSettings
from .shape_settings import PART, PART_PICTURE

THIN, THICK = (214, 39, 40), (200, 204, 210)  # colours of walls below what a nozzle needs, and of all else
PIXELS = 720


def write_part(mesh: TriangleMesh, fitted: Field, settings: MeshSettings, report_up: str, folder: Path) -> PartFacts:
    """Make the part that ``settings`` ask for of a closed ``mesh`` in the user's units; write it and its picture."""
    asked = [axis for axis in (settings.up, report_up) if axis != "auto"]
    up = asked[0] if asked else vertical_of_scan(CloudHeader.of(fitted.header))
    part, facts, thick = make_part(mesh, fitted, settings, up)
    extent = float(max(facts.size))
    write_mesh(folder / PART, part, Similarity((0.0, 0.0, 0.0), extent / 2), 1024)
    picture_of_walls(part, thick < facts.walls.least, folder / PART_PICTURE)
    return facts


def picture_of_walls(part: TriangleMesh, thin: NDArray[np.bool_], path: Path) -> None:
    """The part, z up, from the front and from behind; faces in ``thin`` (m,) are red."""
    from ..reports.render import Camera, draw, save_panels

    vertices, faces = part.vertices[part.faces.reshape(-1)], np.arange(3 * len(part.faces)).reshape(-1, 3)
    colours = np.repeat(np.where(thin[:, None], THIN, THICK).astype(np.uint8), 3, axis=0)
    normals = part.normals[part.faces.reshape(-1)].astype(np.float64)
    cloud = PointCloud(vertices, normals, colours=colours, faces=faces)
    cameras = [Camera.framing(part.vertices, azimuth, elevation, "z") for azimuth, elevation in ((-60, 20), (120, -20))]
    save_panels([draw(cloud, camera, PIXELS) for camera in cameras], path)

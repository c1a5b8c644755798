"""Field -> mesh, step by step: the level set, what of it belongs to the scan, what was asked for, verification, judgement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from ..pointcloud.header import CloudHeader
from ..pointcloud.region import inside, none_in_it
from ..runtime.kdtree import KDTree
from ..runtime.working import working_at
from .attributes import carry_attributes
from .components import drop_components
from .facts import InputDistances, MeshFacts
from .level_set import level_set, resolution_of
from .likeness import judge
from .mesh import TriangleMesh
from .postprocess import post_process
from .printing.watertight import closed_level_set, invented, require_closed
from .settings import MeshSettings
from .support import Support
from .trim import trim_open_scan
from .verify import point_distances, verify

# shares of the time that have passed when a part begins, measured; those before are in `level_set`
PASSED = {"scan": 0.63, "asked": 0.75, "verify": 0.76, "judge": 0.78}
COMPLETED_SMALL = 0.05  # share of the area of a completed scan below which a component is none


def extract(
    field: Field, arrays: dict[str, NDArray[Any]], settings: MeshSettings, say: Callable[[str], None] = lambda _: None
) -> tuple[TriangleMesh, MeshFacts]:
    """The zero level set of a field as a mesh in the user's coordinates, and what was found about it.

    Parameters
    ----------
    arrays : of the ingested cloud; its points (box coordinates) and normals trim and judge, its colours are carried over
    say : is told what was cut off, left out or made coarser

    Returns
    -------
    mesh : vertices in the user's units
    facts : resolution, times, evaluations, trimming, verification, distances of the input points, warnings

    Raises
    ------
    NothingSelected : of the scan no point lies in the box of the settings
    RunError : the field has no zero level set inside the grid, or so much of it that the fit has failed; or nothing of it is
        near the points
    """
    begun = time.perf_counter()
    header, scale = CloudHeader.of(field.header), field.frame.scale

    points = arrays["points"].astype(np.float64)
    judged, normals = points, arrays["normals"]  # by which the mesh is
    if settings.box is not None:
        at = field.frame.to_user(points)
        within = inside(at, settings.box)
        judged, normals = points[within], normals[within]
        if not len(judged):
            raise none_in_it("mesh.box", at.min(0), at.max(0))

    if header.prior is not None:  # what it completes has an inside everywhere, and no crumbs
        least = COMPLETED_SMALL if settings.min_component is None else settings.min_component
        settings = settings.model_copy(
            update={"watertight": settings.watertight or settings.box is None, "min_component": least}
        )

    # ---- The level set ---------------------------------------------------------------------------------
    resolution = resolution_of(field, settings)
    working_at(f"the level set at {resolution}", 0.0)
    block = False
    if settings.closed:
        surface, block = closed_level_set(field, resolution, settings)
        settings = settings.model_copy(update={"trim": "off"})
    else:
        surface = level_set(field, resolution, settings)

    # ---- What belongs to the scan ------------------------------------------------------------------------
    working_at("what belongs to the scan", PASSED["scan"])
    tree = KDTree(points)
    support = Support(tree, header)
    mesh, trimmed = trim_open_scan(surface.mesh, support, settings)
    if trimmed is not None:
        trimmed = trimmed.model_copy(update={"whole_closed": not surface.at_boundary})
        say(trimmed.line())
    mesh, dropped = drop_components(mesh, support, settings, by_edge=trimmed is not None)
    for line in dropped.lines():
        say(line)
    made_up = invented(mesh, support, block) if settings.closed else None

    # ---- What was asked for ------------------------------------------------------------------------------
    working_at("finishing the mesh", PASSED["asked"])
    mesh, post = post_process(mesh, field, settings)
    if post is not None:
        say(post.line(len(mesh.faces)))
    if settings.colours:
        mesh = carry_attributes(mesh, tree, arrays.get("colours"), arrays.get("intensity"))

    # ---- Verification, of the coordinates that will be written -------------------------------------------
    mesh = replace(mesh, vertices=field.frame.to_user(mesh.vertices))
    working_at("verifying every edge", PASSED["verify"])
    checked = verify(mesh)
    if settings.closed:
        require_closed(checked, decimated=post is not None)
    working_at("distances to the points", PASSED["judge"])
    in_box = replace(mesh, vertices=field.frame.to_box(mesh.vertices))
    if header.prior is not None:
        mesh = replace(mesh, invented=support.unsupported(in_box.vertices).astype(np.uint8))
    distance = point_distances(in_box.vertices, in_box.faces, judged)
    likeness, warnings = judge(in_box, surface.mesh, support, judged, normals, distance, field, surface.cell, settings.closed)
    optional: dict[str, Any] = {
        "flipped_edges": surface.flipped_edges,
        "moved_vertices": None if surface.moved_vertices is None else surface.moved_vertices * scale,
        "trimmed": trimmed,
        "dropped_others": dropped.others,
        "post": post,
        "invented": made_up,
        "box": None if settings.box is None else list(settings.box),
        "length_units": header.units,
    }
    facts = MeshFacts(
        resolution=resolution,
        method="dual contouring" if settings.sharp else "marching cubes",
        cell=surface.cell * scale,
        evaluations=surface.evaluations,
        precision=str(surface.dtype).removeprefix("torch."),
        refinements=surface.refinements,
        residual=surface.residual * scale,
        dropped_components=dropped.small,
        dropped_phantoms=dropped.phantoms,
        verification=checked,
        input_distance=InputDistances.between(distance * scale),
        likeness=likeness,
        warnings=warnings,
        touches_boundary=bool(checked.boundary_edges) and surface.at_boundary,
        seconds=time.perf_counter() - begun,
        **{name: value for name, value in optional.items() if value is not None},
    )
    return mesh, facts

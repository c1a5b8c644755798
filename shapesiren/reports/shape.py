"""The report of a shape: scan and mesh to turn, a heat map of the distance, six sides, slices of the field."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..metrics.shape import ShapeMetrics, surface_of
from ..metrics.surface_distance import Surface
from ..pointcloud.cloud import PointCloud, random_rows
from ..pointcloud.header import CloudHeader
from ..pointcloud.io.read import read_cloud
from ..runtime.kdtree import KDTree
from ..surface.facts import MeshFacts
from ..surface.io import read_mesh
from ..surface.mesh import TriangleMesh
from ..surface.postprocess import decimate
from ..surface.query import plane
from ..tasks.base import FinishedRun
from . import page, plots
from .render import Camera, draw

Array = NDArray[np.float64]
SIDES = {"front": (0, 0), "right": (90, 0), "back": (180, 0), "left": (270, 0), "top": (0, 89.9), "bottom": (0, -89.9)}
SLICE = 160  # samples along the longer side of a slice
AXES = "xyz"


def sections(run: FinishedRun) -> list[page.Section]:
    """What only a shape's report has."""
    mesh, settings, frame = mesh_of(run), run.config.report, run.field.frame
    notes = [
        f"{min(len(mesh.faces), settings.faces):,} of {len(mesh.faces):,} faces and at most {settings.points:,} "
        "points are shown; the file in the run folder has them all."
    ]
    if np.abs(np.array(frame.centre)).max() > 10 * frame.scale:
        notes.append(f"Coordinates in this page count from {', '.join(f'{c:,.3f}' for c in frame.centre)}.")
    cloud = PointCloud(mesh.vertices, mesh.normals.astype(np.float64), colours=mesh.colours, faces=mesh.faces)
    return [
        page.Section("Surface", [model_view(run, mesh), page.text(*notes, quiet=True)]),
        *part_sections(run),
        page.Section("Distance", distances(run, mesh)),
        page.Section("Six sides", [page.gallery(six_sides(cloud, vertical(run), settings.size, see_inside(run)))]),
        page.Section("Slices of the field", slices(run)),
        page.Section("Verification", [verification(run)]),
    ]


def part_sections(run: FinishedRun) -> list[page.Section]:
    """What was made for a printer, where something was; red is too thin."""
    part, picture = MeshFacts.of(run.facts("mesh")).part, run.folder / "print.png"
    if part is None or not picture.exists():
        return []
    caption = f"red: thinner than {part.walls.least:.2g} mm, {part.walls.thin_share:.1%} of the area"
    return [
        page.Section(
            "Printed part", [page.text(*part.lines()), page.image(picture.read_bytes(), "the part, two sides", caption)]
        )
    ]


def mesh_of(run: FinishedRun) -> TriangleMesh:
    return read_mesh(run.output)


def vertical(run: FinishedRun) -> str:
    """The axis that points up: the one asked for, z for open scans (rooms, terrain), else y."""
    if run.config.report.up != "auto":
        return str(run.config.report.up)
    return "z" if is_open(run) else "y"


def is_open(run: FinishedRun) -> bool:
    return CloudHeader.of(run.field.header).open


def see_inside(run: FinishedRun) -> bool:
    """Whether the scan looks at its surface from within, as one of a room does: most normals face the middle."""
    points, normals = run.arrays["points"], run.arrays["normals"]
    return is_open(run) and float(((points * normals).sum(1) < 0).mean()) > 0.7


def model_view(run: FinishedRun, mesh: TriangleMesh, together: str = "") -> Markup:
    """Mesh, distance and scan to turn. Views with the same ``together`` turn together."""
    settings, scale = run.config.report, run.field.frame.scale
    box = run.field.frame.to_box(mesh.vertices)
    against, name = target(run)
    heat = against.nearest(box)[0] * scale
    vertices, faces = decimate(box, mesh.faces, settings.faces)
    nearest = KDTree(box).query(vertices)[1]
    held = run.arrays["points"]
    index = random_rows(len(held), min(settings.points, len(held)), 0)
    colours = run.arrays.get("colours")
    most = float(np.quantile(heat, 0.99)) or 1e-12
    traces = [
        plots.mesh(vertices * scale, faces, colours=None if mesh.colours is None else mesh.colours[nearest]),
        plots.mesh(vertices * scale, faces, heat=heat[nearest], most=most, heat_name=f"distance to {name}"),
        plots.points(held[index] * scale, None if colours is None else colours[index]),
    ]
    views = [("mesh", [0]), ("distance", [1]), ("scan", [2]), ("mesh and scan", [0, 2])]
    if mesh.uncertainty is not None:
        bars, top = mesh.uncertainty, float(np.quantile(mesh.uncertainty, 0.99)) or 1e-12
        traces.append(plots.mesh(vertices * scale, faces, heat=bars[nearest], most=top, heat_name="standard deviation"))
        views.append(("error bars", [3]))
    return page.chart(traces, plots.scene_layout(vertical(run)), views, 420 if together else 560, together)


def distances(run: FinishedRun, mesh: TriangleMesh) -> list[Markup]:
    """What share of each side lies how far from the other."""
    scale = run.field.frame.scale
    box = run.field.frame.to_box(mesh.vertices)
    against, name = target(run)
    to_mesh = Surface(box, mesh.faces).nearest(against.sample(200_000, 0)[0])[0]
    lengths = {f"mesh to {name}": against.nearest(box)[0] * scale, f"{name} to mesh": to_mesh * scale}
    top = max(float(np.quantile(d, 0.999)) for d in lengths.values()) or 1e-12
    at = np.geomspace(top / 1000, top * 2, 120)
    shares = {k: [float((d <= limit).mean() * 100) for limit in at] for k, d in lengths.items()}
    rows = [[k, *(float(v) for v in (d.mean(), np.median(d), np.quantile(d, 0.95), d.max()))] for k, d in lengths.items()]
    return [
        plots.curves(shares, at.tolist(), "distance, in the scan's units", "percent within it", log_x=True),
        page.table(rows, ["", "mean", "median", "95 %", "largest"]),
        page.text(
            "From the vertices of the mesh, and from points of the other side; where points have normals they "
            "stand for their tangent planes.",
            quiet=True,
        ),
    ]


def target(run: FinishedRun) -> tuple[Surface, str]:
    """What distances are measured to, in box coordinates: the reference that was named, or the input."""
    reference = run.reference
    return surface_of(run.field, run.arrays, reference), reference.name if reference else "the input"


def six_sides(cloud: PointCloud, up: str, size: int, inside: bool) -> list[Markup]:
    turn = -90 if up == "z" else 0  # the front is where y, or z, comes towards the viewer
    return [
        page.image(jpeg(portrait(cloud, up, size, azimuth + turn, elevation, inside)), f"from the {name}", name)
        for name, (azimuth, elevation) in SIDES.items()
    ]


def portrait(cloud: PointCloud, up: str, size: int, azimuth: float = 30, elevation: float = 20, inside: bool = False) -> Array:
    """A shaded picture (size, size, 3) of a mesh or a cloud, ray cast; it fills the frame."""
    return draw(cloud, Camera.framing(cloud.points, azimuth, elevation, up), size, inside)


THUMBNAIL_SIZE = 240  # pixels of a thumbnail


def thumbnail(run: FinishedRun) -> bytes:
    """The mesh as a small JPEG."""
    return jpeg(portrait(read_cloud(run.output), vertical(run), THUMBNAIL_SIZE, inside=see_inside(run)))


def jpeg(picture: NDArray[Any], quality: int = 88) -> bytes:
    """An (h, w, 3) picture in [0, 1] as a JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def slices(run: FinishedRun) -> list[Markup]:
    """The field on three planes through the middle of the scan, with its level lines."""
    field = run.field
    low, high = field.bounds(0.15)
    step = nice(float((high - low).max()) * field.frame.scale / 24)
    charts = []
    for k in (2, 0, 1):
        values, u, v = plane(field, k, float(low[k] + high[k]) / 2, SLICE, 0.15)
        names = (AXES[(k + 1) % 3], AXES[(k + 2) % 3])
        charts.append(plots.level_lines(values, u * field.frame.scale, v * field.frame.scale, names, step))
    found = run.facts("evaluate")
    words = [f"A level line every {step:g}. The lines of a true distance field are evenly spaced: its slope is 1 everywhere."]
    if found:
        errors = ShapeMetrics.of(found).field
        words.append(
            f"Measured: the slope is off by {errors.eikonal:.3g} on average in the box, "
            f"{errors.eikonal_surface:.2g} at the scan's points."
        )
    return [page.gallery(charts, large=True), page.text(" ".join(words), quiet=True)]


def nice(length: float) -> float:
    """1, 2 or 5 times a power of ten, not far above ``length``."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= length * 0.999))


def verification(run: FinishedRun) -> Markup:
    """What was checked of the mesh, edge by edge, and how it was made."""
    facts = MeshFacts.of(run.facts("mesh"))
    found = facts.tree()
    rows: list[list[Any]] = [[name.replace("_", " "), value] for name, value in facts.verification.tree().items()]
    if facts.likeness is not None:  # next to what is said of the topology, which it does not follow from
        rows += [[f"{name.replace('_', ' ')}, points and mesh", value] for name, value in facts.likeness.tree().items()]
    rows += [["warning", warning] for warning in facts.warnings]
    wanted = (
        "method",
        "resolution",
        "cell",
        "residual",
        "flipped_edges",
        "moved_vertices",
        "dropped_components",
        "dropped_phantoms",
        "touches_boundary",
    )
    rows += [[name.replace("_", " "), found[name]] for name in wanted if name in found]
    rows += [[f"input to mesh, {name}", value] for name, value in facts.input_distance.tree().items()]
    return page.table(rows)

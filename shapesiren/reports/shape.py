"""The report of a shape: scan and mesh to turn, a heat map of the distance, six sides, slices of the field."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..metrics.geometry import Surface
from ..signals.pointcloud import PointCloud
from ..signals.readers import read_cloud
from ..surface.meshio import read_mesh
from ..surface.post import decimate
from . import page, plots
from .material import Material
from .picture import Camera, draw

Array = NDArray[np.float64]
SIDES = {"front": (0, 0), "right": (90, 0), "back": (180, 0), "left": (270, 0), "top": (0, 89.9), "bottom": (0, -89.9)}
SLICE = 160  # samples along the longer side of a slice
AXES = "xyz"


def sections(material: Material) -> list[page.Section]:
    """What only a shape's report has."""
    up = vertical(material)
    written = read_mesh(material.folder / material.task.output_file)
    model, distances = three_d(material, "")
    notes = [f"{shown_faces(material):,} of {len(written.faces):,} faces and at most {material.config.report.points:,} "
             "points are shown; the file in the run folder has them all."]  # fmt: skip
    if np.abs(np.array(material.field.frame.centre)).max() > 10 * material.field.frame.scale:
        centre = ", ".join(f"{c:,.3f}" for c in material.field.frame.centre)
        notes.append(f"Coordinates in this page count from {centre}.")
    cloud = PointCloud(written.vertices, written.normals.astype(np.float64), colours=written.colours, faces=written.faces)
    pictures = six_sides(cloud, up, material.config.report.size, see_inside(material))
    return [
        page.Section("Surface", [model, page.text(*notes, quiet=True)]),
        page.Section("Distance", distances),
        page.Section("Six sides", [page.gallery(pictures)]),
        page.Section("Slices of the field", slices(material)),
        page.Section("Verification", [verification(material)]),
    ]


def vertical(material: Material) -> str:
    """The axis that points up: the one asked for, z for open scans (rooms, terrain), else y."""
    if material.config.report.up != "auto":
        return str(material.config.report.up)
    return "z" if is_open(material) else "y"


def is_open(material: Material) -> bool:
    return bool(material.facts("ingest").get("guide", {}).get("open"))


def see_inside(material: Material) -> bool:
    """Whether the scan looks at its surface from within, as one of a room does: most normals face the middle."""
    points, normals = material.arrays["points"], material.arrays["normals"]
    return is_open(material) and float(((points * normals).sum(1) < 0).mean()) > 0.7


def shown_faces(material: Material) -> int:
    return min(int(material.facts("mesh")["verification"]["faces"]), int(material.config.report.faces))


def three_d(material: Material, together: str) -> tuple[Markup, list[Markup]]:
    """The turnable view, and the curves and figures of the distances that colour it."""
    settings, frame = material.config.report, material.field.frame
    written = read_mesh(material.folder / material.task.output_file)
    box = frame.to_box(written.vertices)
    surface = Surface(box, written.faces)
    against, name = target(material)
    heat, _ = against.nearest(box)
    vertices, faces = decimate(box, written.faces, settings.faces)
    nearest = cKDTree(box).query(vertices)[1]
    rng = np.random.default_rng(0)
    held = material.arrays["points"]
    index = np.sort(rng.choice(len(held), min(settings.points, len(held)), replace=False))
    cloud = held[index].astype(np.float64)
    colours = material.arrays.get("colours")
    scale, up = frame.scale, vertical(material)
    most = float(np.quantile(heat, 0.99)) * scale or 1e-12
    traces = [
        plots.mesh(vertices * scale, faces, colours=None if written.colours is None else written.colours[nearest]),
        plots.mesh(vertices * scale, faces, heat=heat[nearest] * scale, most=most, heat_name=f"distance to {name}"),
        plots.points(cloud * scale, None if colours is None else colours[index]),
    ]
    views = [("mesh", [0]), ("distance", [1]), ("scan", [2]), ("mesh and scan", [0, 2])]
    chart = page.chart(traces, plots.scene_layout(up), views, 560 if not together else 420, together)
    sample = against.sample(200_000, 0)[0]
    to_mesh, _ = surface.nearest(sample)
    lengths = {f"mesh to {name}": heat * scale, f"{name} to mesh": to_mesh * scale}
    top = max(float(np.quantile(d, 0.999)) for d in lengths.values()) or 1e-12
    at = np.geomspace(top / 1000, top * 2, 120)
    shares = {k: [float((d <= limit).mean() * 100) for limit in at] for k, d in lengths.items()}
    rows = [[k, *(float(v) for v in (d.mean(), np.median(d), np.quantile(d, 0.95), d.max()))] for k, d in lengths.items()]
    return chart, [
        plots.curves(shares, at.tolist(), "distance, in the scan's units", "percent within it", log_x=True),
        page.table(rows, ["", "mean", "median", "95 %", "largest"]),
        page.text("From the vertices of the mesh, and from points of the other side; where points have normals they "
                  "stand for their tangent planes.", quiet=True),
    ]  # fmt: skip


def target(material: Material) -> tuple[Surface, str]:
    """What distances are measured to, in box coordinates: the reference that was named, or the input."""
    frame = material.field.frame
    if material.reference is None:
        points, normals = material.arrays["points"], material.arrays["normals"]
        return Surface(points.astype(np.float64), None, normals.astype(np.float64)), "the input"
    cloud = read_cloud(material.reference)
    finite = np.isfinite(cloud.points).all(1)
    if cloud.faces is not None:
        return Surface(frame.to_box(cloud.points), cloud.faces), material.reference.name
    kept = None if cloud.normals is None else cloud.normals[finite]
    return Surface(frame.to_box(cloud.points[finite]), None, kept), material.reference.name


def six_sides(cloud: PointCloud, up: str, size: int, inside: bool) -> list[Markup]:
    turn = -90 if up == "z" else 0  # the front is where y, or z, comes towards the viewer
    return [
        page.image(jpeg(portrait(cloud, up, size, azimuth + turn, elevation, inside)), f"from the {name}", name)
        for name, (azimuth, elevation) in SIDES.items()
    ]


def portrait(cloud: PointCloud, up: str, size: int, azimuth: float = 30, elevation: float = 20, inside: bool = False) -> Any:
    """A shaded picture (size, size, 3) of a mesh or a cloud, ray cast; it fills the frame."""
    low, high = cloud.points.min(0), cloud.points.max(0)
    camera = Camera(low + (high - low) / 2, float(np.linalg.norm(high - low)), azimuth, elevation, up)
    camera.frame(cloud.points)
    return draw(cloud, camera, size, inside)


def jpeg(picture: NDArray[Any], quality: int = 88) -> bytes:
    """An (h, w, 3) picture in [0, 1] as a JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def slices(material: Material) -> list[Markup]:
    """The field on three planes through the middle of the scan, with its level lines."""
    field = material.field
    low, high = (np.array(field.header["bounds"][k]) for k in ("low", "high"))
    pad = 0.15 * float((high - low).max())
    low, high = np.maximum(low - pad, -1), np.minimum(high + pad, 1)
    middle = (low + high) / 2
    step = nice(float((high - low).max()) * field.frame.scale / 24)
    charts = []
    for k in (2, 1, 0):
        i, j = (a for a in range(3) if a != k)
        count = [max(8, round(SLICE * float((high - low)[a] / (high - low)[[i, j]].max()))) for a in (i, j)]
        u, v = (np.linspace(low[a], high[a], n) for a, n in zip((i, j), count, strict=True))
        at = np.empty((len(v), len(u), 3))
        at[..., i], at[..., j], at[..., k] = u[None, :], v[:, None], middle[k]
        values = field.box_values(at.reshape(-1, 3)).reshape(len(v), len(u)) * field.frame.scale
        scale = field.frame.scale
        charts.append(plots.level_lines(values, u * scale, v * scale, (AXES[i], AXES[j]), step))
    found = material.facts("evaluate").get("field", {})
    words = [f"A level line every {step:g}. The lines of a true distance field are evenly spaced: its slope is 1 everywhere."]
    if "eikonal" in found:
        words.append(f"Measured: the slope is off by {found['eikonal']:.3g} on average in the box, "
                     f"{found['eikonal_surface']:.2g} at the scan's points.")  # fmt: skip
    return [page.gallery(charts, large=True), page.text(" ".join(words), quiet=True)]


def nice(length: float) -> float:
    """1, 2 or 5 times a power of ten, not far above ``length``."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= length * 0.999))


def verification(material: Material) -> Markup:
    """What was checked of the mesh, edge by edge."""
    facts = material.facts("mesh")
    rows: list[list[Any]] = [[name.replace("_", " "), value] for name, value in facts["verification"].items()]
    wanted = ("method", "resolution", "cell", "residual", "dropped_components", "dropped_phantoms", "touches_boundary")
    rows += [[name.replace("_", " "), facts[name]] for name in wanted if name in facts]
    rows += [[f"input to mesh, {name}", value] for name, value in facts.get("input_distance", {}).items()]
    return page.table(rows)

"""The report of a shape: scan and mesh to turn, a heat map of the distance, six sides, slices of the field."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..metrics.definitions import rows as definitions
from ..metrics.shape import EvaluateSettings, ShapeMetrics, surface_of, units_of
from ..metrics.surface_distance import Surface, drawn
from ..pointcloud.cloud import PointCloud, random_rows
from ..pointcloud.header import CloudHeader
from ..pointcloud.io import crs
from ..pointcloud.io.read import read_cloud
from ..pointcloud.units import in_units, named, of_figure, suffix
from ..pointcloud.upright import vertical_of_run
from ..runtime.kdtree import KDTree
from ..surface.facts import MeshFacts
from ..surface.io import read_mesh
from ..surface.mesh import TriangleMesh
from ..surface.postprocess import decimate
from ..surface.query import plane
from ..surface.settings import MeshSettings
from ..tasks.base import FinishedRun
from . import maps, page, plots
from .acceptance import ACCEPTANCE, acceptance, metrics_of
from .portraits import Portraits
from .render import Camera, draw
from .tiles import tile_sections

Array = NDArray[np.float64]
SIDES = {"front": (0, 0), "right": (90, 0), "back": (180, 0), "left": (270, 0), "top": (0, 89.9), "bottom": (0, -89.9)}
LARGER = 7 / 6  # pictures of maps than the others, in pixels
THUMBNAIL_SIZE, FROM = 240, (30.0, 20.0)  # pixels; azimuth and elevation, degrees
COARSE_FACES = 2_000_000  # more of a large run's mesh are not read at once
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
    header = CloudHeader.of(run.field.header)
    if header.prior is not None:
        share = 0.0 if mesh.invented is None else float(mesh.invented.mean())
        notes.append(
            f"The prior {header.prior} completed the scan: {share:.0%} of the vertices lie where no point is near, and are "
            f"invented (the map {maps.SUPPORT}; property invented of mesh.ply)."
        )
    if header.units is not None:
        notes.append(f"Lengths are in {header.units}.")
    if header.crs is not None:
        notes.append(f"Coordinate system: {crs.name_of(header.crs)}.")
    cloud = PointCloud(mesh.vertices, mesh.normals.astype(np.float64), colours=mesh.colours, faces=mesh.faces)
    portraits = Portraits(cloud, vertical(run), see_inside(run))
    shown, large = maps_of(run, mesh), round(LARGER * settings.size)
    from_above = is_open(run) and not portraits.inside  # as terrain is read
    judged = acceptance(run, portraits, next(one for one in shown if one.name == "deviation"), from_above, large)
    opening = [judged] if judged is not None and judged.title == ACCEPTANCE else []
    return [
        *opening,
        page.Section("Surface", [model_view(run, mesh, shown, stills(portraits, shown, large)), page.text(*notes, quiet=True)]),
        *([judged] if judged is not None and not opening else []),
        *part_sections(run),
        *tile_sections(run, vertical(run)),
        page.Section("Distance", distances(run, mesh)),
        page.Section("Six sides", [page.gallery(six_sides(portraits, settings.size))]),
        page.Section("Slices of the field", slices(run)),
        page.Section("Verification", [verification(run)]),
        page.Section("What the figures mean", [page.definitions((name, meaning) for name, meaning, _ in definitions())]),
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
    """The run's mesh; of a large run whose mesh is more than a page can show a coarser level of it."""
    verification = MeshFacts.of(run.facts("mesh")).verification
    if CloudHeader.of(run.field.header).tiles and verification.faces > COARSE_FACES:
        from ..large.copies import coarse_mesh

        return coarse_mesh(run.folder, MeshSettings.model_validate(run.config.section("mesh")), run.field.frame)
    return read_mesh(run.output)


def vertical(run: FinishedRun) -> str:
    """The axis that points up: the one asked for, else what the scan tells."""
    return vertical_of_run(run.config.report.up, CloudHeader.of(run.field.header), run.manifest)


def is_open(run: FinishedRun) -> bool:
    return CloudHeader.of(run.field.header).open


def see_inside(run: FinishedRun) -> bool:
    """Whether the scan looks at its surface from within, as one of a room does: most normals face the middle."""
    points, normals = run.arrays["points"], run.arrays["normals"]
    return is_open(run) and float(((points * normals).sum(1) < 0).mean()) > 0.7


def model_view(
    run: FinishedRun, mesh: TriangleMesh, shown: Sequence[maps.Map], still: Markup | None = None, together: str = ""
) -> Markup:
    """Mesh, maps and scan to turn; on paper, ``still`` pictures. Views with the same ``together`` turn together."""
    settings, scale = run.config.report, run.field.frame.scale
    box = run.field.frame.to_box(mesh.vertices)
    vertices, faces = decimate(box, mesh.faces, settings.faces)
    nearest = KDTree(box).query(vertices)[1]
    held = run.arrays["points"]
    index = random_rows(len(held), min(settings.points, len(held)), 0)
    colours = run.arrays.get("colours")
    traces = [
        plots.mesh(vertices * scale, faces, colours=None if mesh.colours is None else mesh.colours[nearest]),
        plots.points(held[index] * scale, None if colours is None else colours[index]),
    ]
    views: list[tuple[str, list[int]]] = [("mesh", [0])]
    for one in shown:
        unknown = np.zeros(len(faces), bool) if one.known is None else ~one.known[nearest][faces].all(1)
        heat = {"heat": one.values[nearest], "least": one.low, "most": one.high, "heat_name": one.title, "stops": one.stops}
        views.append((one.name, [len(traces)]))
        traces.append(plots.like(plots.mesh(vertices * scale, faces[~unknown], **heat), traces[0], 0))
        if unknown.any():
            used, of = np.unique(faces[unknown], return_inverse=True)
            views[-1][1].append(len(traces))
            traces.append(plots.mesh(vertices[used] * scale, of.reshape(-1, 3), colour=maps.GREY))
    if CloudHeader.of(run.field.header).prior is not None:  # what was invented is seen first
        views.sort(key=lambda view: view[0] != maps.SUPPORT)
    views += [("scan", [1]), ("mesh and scan", [0, 1])]
    return page.chart(traces, plots.scene_layout(vertical(run)), views, 420 if together else 560, together, still)


def maps_of(run: FinishedRun, mesh: TriangleMesh) -> list[maps.Map]:
    """What is shown on a mesh by colours."""
    box = run.field.frame.to_box(mesh.vertices)
    against, name = target(run)
    surface, whose = Surface(box, mesh.faces), run.reference.name if run.reference else None
    tolerance = None if (found := metrics_of(run)) is None or found.acceptance is None else found.acceptance.tolerance
    support = maps.support_of(run)
    shown = [
        maps.sequential("distance", f"distance to {name}", against.nearest(box)[0] * run.field.frame.scale),
        maps.deviation_map(support, surface, against, whose, tolerance),
        maps.support_map(support, box),
    ]
    if mesh.uncertainty is not None:
        shown.append(maps.error_bars_map(mesh.uncertainty.astype(np.float64), support, box))
    units = units_of(run.field)
    return [one if one.name == maps.SUPPORT else replace(one, title=named(one.title, units)) for one in shown]


def stills(portraits: Portraits, shown: Sequence[maps.Map], size: int) -> Markup:
    """Pictures that stand in for the view on paper: of the mesh and of its maps, but for the unsigned distance."""
    wanted = [None, *(one for one in shown if one.name != "distance")]
    return page.gallery([maps.picture(portraits, one, size) for one in wanted], large=True)


def distances(run: FinishedRun, mesh: TriangleMesh) -> list[Markup]:
    """What share of each side lies how far from the other; at the samples of the evaluation, so that the figures agree."""
    scale, found = run.field.frame.scale, metrics_of(run)
    samples = (found and found.samples) or EvaluateSettings.model_validate(run.config.section("evaluate")).samples
    ours = Surface(run.field.frame.to_box(mesh.vertices), mesh.faces)
    against, name = target(run)
    at, _, theirs, _ = drawn(ours, against, samples, run.config.seed)
    both = {
        f"mesh to {name} (accuracy)": against.nearest(at)[0] * scale,
        f"{name} to mesh (completeness)": ours.nearest(theirs)[0] * scale,
    }
    top = max(float(np.quantile(d, 0.999)) for d in both.values()) or 1e-12
    limits = np.geomspace(top / 1000, top * 2, 120)
    shares = {k: [float((d <= limit).mean() * 100) for limit in limits] for k, d in both.items()}
    rows = [[k, *(float(v) for v in (d.mean(), np.median(d), np.quantile(d, 0.95), d.max()))] for k, d in both.items()]
    return [
        plots.curves(shares, limits.tolist(), f"distance, {in_units(units_of(run.field))}", "percent within it", log_x=True),
        page.table(rows, [units_of(run.field) or "", "mean", "median", "95 %", "largest"]),
        page.text(
            "Without signs, from points drawn evenly on the mesh, and from points of the other side; where points have normals "
            "they stand for their tangent planes.",
            quiet=True,
        ),
    ]


def target(run: FinishedRun) -> tuple[Surface, str]:
    """What distances are measured to, in box coordinates: the reference that was named, or the input."""
    reference, box = run.reference, run.facts("mesh").get("box")
    against = surface_of(run.field, run.arrays, reference, tuple(box) if box else None)
    return against, reference.name if reference else "the input points"


def six_sides(portraits: Portraits, size: int) -> list[Markup]:
    turn = -90 if portraits.up == "z" else 0  # the front is where y, or z, comes towards the viewer
    colours = portraits.cloud.colours
    return [
        page.image(jpeg(portraits.draw((azimuth + turn, elevation), size, colours)), f"from the {name}", name)
        for name, (azimuth, elevation) in SIDES.items()
    ]


def thumbnail(run: FinishedRun) -> bytes:
    """The mesh as a small JPEG."""
    cloud = read_cloud(run.output)
    return jpeg(draw(cloud, Camera.framing(cloud.points, *FROM, vertical(run)), THUMBNAIL_SIZE, see_inside(run)))


def jpeg(picture: NDArray[Any], quality: int = 88) -> bytes:
    """An (h, w, 3) picture in [0, 1] as a JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def slices(run: FinishedRun) -> list[Markup]:
    """The field on three planes through the middle of the scan, with its level lines."""
    field, units = run.field, units_of(run.field)
    low, high = field.bounds(0.15)
    step = nice(float((high - low).max()) * field.frame.scale / 24)
    charts = []
    for k in (2, 0, 1):
        values, u, v = plane(field, k, float(low[k] + high[k]) / 2, SLICE, 0.15)
        names = (named(AXES[(k + 1) % 3], units), named(AXES[(k + 2) % 3], units))
        across = u * field.frame.scale, v * field.frame.scale
        charts.append(plots.level_lines(values, *across, names, step, f"distance, {in_units(units)}"))
    found = run.facts("evaluate")
    words = [
        f"A level line every {step:g}{suffix(units)}. The lines of a true distance field are evenly spaced: "
        "its slope is 1 everywhere."
    ]
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
    units = facts.length_units

    def name_of(name: str, shown: str) -> str:
        return named(shown, of_figure("mesh", name, units) or None)

    rows: list[list[Any]] = [
        [name_of(f"verification.{name}", name.replace("_", " ")), value] for name, value in facts.verification.tree().items()
    ]
    if facts.likeness is not None:  # next to what is said of the topology, which it does not follow from
        rows += [
            [name_of(f"likeness.{name}", f"{name.replace('_', ' ')}, points and mesh"), value]
            for name, value in facts.likeness.tree().items()
        ]
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
    rows += [[name_of(name, name.replace("_", " ")), found[name]] for name in wanted if name in found]
    rows += [
        [name_of(f"input_distance.{name}", f"input to mesh, {name}"), value]
        for name, value in facts.input_distance.tree().items()
    ]
    return page.table(rows)

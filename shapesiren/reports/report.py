"""A run's report: the sections that its task has, and those that all have, as one page."""

from __future__ import annotations

import io
from collections.abc import Callable

from ..version import __version__
from . import equations, media, page, shape
from .finished_run import FinishedRun, figures, headline, losses, outcome, provenance

SMALL = 240  # pixels of a thumbnail
REPORTS: dict[str, Callable[[FinishedRun], list[page.Section]]] = {
    "shape": shape.sections,
    "image": media.image_sections,
    "composite": media.composite_sections,
    "audio": media.audio_sections,
    "video": media.video_sections,
    **dict.fromkeys(("helmholtz", "wave", "inversion", "poisson"), equations.equation_sections),
}


def report(material: FinishedRun) -> bytes:
    """The page of one finished run."""
    own = REPORTS[material.task.name](material) if material.task.name in REPORTS else []
    shared = [*own[:1], outcome(material), *own[1:], figures(material), losses(material), provenance(material)]
    sections = [section for section in shared if section is not None]
    return page.render(material.name, headline(material), sections, f"shapesiren {__version__}")


def _shape_thumbnail(material: FinishedRun) -> bytes:
    from ..pointcloud.io.read import read_cloud

    cloud = read_cloud(material.folder / material.task.output_file)
    return shape.jpeg(shape.portrait(cloud, shape.vertical(material), SMALL, inside=shape.see_inside(material)))


def _image_thumbnail(material: FinishedRun) -> bytes:
    from PIL import Image

    picture = Image.open(material.folder / material.task.output_file).convert("RGB")
    picture.thumbnail((SMALL, SMALL))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def _equation_thumbnail(material: FinishedRun) -> bytes:
    return shape.jpeg(equations.small(material.field, SMALL) / 255)


THUMBNAILS: dict[str, Callable[[FinishedRun], bytes]] = {
    "shape": _shape_thumbnail,
    "image": _image_thumbnail,
    "composite": _image_thumbnail,
    **dict.fromkeys(("helmholtz", "wave", "inversion", "poisson"), _equation_thumbnail),
}

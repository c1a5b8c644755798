"""What stage ``mesh`` of a shape writes: the mesh of a field, and copies of it in the formats that users name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..field import Field
from ..pointcloud.header import CloudHeader
from ..similarity import Similarity
from ..surface.extract import extract
from ..surface.facts import MeshFacts, Uncertainty
from ..surface.io import TEXTURED, companions, read_mesh, write_mesh
from ..surface.level_set import resolution_of
from ..surface.printing.part import check_printing
from ..surface.texture import check_texture, textured
from ..surface.written_units import DEFINED, WrittenUnits, units_of_part, written_units
from .base import Arrays, Say
from .shape_settings import PART, PART_PICTURE, ShapeConfig


def write_shape(fitted: Field, arrays: Arrays, config: ShapeConfig, path: Path, say: Say) -> MeshFacts:
    """Take the mesh from a field and write it; beside it a part to print, if that is asked for.

    Raises
    ------
    InputError : what is asked for cannot be made of this field
    """
    header = CloudHeader.of(fitted.header)
    if config.mesh.uncertainty and fitted.net.kind != "local":
        hint = "fit with --net local"
        raise InputError("error bars are known of solved fields only", where="mesh.uncertainty", hint=hint)
    check_printing(config.mesh, header.units)
    if header.tiles:
        from .shape_large import write_tiles_mesh

        return write_tiles_mesh(path, fitted, config.mesh, say)
    check_texture(config.mesh, arrays)
    mesh, facts = extract(fitted, arrays, config.mesh, say)
    if config.mesh.uncertainty:
        from .shape_solved import error_bars_at

        deviation = error_bars_at(mesh.vertices, fitted, arrays, config.local, config.loss, config.seed)
        found = Uncertainty.of_vertices(deviation)
        say(found.line())
        mesh, facts = replace(mesh, uncertainty=deviation), facts.model_copy(update={"uncertainty": found})
    write_mesh(path, mesh, fitted.frame, facts.resolution, WrittenUnits(header.units, crs=header.crs))
    for name in (PART, PART_PICTURE):
        (path.parent / name).unlink(missing_ok=True)  # those of another part
    if config.mesh.printing:
        from .shape_part import write_part

        facts = facts.model_copy(update={"part": write_part(mesh, fitted, config.mesh, config.report.up, path.parent)})
    return facts


def write_copy(written: Path, path: Path, fitted: Field, arrays: Arrays, config: ShapeConfig, say: Say) -> None:
    """Write a run's mesh, or the part to print beside it, to a file of the user's, in the format of its ending."""
    from .shape_large import convert_tiles

    if convert_tiles(written, path, fitted, config.mesh):
        return
    resolution, header, suffix = resolution_of(fitted, config.mesh), CloudHeader.of(fitted.header), path.suffix.lower()
    if config.mesh.printing:
        part = read_mesh(written.parent / PART)
        frame = Similarity((0.0, 0.0, 0.0), float(np.ptp(part.vertices, axis=0).max()) / 2)
        write_mesh(path, part, frame, resolution, units_of_part(suffix))
        return
    units, mesh = written_units(header, config.mesh, suffix), read_mesh(written)
    if config.mesh.texture and suffix in TEXTURED:
        mesh = textured(mesh, fitted, arrays, config.mesh.texture, say)
    write_mesh(path, mesh, fitted.frame, resolution, units)


def files_of_copy(path: Path, config: ShapeConfig) -> list[Path]:
    """All files that `write_copy` writes for ``path``."""
    suffix = path.suffix.lower()
    beside = companions(path) if config.mesh.texture and suffix == ".obj" else ()
    return [path, *beside, *([] if suffix in DEFINED else [path.with_suffix(".prj")])]


def told_of_copy(path: Path, fitted: Field, config: ShapeConfig) -> str:
    """What users are told of a copy: its units, and what its format cannot hold."""
    header, suffix = CloudHeader.of(fitted.header), path.suffix.lower()
    if config.mesh.printing:
        return units_of_part(suffix).line("mm", suffix)
    line = written_units(header, config.mesh, suffix).line(header.units, suffix)
    if config.mesh.texture and suffix not in TEXTURED:
        line = "; ".join(filter(None, [line, f"without the texture, which {suffix[1:].upper()} cannot hold"]))
    return line

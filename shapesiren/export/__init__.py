"""A field for other programs: ONNX, and signed distance grids as NPZ, NRRD or VTK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..field import Field
from .grids import write_npz, write_nrrd, write_vti
from .onnx import write_onnx

WRITERS: dict[str, Callable[[Field, Path, int, bool], dict[str, Any]]] = {
    ".onnx": write_onnx,
    ".npz": write_npz,
    ".nrrd": write_nrrd,
    ".vti": write_vti,
}


def check_export(path: Path) -> None:
    """Raise InputError now if `export_field` could not write ``path`` later."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(
            f"unknown format {path.suffix or 'without extension'!r}", where=path, hint=f"known: {' '.join(WRITERS)}"
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint=f"mkdir -p {path.parent}")


def export_field(field: Field, path: Path, resolution: int = 128, gradient: bool = False) -> dict[str, Any]:
    """Write a field by the extension of ``path``; return facts.

    Parameters
    ----------
    resolution : samples along the longest side of a grid
    gradient : an ONNX file also gives the gradient

    Raises
    ------
    InputError : the format is unknown, the field's network has no such form, or a package is missing
    """
    check_export(path)
    return WRITERS[path.suffix.lower()](field, path, resolution, gradient)

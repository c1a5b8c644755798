"""A field for other programs: ONNX, and signed distance grids as NPZ, NRRD or VTK.

To add a format of a grid, write a function from a `DistanceGrid` to the file's bytes and enter it in `grids.ENCODERS`.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..field import Field
from .grids import ENCODERS, GridFacts, write_grid
from .onnx import OnnxFacts, write_onnx

ONNX = ".onnx"
SUFFIXES = (ONNX, *ENCODERS)


def check_export(path: Path) -> None:
    """Raise InputError now if `export_field` could not write ``path`` later."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"unknown format {path.suffix or 'without extension'!r}", where=path, hint=f"known: {' '.join(SUFFIXES)}"
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint=f"mkdir -p {path.parent}")


def export_field(field: Field, path: Path, resolution: int = 128, gradient: bool = False) -> OnnxFacts | GridFacts:
    """Write a field by the extension of ``path``.

    Parameters
    ----------
    resolution : samples along the longest side of a grid
    gradient : an ONNX file also gives the gradient

    Returns
    -------
    facts : what the file holds

    Raises
    ------
    InputError : the format is unknown, the field's network has no such form, or a package is missing
    """
    check_export(path)
    if path.suffix.lower() == ONNX:
        return write_onnx(field, path, gradient)
    return write_grid(field, path, resolution)

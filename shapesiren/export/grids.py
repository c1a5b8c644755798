"""A shape's signed distances on a regular grid, in the user's coordinates and units."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..runtime.files import write_atomically

MARGIN = 0.1  # round the scan, as a share of its longest side
ROWS = 1 << 20  # samples evaluated at once


def distance_grid(field: Field, resolution: int) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """Distances (nx, ny, nz) at ``origin + step * (i, j, k)``, origin (3,) and step in the user's units."""
    if field.task != "shape":
        raise InputError(f"a run of task {field.task} has no distance grid", hint="shapesiren decode writes its signal")
    if not 8 <= resolution <= 2048:
        raise InputError(f"{resolution} samples along a side", where="--resolution", hint="8 to 2048")
    low, high = field.bounds(MARGIN)
    step = float((high - low).max()) / (resolution - 1)
    counts = np.maximum(2, np.floor((high - low) / step + 1e-9).astype(int) + 1)
    axes = [low[k] + step * np.arange(counts[k]) for k in range(3)]
    out = np.empty(tuple(counts), np.float32)
    slab = max(1, ROWS // int(counts[1] * counts[2]))
    for i in range(0, counts[0], slab):
        at = np.stack(np.meshgrid(axes[0][i : i + slab], axes[1], axes[2], indexing="ij"), -1)
        out[i : i + slab] = field.box_values(at.reshape(-1, 3)).reshape(at.shape[:3])
    out *= field.frame.scale
    return out, field.frame.to_user(low[None])[0], step * field.frame.scale


def _facts(grid: NDArray[np.float32], origin: NDArray[np.float64], step: float) -> dict[str, Any]:
    return {"samples": list(grid.shape), "origin": origin.tolist(), "step": step}


def write_npz(field: Field, path: Path, resolution: int, _: bool) -> dict[str, Any]:
    """numpy: ``distance`` (nx, ny, nz) float32, ``origin`` (3,) and ``step`` float64."""
    grid, origin, step = distance_grid(field, resolution)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, distance=grid, origin=origin, step=np.float64(step))
    write_atomically(path, out.getvalue())
    return _facts(grid, origin, step)


def write_nrrd(field: Field, path: Path, resolution: int, _: bool) -> dict[str, Any]:
    """NRRD 4 (teem.sourceforge.net/nrrd/format.html), which ITK, Slicer, ParaView and OpenVDB's tools read."""
    grid, origin, step = distance_grid(field, resolution)
    vectors = " ".join(f"({','.join(repr(step) if i == j else '0' for j in range(3))})" for i in range(3))
    head = [
        "NRRD0004",
        "# signed distance, negative inside",
        "type: float",
        "dimension: 3",
        "space dimension: 3",
        f"sizes: {' '.join(map(str, grid.shape))}",
        f"space directions: {vectors}",
        f"space origin: ({','.join(repr(float(v)) for v in origin)})",
        "endian: little",
        "encoding: raw",
    ]
    write_atomically(path, "\n".join(head).encode() + b"\n\n" + grid.astype("<f4").tobytes(order="F"))
    return _facts(grid, origin, step)


def write_vti(field: Field, path: Path, resolution: int, _: bool) -> dict[str, Any]:
    """VTK image data (docs.vtk.org, XML file formats) with appended raw data: ParaView, PyVista."""
    grid, origin, step = distance_grid(field, resolution)
    data = grid.astype("<f4").tobytes(order="F")
    extent = " ".join(f"0 {n - 1}" for n in grid.shape)
    where = " ".join(repr(float(v)) for v in origin)
    head = (
        '<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f'<ImageData WholeExtent="{extent}" Origin="{where}" Spacing="{step!r} {step!r} {step!r}">\n'
        f'<Piece Extent="{extent}"><PointData Scalars="distance">'
        '<DataArray type="Float32" Name="distance" format="appended" offset="0"/></PointData></Piece>\n'
        '</ImageData>\n<AppendedData encoding="raw">_'
    )
    tail = b"\n</AppendedData>\n</VTKFile>\n"
    write_atomically(path, head.encode() + np.uint64(len(data)).tobytes() + data + tail)
    return _facts(grid, origin, step)

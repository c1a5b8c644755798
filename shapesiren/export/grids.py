"""A shape's signed distances on a regular grid, in the user's coordinates and units."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facts import Facts
from ..field import Field
from ..runtime.files import write_atomically

MARGIN = 0.1  # round the scan, as a share of its longest side
SAMPLES_AT_ONCE = 1 << 20


class GridFacts(Facts):
    """What a file with a grid holds.

    samples : along x, y, z
    origin : position of the first sample, in the user's coordinates
    step : between samples, in the user's units
    """

    samples: tuple[int, int, int]
    origin: tuple[float, float, float]
    step: float


@dataclass(frozen=True)
class DistanceGrid:
    """Signed distances, negative inside, at ``origin + step * (i, j, k)``.

    distance : (nx, ny, nz) float32, in the user's units
    origin : (3,) float64, in the user's coordinates
    step : in the user's units
    """

    distance: NDArray[np.float32]
    origin: NDArray[np.float64]
    step: float

    def facts(self) -> GridFacts:
        nx, ny, nz = self.distance.shape
        x, y, z = self.origin.tolist()
        return GridFacts(samples=(nx, ny, nz), origin=(x, y, z), step=self.step)

    def x_fastest(self) -> bytes:
        """The distances as little-endian float32, x running fastest, as NRRD and VTK want them."""
        return self.distance.astype("<f4").tobytes(order="F")


def distance_grid(field: Field, resolution: int) -> DistanceGrid:
    """Sample a shape's field in its bounding box and a little round it, with ``resolution`` samples along the longest side.

    Raises
    ------
    InputError : the field is no shape's, or the resolution is not between 8 and 2048
    """
    if field.header.values is not None:  # its outputs are no distances
        raise InputError(f"a run of task {field.task} has no distance grid", hint="shapesiren decode writes its signal")
    if not 8 <= resolution <= 2048:
        raise InputError(f"{resolution} samples along a side", where="--resolution", hint="8 to 2048")
    low, high = field.bounds(MARGIN)
    step = float((high - low).max()) / (resolution - 1)
    counts = np.maximum(2, np.floor((high - low) / step + 1e-9).astype(int) + 1)
    axes = [low[k] + step * np.arange(counts[k]) for k in range(3)]
    distance = np.empty(tuple(counts), np.float32)
    slab = max(1, SAMPLES_AT_ONCE // int(counts[1] * counts[2]))
    for i in range(0, counts[0], slab):
        at = np.stack(np.meshgrid(axes[0][i : i + slab], axes[1], axes[2], indexing="ij"), -1)
        distance[i : i + slab] = field.box_values(at.reshape(-1, 3)).reshape(at.shape[:3])
    distance *= field.frame.scale
    return DistanceGrid(distance, field.frame.to_user(low[None])[0], step * field.frame.scale)


def write_grid(field: Field, path: Path, resolution: int) -> GridFacts:
    """Write a shape's distances in the format of the extension. Raises InputError as `distance_grid`."""
    grid = distance_grid(field, resolution)
    write_atomically(path, ENCODERS[path.suffix.lower()](grid))
    return grid.facts()


def npz(grid: DistanceGrid) -> bytes:
    """numpy: ``distance`` (nx, ny, nz) float32, ``origin`` (3,) and ``step`` float64."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, distance=grid.distance, origin=grid.origin, step=np.float64(grid.step))
    return out.getvalue()


def nrrd(grid: DistanceGrid) -> bytes:
    """NRRD 4 (teem.sourceforge.net/nrrd/format.html), which ITK, Slicer, ParaView and OpenVDB's tools read."""
    vectors = " ".join(f"({','.join(repr(grid.step) if i == j else '0' for j in range(3))})" for i in range(3))
    head = [
        "NRRD0004",
        "# signed distance, negative inside",
        "type: float",
        "dimension: 3",
        "space dimension: 3",
        f"sizes: {' '.join(map(str, grid.distance.shape))}",
        f"space directions: {vectors}",
        f"space origin: ({','.join(map(repr, grid.origin.tolist()))})",
        "endian: little",
        "encoding: raw",
    ]
    return "\n".join(head).encode() + b"\n\n" + grid.x_fastest()


def vti(grid: DistanceGrid) -> bytes:
    """VTK image data (docs.vtk.org, XML file formats) with appended raw data: ParaView, PyVista."""
    data = grid.x_fastest()
    extent = " ".join(f"0 {n - 1}" for n in grid.distance.shape)
    origin = " ".join(map(repr, grid.origin.tolist()))
    spacing = " ".join([repr(grid.step)] * 3)
    head = (
        '<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n'
        f'<Piece Extent="{extent}"><PointData Scalars="distance">'
        '<DataArray type="Float32" Name="distance" format="appended" offset="0"/></PointData></Piece>\n'
        '</ImageData>\n<AppendedData encoding="raw">_'
    )
    tail = b"\n</AppendedData>\n</VTKFile>\n"
    return head.encode() + np.uint64(len(data)).tobytes() + data + tail


ENCODERS: dict[str, Callable[[DistanceGrid], bytes]] = {".npz": npz, ".nrrd": nrrd, ".vti": vti}

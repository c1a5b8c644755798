"""A surface as a grid of heights, and the grid as a GeoTIFF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..pointcloud.io import crs as systems
from ..runtime.files import write_atomically
from ..surface.mesh import TriangleMesh

NODATA = -9999.0
MOST_CELLS = 100_000_000
PAIRS_AT_ONCE = 4_000_000  # of a face and a cell: bounds the memory
# Of GeoTIFF 1.1 (OGC 19-008r4): tags, and keys of the GeoKeyDirectory
PIXEL_SCALE, TIEPOINT, GEO_KEYS, GDAL_NODATA = 33550, 33922, 34735, 42113
MODEL_TYPE, RASTER_TYPE, PROJECTED_CRS, VERTICAL_CRS = 1024, 1025, 3072, 4096
SIDE_FILE, SIDE_FILE_START = ".aux.xml", "<PAMDataset><!-- shapesiren -->"  # beside a raster: GDAL reads it (its PAM)
IN_DEGREES = (4326, 4258, 4269, 4979, 4937)


@dataclass(frozen=True)
class HeightGrid:
    """Heights over cells. heights : (rows, columns) float64, north first, NaN where there is no surface
    west, north : the outer corner of the first cell, in the user's coordinates; cell : its side"""

    heights: NDArray[np.float64]
    west: float
    north: float
    cell: float

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x of the columns and y of the rows."""
        rows, columns = self.heights.shape
        x = np.arange(columns, dtype=np.float64) + 0.5
        y = np.arange(rows, dtype=np.float64) + 0.5
        return np.float64(self.west) + x * self.cell, np.float64(self.north) - y * self.cell


def height_grid(mesh: TriangleMesh, cell: float, points: NDArray[np.float64] | None = None, reach: float = 0.0) -> HeightGrid:
    """The highest surface over the centre of each cell; the cells' edges lie on multiples of ``cell``.

    Parameters
    ----------
    cell : side of a cell, in the user's units
    points : (n, 3) of the scan; cells whose surface is farther than ``reach`` from all of them have no height

    Raises
    ------
    InputError : the cell is no length, or so small that the grid is huge
    """
    if not (np.isfinite(cell) and cell > 0):
        raise InputError(f"{cell:g} is no cell size", where="--cell", hint="a length above 0 in the scan's units")
    low, high = mesh.vertices[:, :2].min(0), mesh.vertices[:, :2].max(0)
    first, last = np.floor(low / cell), np.ceil(high / cell)
    columns, rows = (int(n) for n in np.maximum(last - first, 1))
    if columns * rows > MOST_CELLS:
        raise InputError(f"{columns:,} x {rows:,} cells", where="--cell", hint="a larger cell")
    faces = mesh.faces
    if points is not None:  # an invented sheet over the ground must not hide it
        faces = faces[_near(mesh.vertices, points, reach)[faces].any(1)]
    west, north = float(first[0] * cell), float(last[1] * cell)
    flat = np.full(rows * columns, -np.inf)
    origin = np.array([west, north, 0.0])
    # in cells from the north-west corner, cell centres on whole numbers
    at = (mesh.vertices - origin) * [1 / cell, -1 / cell, 1.0] - [0.5, 0.5, 0.0]
    corners = at[faces]
    lo = np.maximum(np.ceil(corners[..., :2].min(1)).astype(np.int64), 0)
    hi = np.minimum(np.floor(corners[..., :2].max(1)).astype(np.int64), [columns - 1, rows - 1])
    span = np.maximum(hi - lo + 1, 0)
    count = span[:, 0] * span[:, 1]
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + PAIRS_AT_ONCE, "right")), start + 1)
        _raise_heights(flat, columns, corners[start:stop], lo[start:stop], span[start:stop, 0], count[start:stop])
        start = stop
    flat[np.isneginf(flat)] = np.nan
    grid = HeightGrid(flat.reshape(rows, columns), west, north, cell)
    if points is not None:
        _unsupported_to_nan(grid, points, reach)
    return grid


def _raise_heights(
    flat: NDArray[np.float64],
    columns: int,
    corners: NDArray[np.float64],
    low: NDArray[np.int64],
    width: NDArray[np.int64],
    count: NDArray[np.int64],
) -> None:
    """Raise heights to those of faces (m, 3, 3) at the cells that each covers."""
    face = np.repeat(np.arange(len(corners)), count)
    if not len(face):
        return
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    x, y = low[face, 0] + step % width[face], low[face, 1] + step // width[face]
    a, b, c = (corners[:, i] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        u = ((x - a[face, 0]) * (c - a)[face, 1] - (c - a)[face, 0] * (y - a[face, 1])) / area[face]
        v = ((b - a)[face, 0] * (y - a[face, 1]) - (x - a[face, 0]) * (b - a)[face, 1]) / area[face]
        inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)  # false of upright faces, which cover nothing
    f = face[inside]
    height = a[f, 2] + u[inside] * (b - a)[f, 2] + v[inside] * (c - a)[f, 2]
    np.maximum.at(flat, y[inside] * columns + x[inside], height)


def _near(at: NDArray[np.float64], points: NDArray[np.float64], reach: float) -> NDArray[np.bool_]:
    """Which of ``at`` (n, 3) lie within ``reach`` of one of ``points``."""
    from scipy.spatial import cKDTree

    origin = points.mean(0)
    distance, _ = cKDTree(points - origin).query(at - origin, distance_upper_bound=reach)
    return np.isfinite(distance)


def _unsupported_to_nan(grid: HeightGrid, points: NDArray[np.float64], reach: float) -> None:
    row, column = np.nonzero(np.isfinite(grid.heights))
    x, y = grid.centres()
    near = _near(np.stack([x[column], y[row], grid.heights[row, column]], 1), points, reach)
    grid.heights[row[~near], column[~near]] = np.nan


@dataclass(frozen=True)
class MapSystem:
    """What a grid's coordinates are in. epsg : code of the map projection; heights : code of the heights; text : WKT of a
    system that has no code, which stands beside the GeoTIFF: its own keys name few projections"""

    epsg: int | None = None
    heights: int | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self.epsg is not None or self.text is not None

    def keys(self) -> list[tuple[int, int, int, int]]:
        """Its entries of a GeoKeyDirectory, in order."""
        codes = ((PROJECTED_CRS, self.epsg), (VERTICAL_CRS, self.heights))
        return [(key, 0, 1, code) for key, code in codes if code is not None]


def system_of_scan(crs: str | None) -> MapSystem:
    """The system that a scan's header names: by code where it has one, else by its text."""
    epsg, heights = systems.codes_of(crs) if crs else (None, None)
    if epsg is not None:
        return MapSystem(epsg, heights)
    return MapSystem(text=crs if crs and systems.parsed(crs) else None)


def epsg_of(crs: str | None) -> int | None:
    """The EPSG code of what a user gives: ``EPSG:32632``, or WKT; None where nothing is given.

    Raises
    ------
    InputError : it is neither, or a system in degrees
    """
    if not crs:
        return None
    bare = re.fullmatch(r"\s*(\d{4,5})\s*", crs)
    code = int(bare[1]) if bare else systems.codes_of(crs)[0]
    if code is None:
        raise InputError("no EPSG code in this reference system", where="--crs", hint="for example --crs EPSG:32632")
    if code in IN_DEGREES:
        raise InputError(f"EPSG:{code} is in degrees", where="--crs", hint="a projected system, for example EPSG:32632")
    return code


def write_geotiff(path: Path, grid: HeightGrid, system: MapSystem) -> None:
    """Write heights as float32 GeoTIFF, compressed, pixels as areas, `NODATA` where there is no surface; and the
    `SIDE_FILE` of a system without a code. One that an earlier grid of this name left goes."""
    import tifffile

    keys = [(MODEL_TYPE, 0, 1, 1), (RASTER_TYPE, 0, 1, 1), *system.keys()]
    directory = [v for entry in [(1, 1, 1, len(keys)), *keys] for v in entry]
    nodata = f"{NODATA:g}"
    tags = [
        (PIXEL_SCALE, "d", 3, (grid.cell, grid.cell, 0.0), True),
        (TIEPOINT, "d", 6, (0.0, 0.0, 0.0, grid.west, grid.north, 0.0), True),
        (GEO_KEYS, "H", len(directory), tuple(directory), True),
        (GDAL_NODATA, "s", len(nodata) + 1, nodata, True),
    ]
    heights = np.where(np.isfinite(grid.heights), grid.heights, NODATA).astype(np.float32)

    def write(file: IO[bytes]) -> None:
        kind: dict[str, Any] = {"photometric": "minisblack", "metadata": None, "software": "shapesiren"}
        tifffile.imwrite(file, heights, extratags=tags, compression="zlib", **kind)

    write_atomically(path, write)
    beside = path.with_name(path.name + SIDE_FILE)
    if system.text is not None:
        text = f"{SIDE_FILE_START}\n  <SRS>{escape(system.text)}</SRS>\n</PAMDataset>\n"
        write_atomically(beside, text.encode())
    elif beside.is_file() and beside.read_bytes().startswith(SIDE_FILE_START.encode()):
        beside.unlink()

"""The header of a fitted scan: what its field needs, beside the weights, to be meshed, trimmed and judged."""

from __future__ import annotations

from ..header import BoxBounds, Header
from .scan.noise_weight import CLEAN_NOISE

# Spacing in box units, of 60,000 points on the armadillo, up to which solving knows enough of a surface. With 20,000 (.0076)
# what is trained is better: .46 for .62, spot .19 for .27. With noise solving is, if normals are given: .25 % 1.19 for 1.29,
# .5 % 1.74 for 2.62. If they are estimated it needs points: 100,000 at .5 % 1.98 for 2.07, 20,000 at .25 % 4.49 for 2.09.
DENSE_SPACING = 0.0045
NOISY_SPACINGS = 0.3  # deviation of noisy points, in spacings


class CloudHeader(Header):
    """`Header` of a point cloud. Lengths are in box units; what older runs lack has a default.

    bounds : of the points, in box coordinates
    noise : standard deviation of the points across their surface, the median
    noise_floor : the same where there is least noise, see `scan.noise.Scatter`
    spacing : median distance from a point to the nearest other one
    support : how far from the points a surface may lie and still be supported by them
    open : whether the surface is open, so that it is trimmed where no point is
    normals : where they are from: "given" in the file, of its "faces", or "estimated"
    signed : whether the normals have sides; otherwise the fit finds them
    units : what the user's coordinates are in, see `units`; None where nothing says so
    crs : their coordinate reference system as WKT, or its EPSG code, if the file names one
    tiles : of a large scan, all of whose points are in so many tiles; what stands above is of a thinned cloud of them then
    tile_spacing, tile_noise, tile_tilt : of all points of a large scan; the last is how far given normals are off, radians
    turned : of a large scan, whether sides of given normals were changed
    """

    bounds: BoxBounds
    noise: float = 0.0
    noise_floor: float = 0.0
    spacing: float = 0.0
    support: float = 0.0
    open: bool = False
    normals: str = "given"
    signed: bool = True
    units: str | None = None
    crs: str | None = None
    tiles: int = 0
    tile_spacing: float = 0.0
    tile_noise: float = 0.0
    tile_tilt: float = 0.0
    turned: bool = False


def known_well(spacing: float, noise: float, given: bool) -> bool:
    """Whether points tell so much of a closed surface that solving is as good as training, or better.

    Parameters
    ----------
    spacing, noise : of the points, box units. Noise spreads them into a layer, in which they are farther from each other
    given : whether their normals are, and not estimated
    """
    noisy = noise > max(NOISY_SPACINGS * spacing, CLEAN_NOISE)
    return (noisy and given) or spacing <= DENSE_SPACING * (1 + noise / max(spacing, 1e-12))

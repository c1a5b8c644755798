"""The header of a fitted scan: what its field needs, beside the weights, to be meshed, trimmed and judged."""

from __future__ import annotations

from ..header import BoxBounds, Header

# Spacing in box units, of 60,000 points on the armadillo, up to which solving knows enough of a surface. With 20,000 (.0076)
# what is trained is better: .46 for .62, spot .19 for .27
DENSE_SPACING = 0.0045


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
    """

    bounds: BoxBounds
    noise: float = 0.0
    noise_floor: float = 0.0
    spacing: float = 0.0
    support: float = 0.0
    open: bool = False
    normals: str = "given"
    signed: bool = True

"""What is told of a mesh: what it is, checked, and what was done to make it. Lengths are in the user's units."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..facts import Facts
from ..pointcloud.units import suffix
from .printing.facts import Invented, PartFacts

LEAST_TOLD = 0.001  # share of the area that is invented, below which nothing is said
MOST_INVENTED = 0.4  # share of the area, up to which an open scan may be of an object


class Verification(Facts):
    """What `verify.verify` counted, edge by edge.

    vertices, faces : counts
    boundary_edges : edges of one face; 0 means closed
    nonmanifold_edges : edges of more than two faces; 0 means edge-manifold
    misoriented_edges : edges whose two faces run the same way along them; 0 means oriented
    nonmanifold_vertices : vertices whose faces form more than one fan
    components : connected components
    genus : sum over the components, of a closed manifold; None otherwise
    volume : enclosed, in cubed units; None unless watertight
    area : in squared units
    watertight : closed, edge-manifold and oriented
    """

    vertices: int
    faces: int
    boundary_edges: int
    nonmanifold_edges: int
    misoriented_edges: int
    nonmanifold_vertices: int
    components: int
    genus: int | None
    volume: float | None
    area: float
    watertight: bool

    def lines(self, beside: str = "") -> list[str]:
        """``beside`` : how near the points are, of which topology alone says nothing"""
        near = f"; {beside}" if beside else ""
        plural = "" if self.components == 1 else "s"
        if self.watertight:
            genus = f", genus {self.genus}" if self.genus is not None else ""
            state = f"watertight (closed, edge-manifold, oriented){genus}{near}"
        else:
            parts = [
                (self.boundary_edges, "boundary edges"),
                (self.nonmanifold_edges, "non-manifold edges"),
                (self.misoriented_edges, "misoriented edges"),
            ]
            state = "not watertight: " + ", ".join(f"{n:,} {name}" for n, name in parts if n) + near
        return [f"{self.vertices:,} vertices, {self.faces:,} faces, {self.components} component{plural}", state]


class InputDistances(Facts):
    """Distances from the input points to the mesh. p95 : their 95th percentile

    Of a large run they are of some points of each tile, away from its sides, and p95 is the mean of the tiles' percentiles,
    weighed by their points: no percentile of the whole, where tiles differ.
    """

    mean: float
    p95: float
    max: float

    @classmethod
    def between(cls, distance: NDArray[np.float64]) -> Self:
        """Of the distances (k,) of all points."""
        return cls(mean=float(distance.mean()), p95=float(np.quantile(distance, 0.95)), max=float(distance.max()))

    def lines(self) -> list[str]:
        return [f"input points to mesh: mean {self.mean:.4g}, 95 % {self.p95:.4g}, max {self.max:.4g}"]


class Likeness(Facts):
    """How near a mesh and its points are to each other, see `likeness.judge`.

    spacing : the median spacing of the points, or their noise where that is more, in the user's units. In spacings:
    mean, p95, p99 : of the points' distances from the mesh
    far_share : of the points, those farther than five from the mesh
    unsupported_share : of the mesh's area, what lies farther from all points than gaps between them do
    field_mean, field_far_share : the same of the field's own surface, as its values tell at the points: the fault of the fit
    against_share : of the points, those whose normals look against the field's gradient; None where normals have no sides
    """

    spacing: float
    mean: float
    p95: float
    p99: float
    far_share: float
    unsupported_share: float
    field_mean: float
    field_far_share: float
    against_share: float | None

    def beside(self) -> str:
        """What stands beside whatever is said of the topology."""
        return f"its points lie {self.mean:.2g} spacings from it on average, 99 % within {self.p99:.2g}"


class Trimmed(Facts):
    """What was cut off an open scan. distance : from most points, within which every enclosed face stays
    sparse_distance : the same where points are sparsest; None in older runs
    area_share : of the surface that went; whole_closed : whether what it was cut from ended nowhere; None in older runs
    """

    distance: float
    sparse_distance: float | None = None
    area_share: float
    whole_closed: bool | None = None

    def line(self) -> str:
        sparse = self.sparse_distance or 0.0
        where = f", {sparse:.3g} where they are sparse" if sparse > 1.5 * self.distance else ""
        return (
            f"open scan: trimmed what lies farther than about {self.distance:.3g} from any point{where} "
            f"({self.area_share:.1%} of the area; --set mesh.trim=off keeps it)"
        )


class PostProcessed(Facts):
    """What smoothing and decimation did. faces_before : how many there were
    farthest : the largest distance from a vertex of the mesh before to the one after
    """

    faces_before: int
    farthest: float

    def line(self, faces: int) -> str:
        """``faces`` : how many there are now"""
        return (
            f"{self.faces_before:,} -> {faces:,} faces; no vertex of the full mesh is farther than {self.farthest:.3g} "
            "from this one"
        )


class Uncertainty(Facts):
    """Standard deviations of the vertices across the surface. median, p95 : of all vertices"""

    median: float
    p95: float

    @classmethod
    def of_vertices(cls, deviation: NDArray[np.floating]) -> Uncertainty:
        median, p95 = np.quantile(deviation, (0.5, 0.95)).tolist()
        return cls(median=median, p95=p95)

    def line(self) -> str:
        return f"error bars (standard deviation of a vertex): median {self.median:.3g}, 95 % {self.p95:.3g}"


class MeshFacts(Facts):
    """What stage ``mesh`` found. What older runs did not say yet has a default.

    resolution : cells along the longest side of the grid
    method : "marching cubes" or "dual contouring"
    cell : side of a grid cell
    evaluations : of the field on the grid; refinements : of the field with its gradient, at vertices
    precision : of the products that decided signs
    residual : mean distance of the vertices from the level set, as refined, before they are moved
    flipped_edges, moved_vertices : number of edges flipped, and mean distance that vertices were moved, to fit the faces
    trimmed : None where nothing was to be trimmed; post : None where neither smoothing nor decimation was asked for
    dropped_others, dropped_components, dropped_phantoms : components left out because larger ones were asked for, because they
        were small, because no point supports them
    uncertainty : where it was asked for
    invented : where a closed surface was asked for; part : what was made of it for a printer, where that was
    box : the part of the scan whose surface it is, if not all; two corners, in the scan's units
    likeness : to the points; None in older runs
    warnings : a line on each way in which it is not the surface of its points
    touches_boundary : whether the surface ends at the edge of the grid
    seconds : spent
    length_units : what lengths here are in, see `pointcloud.units`; None where nothing says so
    tiles : in which it was made, of a large run; level : of its pyramid, that the file holds where the whole stays in tiles
    """

    resolution: int
    tiles: int | None = None
    level: int | None = None
    length_units: str | None = None
    method: str = "marching cubes"
    cell: float
    evaluations: int
    precision: str = "float32"
    refinements: int = 0
    residual: float
    flipped_edges: int | None = None
    moved_vertices: float | None = None
    trimmed: Trimmed | None = None
    dropped_others: int | None = None
    dropped_components: int
    dropped_phantoms: int = 0
    post: PostProcessed | None = None
    uncertainty: Uncertainty | None = None
    invented: Invented | None = None
    part: PartFacts | None = None
    verification: Verification
    input_distance: InputDistances
    box: list[float] | None = None
    likeness: Likeness | None = None
    warnings: list[str] = []
    touches_boundary: bool
    seconds: float

    def lines(self) -> list[str]:
        tiles = "" if self.tiles is None else f", {self.tiles:,} tiles"
        tiles += f", which hold it; the file is level {self.level} of it" if self.level else ""
        return [*self.surface_lines(), f"resolution {self.resolution}{tiles}, {self.seconds:.1f} s"]

    def surface_lines(self) -> list[str]:
        """The surface alone, without what it cost."""
        near = f"its points lie {self.input_distance.mean:.4g}{suffix(self.length_units)} from it on average"
        beside = near if self.likeness is None else self.likeness.beside()
        unit = suffix(self.length_units)
        lines = [*self.verification.lines(beside), *(line + unit for line in self.input_distance.lines())]
        if unit:
            found, square, cube = self.verification, suffix(self.length_units, 2), suffix(self.length_units, 3)
            volume = "" if found.volume is None else f", volume {found.volume:.5g}{cube}"
            lines.append(f"area {found.area:.5g}{square}{volume}")
        if self.likeness is not None and self.likeness.unsupported_share >= LEAST_TOLD:
            lines.append(f"invented: {self.likeness.unsupported_share:.1%} of its area, where no point is near")
        if self.box is not None:
            lines.append(f"of the box {', '.join(f'{v:.10g}' for v in self.box)} alone, to whole cells")
        elif self.touches_boundary:
            lines.append("the surface reaches the edge of the grid and ends there (mesh.margin widens it)")
        if self.invented is not None:
            lines.append(self.invented.line())
        if self.part is not None:
            lines += self.part.lines()
        if self.closes():
            assert self.trimmed is not None
            lines.append(f"--watertight closes it for a printer; {self.trimmed.area_share:.1%} of the area would be invented")
        return lines + [f"warning: {warning}" for warning in self.warnings]

    def closes(self) -> bool:
        """Whether this is the open mesh of what looks like an object: before it was trimmed it ended nowhere, in one piece that
        the points support for the most part."""
        if self.trimmed is None or self.trimmed.whole_closed is not True or self.box is not None:
            return False
        return not self.verification.watertight and self.trimmed.area_share <= MOST_INVENTED

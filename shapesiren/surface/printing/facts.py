"""What is told of a surface that was closed, and of a part that was made of it for a printer."""

from __future__ import annotations

from ...facts import Facts


class Invented(Facts):
    """What of a closed surface no point of the scan supports: what trimming would have cut off.

    area : in squared units of the scan; area_share : of the whole
    block : whether the surface ran on to the edge of the grid and was closed there by flat sides
    """

    area: float
    area_share: float
    block: bool = False

    def line(self) -> str:
        sides = ", the flat sides at the edge of the grid included" if self.block else ""
        area = f"{self.area:.4g} in the scan's units"
        return f"closed: {self.area_share:.1%} of the area ({area}) is invented, no point is near it{sides}"


class Walls(Facts):
    """Thickness of a part, along rays that go in from its surface; millimetres.

    least : what is thinner is thin; nozzle : of the printer; thin_share : of the area; p01, median : of the thickness by area
    """

    nozzle: float
    least: float
    thin_share: float
    p01: float
    median: float

    def lines(self) -> list[str]:
        told = f"walls: median {self.median:.3g} mm, 99 % of the area above {self.p01:.2g} mm"
        if self.thin_share < 0.0005:
            return [told]
        return [
            told,
            f"warning: {self.thin_share:.1%} of the area is thinner than {self.least:.2g} mm, "
            f"{self.least / self.nozzle:.2g} lines of a {self.nozzle:g} mm nozzle: print.png shows where; print it larger",
        ]


class Hollow(Facts):
    """A cavity. wall : that was asked for; wall_median : measured between cavity and surface; millimetres
    origin : "field" (its level set at that depth) or "mesh" (distances from the mesh, where the field is no distance there)
    saved_share : of the volume that need not be filled; closed_pockets : parts of the cavity that no drain reaches, left solid
    drain : diameter; None where there is none
    """

    wall: float
    wall_median: float
    origin: str
    saved_share: float
    closed_pockets: int = 0
    drain: float | None = None


class PartFacts(Facts):
    """A part to print, in millimetres, z up, standing on z = 0.

    up : axis of the scan that points up; scale : millimetres to a unit of the scan
    size : (3,) extents; volume : of material, in cubic millimetres; bodies : separate ones
    watertight : verified edge by edge; base_area : squared millimetres on the ground, None without a flat base
    base_cut : how far above the lowest point the base was cut; base_flatness : farthest vertex of it from its plane
    stands : whether the centre of mass is above the base
    """

    up: str
    scale: float
    size: list[float]
    volume: float
    bodies: int
    watertight: bool
    base_area: float | None = None
    base_cut: float | None = None
    base_flatness: float | None = None
    stands: bool | None = None
    hollow: Hollow | None = None
    walls: Walls

    def lines(self) -> list[str]:
        size = " x ".join(f"{v:.4g}" for v in self.size)
        many = f", {self.bodies} bodies" if self.bodies > 1 else ""
        out = [
            f"part: {size} mm, {self.volume / 1000:.3g} cm³ of material, closed{many}; {self.up} of the scan is up "
            f"(--up), {self.scale:.4g} mm to its unit"
        ]
        if self.base_area is not None:
            stands = "it stands" if self.stands else "warning: its centre of mass is not above the base, it falls over"
            out.append(f"flat base: {self.base_cut:.3g} mm cut off below, {self.base_area:.4g} mm² on the ground; {stands}")
        if self.hollow is not None:
            h = self.hollow
            drain = f"drained through {h.drain:g} mm" if h.drain else "no drain: --drain 4mm lets powder or resin out"
            pockets = f", {h.closed_pockets} pockets that it does not reach left solid" if h.closed_pockets else ""
            out.append(
                f"hollow: walls of {h.wall:g} mm (median {h.wall_median:.3g}, by the {h.origin}), "
                f"{h.saved_share:.0%} less material, {drain}{pockets}"
            )
        return out + self.walls.lines()

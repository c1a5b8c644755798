"""What ingest and inspect find in a scan. In a file of its own, because a fit reads it and has neither scipy nor open3d."""

from __future__ import annotations

from ..facts import Facts
from .io.crs import name_of as crs_name
from .units import suffix

MOST_GROUPS = 24  # classes, returns or scans in a table
CHECKS = {"scanner": "the scanner's position", "winding number": "what they enclose", "outside": "what can be reached"}


class NormalsFacts(Facts):
    """Where the normals are from, and what was found on the way. What was not looked at is absent.

    missing : share of the points whose given normal was zero or not finite
    agreement : median |cosine| between given normals and planes through the points round them
    origin : "given" in the file, of its "faces", or "estimated" from the points
    flipped : share of given normals that looked the other way than their neighbours, and were turned
    neighbours : points that the plane of a normal was fitted to, the median
    turned : share of given normals that looked to the wrong side by that check, and were turned
    oriented : how estimated normals came to their sides
    checked : what the sides were checked by: "scanner", "winding number" or "outside"; None where nothing tells which is which
    confidence : share of the sides that a check of them agreed with; of estimated ones that were not checked, .99 at most
    winding : share of points at which the winding number is that of a closed surface; None where it was not looked at
    """

    missing: float | None = None
    agreement: float | None = None
    origin: str
    flipped: float | None = None
    turned: float | None = None
    neighbours: int | None = None
    oriented: str | None = None
    checked: str | None = None
    confidence: float | None = None
    winding: float | None = None


class SensorsFacts(Facts):
    """Where the scanner stood.

    origin : where its positions are from: "in the file", "given", "found", "above" or "none"
    positions : how many
    """

    origin: str
    positions: int


class GuideFacts(Facts):
    """samples : of the guide; surface : how the one was made that they are measured to
    watertight : whether that surface is closed
    unsupported : share of its area that lies far from any point
    open : whether the scan is taken as open
    """

    samples: int = 0
    surface: str
    watertight: bool | None = None
    unsupported: float | None = None
    open: bool


class ScanFacts(Facts):
    """What is found while a scan is made ready.

    points : that are used; read : in the input; non_finite, duplicates, outliers : that were dropped
    colours, intensity : whether there are any
    low, size : lowest corner of the bounding box, and its sides, in the scan's units
    length_units : which these are, see `units`; None where nothing says so; units_from : what says so
    crs : the coordinate reference system as WKT, or its EPSG code; None where the file names none
    classes, returns, scans : points of each that were wanted in the file, by their labels
    """

    points: int
    read: int = 0
    non_finite: int = 0
    duplicates: int = 0
    outliers: int = 0
    normals: NormalsFacts
    sensors: SensorsFacts = SensorsFacts(origin="none", positions=0)
    colours: bool = False
    intensity: bool = False
    low: list[float] = []
    size: list[float]
    length_units: str | None = None
    units_from: str = ""
    crs: str | None = None
    classes: dict[str, int] = {}
    returns: dict[str, int] = {}
    scans: dict[str, int] = {}

    @property
    def unit(self) -> str:
        """What stands behind a length."""
        return suffix(self.length_units)

    @property
    def extras(self) -> list[str]:
        """What each point has beside its position and normal."""
        return [name for name in ("colours", "intensity") if getattr(self, name)]


class PriorFacts(Facts):
    """What a prior added to a scan. name : as it was asked for; points : on the surface; samples : off it
    deviation : of its points across the surface, the median, in the scan's units
    """

    name: str
    points: int
    samples: int = 0
    deviation: float = 0.0


class CloudFacts(ScanFacts):
    """What stage ``ingest`` finds. Lengths in the scan's units.

    spacing : median distance from a point to the nearest other one
    noise : standard deviation of the points across their surface
    support : how far from the points a surface may lie and still be supported by them
    tiles : that a large scan is in
    prior : where one completed it
    """

    spacing: float
    noise: float
    support: float = 0.0
    guide: GuideFacts
    tiles: int | None = None
    prior: PriorFacts | None = None

    def lines(self) -> list[str]:
        extras = "".join(f", {name}" for name in self.extras)
        size = " x ".join(f"{s:.4g}" for s in self.size)
        origin, unit = self.normals.origin.replace("faces", "of the faces"), self.unit
        where = f"; {crs_name(self.crs)}" if self.crs else ""
        where += f"; in {self.tiles:,} tiles" if self.tiles else ""
        completed = []
        if self.prior is not None:
            sure = f", sure to {self.prior.deviation:.2g}{unit}" if self.prior.points else ": the scan has them everywhere"
            completed = [f"the prior {self.prior.name} added {self.prior.points:,} points{sure}"]
        return [
            f"{self.points:,} points, normals {origin}{extras}, size {size}{unit}{where}",
            f"spacing {self.spacing:.3g}{unit}, noise about {self.noise:.2g}{unit}, "
            f"{'open' if self.guide.open else 'closed'}{f', guide: {self.guide.surface}' if self.guide.samples else ''}",
            *completed,
        ]


class SpacingFacts(Facts):
    """Distances from a point to the nearest other one, in the scan's units: their median and two more quantiles."""

    median: float
    q95: float
    q99: float


class Choice(Facts):
    """A setting that follows from the facts: its name, the value that would be taken, and why."""

    setting: str
    value: str
    why: str


class InspectFacts(ScanFacts):
    """What ``inspect`` tells of a scan before any work. Lengths in the scan's units.

    centre : of its bounding box
    neighbours_agree : share of points whose nearest one has its normal on the same side
    noise : standard deviation of the points across their surface
    open : whether the scan would be taken as open
    unsupported : share of a closed surface's area that would lie far from any point; None if it was plain without
    proposed : an option that may help, and why
    memory_mib : estimated peak of a fit and its mesh
    bytes : of the file; seconds : that this look took
    fit_rate, fit_seconds : steps a second on this machine, if it is trained; and the time of the whole fit; None if not known
    fit_seconds_between : the shortest and the longest that this may be, by how the trial's pace varied
    busy : whether others kept the machine busy while that was measured
    """

    centre: list[float]
    spacing: SpacingFacts
    neighbours_agree: float
    noise: float
    open: bool
    unsupported: float | None = None
    choices: list[Choice]
    proposed: str = ""
    memory_mib: int
    bytes: int | None = None
    seconds: float = 0.0
    fit_rate: float | None = None
    fit_seconds: float | None = None
    fit_seconds_between: tuple[float, float] | None = None
    busy: bool = False

    def lines(self) -> list[str]:
        """A table of ``name  value``."""
        spacing, sensors, unit = self.spacing, self.sensors, self.unit
        rows = [
            ("points", f"{self.read:,} read, {self.points:,} usable"),
            ("dropped", f"{self.non_finite:,} non-finite, {self.duplicates:,} duplicate, {self.outliers:,} outliers"),
            ("size", " x ".join(f"{v:.5g}" for v in self.size) + unit),
            ("lowest corner", ", ".join(f"{v:.10g}" for v in self.low)),
            ("units", f"{self.length_units}, {self.units_from}" if unit else "unknown (--units says what they are)"),
            *([("system", crs_name(self.crs))] if self.crs else []),
            *self._groups(),
            ("spacing", f"median {spacing.median:.3g}, 95 % {spacing.q95:.3g}, 99 % {spacing.q99:.3g}{unit}"),
            ("noise", f"about {self.noise:.2g}{unit} ({self.noise / max(self.size):.2%} of the longest side)"),
            ("normals", f"{self._normals()}; neighbours agree: {self.neighbours_agree:.1%}"),
            ("also in it", ", ".join(self.extras) or "nothing"),
            (
                "scanner",
                f"{sensors.positions} position(s), {sensors.origin}" if sensors.positions else "unknown",
            ),
            ("surface", "open" if self.open else "closed"),
            *(("choice", f"{c.setting} = {c.value}: {c.why}") for c in self.choices),
            *([("try", self.proposed)] if self.proposed else []),
            ("memory", f"about {self.memory_mib:,} MiB"),
        ]
        if self.fit_seconds is not None:
            trained = f" ({self.fit_rate:.0f} steps/s; --preset fast solves it in a fraction of that)" if self.fit_rate else ""
            how = trained or ", solved in one go"
            busy = "; a busy machine: less when it is free" if self.busy else ""
            least, most = self.fit_seconds_between or (self.fit_seconds,) * 2
            time = f"{least:.0f} to {most:.0f} s" if f"{least:.0f}" != f"{most:.0f}" else f"about {most:.0f} s"
            rows.append(("time", f"{time} to fit on this machine{how}{busy}"))
        elif self.busy:
            rows.append(("time", "unknown: a busy machine, on which a fit cannot be timed now"))
        return [f"{name:<14}{value}" for name, value in rows]

    def _groups(self) -> list[tuple[str, str]]:
        """A row for each class, return and scan; of many of a kind the largest."""
        rows = []
        for kind in ("classes", "returns", "scans"):
            counts: dict[str, int] = getattr(self, kind)
            total = max(sum(counts.values()), 1)
            kept = set(sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_GROUPS])
            largest = [label for label in counts if label in kept]
            for i, label in enumerate(largest):
                value = f"{label:<26}{counts[label]:>13,} {counts[label] / total:>7.1%}"
                rows.append((kind if i == 0 else "", value))
            if len(counts) > MOST_GROUPS:
                rows.append(("", f"and {len(counts) - MOST_GROUPS} more"))
        return rows

    def _normals(self) -> str:
        normals = self.normals
        if normals.origin == "faces":
            return "of the faces"
        checked = f"sides checked by {CHECKS[normals.checked]}" if normals.checked else "nothing tells their sides"
        if normals.origin == "estimated":
            if normals.confidence is None:
                return f"estimated, {normals.oriented}, which finds their sides"
            return f"estimated, {normals.oriented}, confidence {normals.confidence:.1%}; {checked}"
        shares = (normals.missing, "missing"), (normals.flipped, "flipped"), (normals.turned, "turned")
        return f"given; {', '.join(f'{share or 0.0:.1%} {what}' for share, what in shares)}; {checked}"

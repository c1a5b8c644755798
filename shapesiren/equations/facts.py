"""What ingest found in a problem, and what was decoded of its solution."""

from __future__ import annotations

from pydantic import Field

from ..facts import Facts


class ProblemFacts(Facts):
    """notes : what a user should know. A subclass for each kind of problem has the numbers, and tells them in their order."""

    notes: list[str] = Field(default_factory=list)

    def lines(self) -> list[str]:
        numbers = {name: value for name, value in self.tree().items() if isinstance(value, (int, float))}
        shown = [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value:,}" for name, value in numbers.items()]
        return [", ".join(shown), *self.notes]


class HelmholtzFacts(ProblemFacts):
    """rows : equations; waves_across : shortest waves along the longest side; points_to_a_wave : of the equations
    sources; slowest, fastest : speeds of the medium, of that in a vacuum
    """

    rows: int
    waves_across: float = Field(alias="waves across")
    points_to_a_wave: float = Field(alias="points to a wave")
    sources: int
    slowest: float
    fastest: float


class WaveFacts(ProblemFacts):
    """points : of all equations; units : of the network; slowest, fastest : speeds of the medium
    crossing : length that the fastest wave runs, in the user's units; points_to_a_wave : where the medium is not uniform
    """

    points: int
    units: int
    slowest: float
    fastest: float
    crossing: float
    points_to_a_wave: float | None = Field(None, alias="points to a wave")


class PoissonFacts(ProblemFacts):
    """points : in the domain; border_points; borders : kinds of conditions, "value" and "flux" """

    points: int
    border_points: int = Field(alias="border points")
    borders: list[str]


class InversionFacts(ProblemFacts):
    """points : in the domain; sources, receivers; scattered_share : of what is measured, by the unknown part"""

    points: int
    sources: int
    receivers: int
    scattered_share: float = Field(alias="scattered share")


class SolutionFacts(Facts):
    """Shapes of the arrays in the file: x, y, and of a wave t; u; of an inversion slowness."""

    x: list[int]
    y: list[int]
    t: list[int] | None = None
    u: list[int]
    slowness: list[int] | None = None

    def lines(self) -> list[str]:
        return [", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in self.tree().items())]

"""Boundary and initial value problems as their users describe them: a TOML file, checked before anything is solved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Setting
from pydantic import model_validator

from ..config import Settings, Tree, read_toml, validated
from ..errors import InputError
from ..similarity import Similarity
from .expressions import check_expression

Array = NDArray[np.float64]
SUBCELLS = 8  # of a cell's side, for means over it
Point = tuple[float, float]
Positive = Annotated[float, Setting(gt=0)]


class Domain(Settings):
    """A rectangle."""

    low: Point = (-1.0, -1.0)
    high: Point = (1.0, 1.0)

    @model_validator(mode="after")
    def _extends(self) -> Domain:
        if not (self.high[0] > self.low[0] and self.high[1] > self.low[1]):
            raise ValueError("high must be above low")
        return self

    def contains(self, point: Point, margin: float = 0.0) -> bool:
        return all(a + margin <= p <= b - margin for p, a, b in zip(point, self.low, self.high, strict=True))


class AbsorbingLayers(Settings):
    """Perfectly matched layers along all sides; ``1 - i strength (depth / width)^2`` stretches their coordinates."""

    width: Positive = 0.5
    strength: Positive = 5.0


class Inclusion(Settings):
    """A part of the medium that has another speed."""

    shape: Literal["disc", "square"]
    centre: Point = (0.0, 0.0)
    size: Positive = Setting(description="radius of a disc, half a side of a square")
    speed: Positive


class Medium(Settings):
    """Speed of waves: uniform with inclusions, later ones on top, or an image of it over the whole domain."""

    speed: Positive = 1.0
    inclusion: tuple[Inclusion, ...] = ()
    image: str | None = None
    slowest: Positive | None = None
    fastest: Positive | None = None

    @model_validator(mode="after")
    def _image_has_speeds(self) -> Medium:
        if self.image and (self.slowest is None or self.fastest is None):
            raise ValueError("an image of speeds needs slowest (its black) and fastest (its white)")
        if self.image and self.inclusion:
            raise ValueError("either an image or inclusions")
        return self

    def range(self) -> tuple[float, float]:
        """The lowest and the highest speed that it names."""
        if self.image:
            assert self.slowest and self.fastest
            return min(self.slowest, self.fastest), max(self.slowest, self.fastest)
        named = [self.speed, *(i.speed for i in self.inclusion)]
        return min(named), max(named)


class Source(Settings):
    """A Gaussian, strength * exp(-r^2 / 2 width^2); width 0 is a point of that strength."""

    position: Point
    strength: Point = Setting((1.0, 0.0), description="real and imaginary part")
    width: float = Setting(0.01, ge=0, description="standard deviation")


class Pulse(Settings):
    """Where a wave starts, at rest: amplitude * exp(-r^2 / 2 width^2)."""

    position: Point = (0.0, 0.0)
    amplitude: float = 1.0
    width: Positive = 0.0224


class Line(Settings):
    """Receivers along a line."""

    start: Point
    end: Point
    count: int = Setting(ge=1, le=10_000)


class Side(Settings):
    """What is known at a side: the value (Dirichlet), or the outward derivative (Neumann). An expression of x and y."""

    value: str | float | None = None
    flux: str | float | None = None

    @model_validator(mode="after")
    def _one(self) -> Side:
        if (self.value is None) == (self.flux is None):
            raise ValueError("either value or flux")
        for text in (self.value, self.flux):
            if text is not None:
                check_expression(str(text))
        return self


class Problem(Settings):
    """What all have."""

    problem: str
    domain: Domain = Domain()

    def frame(self) -> Similarity:
        """The longest side becomes [-1, 1]."""
        return Similarity.of_bounds(np.array(self.domain.low), np.array(self.domain.high), 2.0)

    def files(self, folder: Path) -> list[Path]:
        """Other files that it names: images of speeds, masks, measurements."""
        media = [getattr(self, name, None) for name in ("medium", "truth")]
        named = [m.image for m in media if m] + [getattr(self, name, None) for name in ("mask", "measurements")]
        return [folder / name for name in named if name]


class Helmholtz(Problem):
    """lap u + (wavenumber / speed)^2 u = sources, waves leave through the layers."""

    problem: Literal["helmholtz"] = "helmholtz"
    wavenumber: Positive
    pml: AbsorbingLayers = AbsorbingLayers()
    medium: Medium = Medium()
    source: tuple[Source, ...] = Setting(min_length=1)


class Wave(Problem):
    """u_tt = speed^2 lap u from a pulse at rest; waves leave through the border."""

    problem: Literal["wave"] = "wave"
    duration: Positive
    medium: Medium = Medium()
    pulse: tuple[Pulse, ...] = Setting((Pulse(),), min_length=1)


class Inversion(Problem):
    """The medium from what receivers measure of each source's waves; speed 1 where it is known."""

    problem: Literal["inversion"] = "inversion"
    wavenumber: Positive
    pml: AbsorbingLayers = AbsorbingLayers()
    unknown: Domain = Setting(Domain(low=(-0.4, -0.4), high=(0.4, 0.4)), description="where the medium is sought")
    source: tuple[Source, ...] = ()
    receivers: tuple[Line, ...] = ()
    truth: Medium | None = Setting(None, description="a medium to make the measurements for, by finite differences")
    noise: float = Setting(0.0, ge=0, description="of those measurements, as a share of their root mean square")
    measurements: str | None = Setting(
        None, description="a .mat or .npz file: source, receivers, rec_val (one column a source)"
    )
    strength: Point = Setting((1.0, 0.0), description="of the sources of such a file")

    @model_validator(mode="after")
    def _one_origin(self) -> Inversion:
        if (self.truth is None) == (self.measurements is None):
            raise ValueError("either truth (a medium to simulate) or measurements (a file)")
        if self.truth is not None and not (self.source and self.receivers):
            raise ValueError("a simulation needs sources and receivers")
        return self


class Poisson(Problem):
    """lap u = right_hand_side, with values or fluxes at the border, on a rectangle or the white part of an image."""

    problem: Literal["poisson"] = "poisson"
    right_hand_side: str | float | None = None
    exact: str | None = Setting(None, description="the solution, if known: what is left out follows from it")
    mask: str | None = Setting(None, description="an image, white inside; its own border then counts")
    left: Side | None = None
    right: Side | None = None
    bottom: Side | None = None
    top: Side | None = None
    border: Side | None = Setting(None, description="all sides that are not named, and the border of a mask")

    @model_validator(mode="after")
    def _complete(self) -> Poisson:
        for text in (self.right_hand_side, self.exact):
            if text is not None:
                check_expression(str(text))
        if self.exact is None and self.right_hand_side is None:
            raise ValueError("right_hand_side or exact is needed")
        sides = [self.left, self.right, self.bottom, self.top]
        if self.mask and any(sides):
            raise ValueError("a mask has one border: give border and no sides")
        named = [s or self.border for s in (sides if not self.mask else [self.border])]
        if self.exact is None and any(s is None for s in named):
            raise ValueError("every side needs a value or a flux; border is for all sides that are not named")
        if all(s is not None and s.flux is not None for s in named):
            raise ValueError("fluxes alone leave the solution open by a constant; one side needs a value")
        return self


KINDS: dict[str, type[Problem]] = {"helmholtz": Helmholtz, "wave": Wave, "inversion": Inversion, "poisson": Poisson}


def read_problem(path: Path) -> Problem:
    """The problem in a TOML file.

    Raises
    ------
    InputError : naming the setting that is missing, unknown or makes no sense
    """
    tree = read_toml(path)
    kind = tree.get("problem")
    if kind not in KINDS:
        said = "no problem is named" if kind is None else f"unknown problem {kind!r}"
        raise InputError(said, where=path, hint=f'problem = "...": one of {", ".join(KINDS)}')
    found = validated(KINDS[kind], tree, lambda _: path)
    try:
        _makes_sense(found)
    except ValueError as e:
        raise InputError(str(e), where=path) from None
    return found


def problem_from(tree: Tree) -> Problem:
    """A problem from what its ``model_dump`` gave."""
    return KINDS[tree["problem"]].model_validate(tree)


def _makes_sense(problem: Problem) -> None:
    domain = problem.domain
    if isinstance(problem, (Helmholtz, Inversion)):
        width = problem.pml.width
        if 2 * width >= min(b - a for a, b in zip(domain.low, domain.high, strict=True)):
            raise ValueError(f"layers {width:g} wide leave nothing of the domain")
        for i, s in enumerate(problem.source):
            if not domain.contains(s.position, width):
                raise ValueError(f"source {i + 1} at {s.position} is not inside the layers, which are {width:g} wide")
    if isinstance(problem, Inversion):
        for line in problem.receivers:
            for end in (line.start, line.end):
                if not domain.contains(end, problem.pml.width):
                    raise ValueError(f"receivers at {end} are not inside the layers")
        if not all(domain.contains(p, problem.pml.width) for p in (problem.unknown.low, problem.unknown.high)):
            raise ValueError("the unknown part reaches into the layers")
    if isinstance(problem, Wave):
        for i, p in enumerate(problem.pulse):
            if not domain.contains(p.position):
                raise ValueError(f"pulse {i + 1} at {p.position} is outside the domain")


def speeds(medium: Medium, points: Array, domain: Domain, folder: Path) -> Array:
    """Speed (n,) at points (n, 2) in the user's coordinates."""
    if medium.image:
        return _from_image(folder / medium.image, medium, points, domain)
    found = np.full(len(points), medium.speed)
    for part in medium.inclusion:
        away = points - np.array(part.centre)
        inside = np.linalg.norm(away, axis=1) < part.size if part.shape == "disc" else np.abs(away).max(1) < part.size
        found[inside] = part.speed
    return found


def slowness(medium: Medium, points: Array, steps: Array, domain: Domain, folder: Path) -> Array:
    """Squared slowness 1 / speed^2, (n,), in the mean over boxes of sides ``steps`` (2,) round points (n, 2): where the speed
    jumps inside a cell, its value at the centre is wrong to first order."""
    total = np.zeros(len(points))
    share = (np.arange(SUBCELLS) + 0.5) / SUBCELLS - 0.5
    for shift in np.stack(np.meshgrid(share, share), -1).reshape(-1, 2):
        total += speeds(medium, np.clip(points + shift * steps, domain.low, domain.high), domain, folder) ** -2.0
    return total / SUBCELLS**2


def shades(path: Path, points: Array, domain: Domain) -> Array:
    """Grey values in [0, 1] of an image that covers the domain (its first row is the top), linearly between pixels."""
    from scipy.ndimage import map_coordinates

    from ..media.image import read_image

    values = read_image(path).values
    grey = values[..., : 1 if values.shape[2] < 3 else 3].mean(2, dtype=np.float64)
    low, high = np.array(domain.low), np.array(domain.high)
    share = (points - low) / (high - low)
    at = np.stack([(1 - share[:, 1]) * grey.shape[0] - 0.5, share[:, 0] * grey.shape[1] - 0.5])
    return np.asarray(map_coordinates(grey, at, order=1, mode="nearest"), np.float64)


def _from_image(path: Path, medium: Medium, points: Array, domain: Domain) -> Array:
    assert medium.slowest and medium.fastest
    return medium.slowest + shades(path, points, domain) * (medium.fastest - medium.slowest)

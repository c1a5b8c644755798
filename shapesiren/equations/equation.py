"""An equation: points, the operator's coefficients there, right-hand sides and quadrature weights, as plain arrays.

It is linear in the field u: ``operator . (u, du/dx_k, d2u/dx_k^2) = target`` at every point, to hold in the mean
of squares under ``weight``, which says how much of the domain (or border) a point stands for. Everything is in the network's
box and relative to the field's own size, so that a target of one is a large one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .facts import ProblemFacts
from .headers import ProblemHeader

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Equation:
    """points (g n, d), operator (g n, 1 + 2 d), target (n, k), weight (n,).

    Each row is the sum over g consecutive points: one of them, or the quadrature points of a cell, whose weights are in the
    operator then. The mean residual of a cell, and not that at points, is what has to vanish where a medium jumps:
    second derivatives jump with it, which no smooth network can follow, but means do not.
    """

    points: Array
    operator: NDArray[Any]
    target: NDArray[Any]
    weight: Array

    @property
    def group(self) -> int:
        return len(self.points) // len(self.weight)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """As entries of a cache file."""
        return {f"{name}.{part}": getattr(self, part) for part in ("points", "operator", "target", "weight")}


def equation_from(arrays: dict[str, NDArray[Any]], name: str) -> Equation:
    return Equation(*(np.asarray(arrays[f"{name}.{part}"]) for part in ("points", "operator", "target", "weight")))


def names_of(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """The equations in a cache file."""
    return [name.removesuffix(".weight") for name in arrays if name.endswith(".weight")]


DOMAIN_EQUATIONS = ("interior", "sources")  # equations inside the domain, which share one right-hand side


def force(equations: Mapping[str, Equation]) -> float:
    """The right-hand side's own size: the integral of its square over the domain."""
    inner = [equations[n] for n in DOMAIN_EQUATIONS if n in equations]
    return sum(float((e.weight[:, None] * np.abs(e.target) ** 2).sum()) for e in inner)


class Assembled(NamedTuple):
    """A problem as its task takes it.

    arrays : of the equations, by name and part
    header : what its field needs to be decoded
    facts : what was found
    """

    arrays: dict[str, NDArray[Any]]
    header: ProblemHeader
    facts: ProblemFacts

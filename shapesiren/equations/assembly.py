"""From a problem to its equations: one function for each kind of problem, in a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..similarity import Similarity
from .equation import Assembled
from .helmholtz import helmholtz
from .measurements import inversion
from .plane_waves import wave
from .poisson import poisson
from .problems import Helmholtz, Inversion, Poisson, Problem, Wave
from .settings import IngestSettings

MAKERS: dict[type[Problem], Callable[[Any, Similarity, Path, IngestSettings, int], Assembled]] = {
    Helmholtz: helmholtz,
    Wave: wave,
    Poisson: poisson,
    Inversion: inversion,
}


def ingest_problem(problem: Problem, folder: Path, settings: IngestSettings, seed: int) -> Assembled:
    """A problem as equations.

    Parameters
    ----------
    folder : that files named in the problem count from
    settings : how many points, and where

    Raises
    ------
    InputError : what the problem describes cannot be
    """
    return MAKERS[type(problem)](problem, problem.frame(), folder, settings, seed)

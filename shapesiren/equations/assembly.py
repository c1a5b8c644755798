"""From a problem to its equations: one function for each kind of problem, in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..config import Tree
from .helmholtz import helmholtz
from .measurements import inversion
from .plane_waves import wave
from .poisson import poisson
from .problems import Helmholtz, Inversion, Poisson, Problem, Wave
from .settings import IngestSettings

# of a problem, its frame, its folder, settings and a seed: arrays, more of the header, and facts
MAKERS: dict[type[Problem], Any] = {Helmholtz: helmholtz, Wave: wave, Poisson: poisson, Inversion: inversion}


def ingest_problem(
    problem: Problem, folder: Path, settings: IngestSettings, seed: int
) -> tuple[dict[str, NDArray[Any]], Tree, Tree]:
    """Arrays, header and facts of a problem.

    Parameters
    ----------
    folder : that files named in the problem count from
    settings : how many points, and where
    """
    frame = problem.frame()
    arrays, more, info = MAKERS[type(problem)](problem, frame, folder, settings, seed)
    header = {
        "frame": {"centre": list(frame.centre), "scale": frame.scale},
        "problem": problem.model_dump(mode="json"),
        "folder": str(folder.absolute()),
    }
    return arrays, header | more, info

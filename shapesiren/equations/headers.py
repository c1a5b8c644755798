"""What fields of problems need to be decoded and judged: the problem itself, and what was found about it at ingest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config import Tree
from ..header import Header, ValueScale
from ..similarity import Similarity
from .problems import Problem, Source, problem_from


class ProblemHeader(Header):
    """problem : as plain data; see `posed`
    folder : that files named in the problem count from
    values : the scale of the fields
    fields : how many the network has, beside an inversion's medium; complex : whether they are, with two outputs each
    """

    problem: Tree
    folder: str
    values: ValueScale
    fields: int
    complex: bool

    @property
    def posed(self) -> Problem:
        """The problem."""
        return problem_from(self.problem)


class WaveHeader(ProblemHeader):
    """highest : wave number that counts, per box unit; speeds : slowest and fastest of the medium
    period : after which the plane waves repeat, in x and y, box units
    units : that the network is given unasked; needed : that the narrowest pulse asks for
    """

    highest: float
    speeds: tuple[float, float]
    period: tuple[float, float]
    units: int
    needed: int


class InversionHeader(ProblemHeader):
    """size : root mean square of the measurements, the unit of the fields; sources : those that were measured"""

    size: float
    sources: tuple[Source, ...]


def described(problem: Problem, frame: Similarity, folder: Path) -> dict[str, Any]:
    """What the header of any problem begins with."""
    return {"frame": frame, "problem": problem.model_dump(mode="json"), "folder": str(folder.absolute())}

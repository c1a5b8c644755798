"""Task ``poisson``: a right-hand side, and values or fluxes at the border of a rectangle or a mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..config import Config, Tree
from ..equations.facts import PoissonFacts
from ..facts import Facts
from .equations import OURS, PAPER, EquationConfig, EquationTask, facts_of

NET: Tree = {"width": 128, "hidden_layers": 1, "omega_first": 8.0}


class PoissonConfig(EquationConfig):
    """All settings of a Poisson problem."""

    task: Literal["poisson"] = "poisson"


class PoissonTask(EquationTask[PoissonConfig]):
    """A real field whose Laplacian is known."""

    name = "poisson"
    cache = "poisson.npz"
    config_type: ClassVar[type[Config]] = PoissonConfig
    facts_types: ClassVar[Mapping[str, type[Facts]]] = facts_of(PoissonFacts)
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"ingest": {"points": 12_000}, "net": NET | {"last_width": 1024}},
        "fast": OURS | {"ingest": {"points": 4000}, "net": NET | {"last_width": 512}},
        "fine": OURS | {"ingest": {"points": 30_000}, "net": NET | {"last_width": 2048}},
        "paper": PAPER,
    }

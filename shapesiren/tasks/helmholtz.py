"""Task ``helmholtz``: time-harmonic waves from sources in a medium (Sitzmann et al. 2020, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..config import Config, Tree
from ..equations.facts import HelmholtzFacts
from ..facts import Facts
from .equations import OURS, PAPER, EquationConfig, EquationTask, facts_of

NET: Tree = {"width": 128, "hidden_layers": 2, "omega_first": 20.0}


class HelmholtzConfig(EquationConfig):
    """All settings of a Helmholtz problem."""

    task: Literal["helmholtz"] = "helmholtz"


class HelmholtzTask(EquationTask[HelmholtzConfig]):
    """A complex field with perfectly matched layers."""

    name = "helmholtz"
    cache = "helmholtz.npz"
    config_type: ClassVar[type[Config]] = HelmholtzConfig
    facts_types: ClassVar[Mapping[str, type[Facts]]] = facts_of(HelmholtzFacts)
    presets: ClassVar[Mapping[str, Tree]] = {
        # a few more cells than units: more of either alone is worse (pipelines/bench/waves.py)
        "default": OURS | {"ingest": {"cells": 48}, "net": NET | {"last_width": 2048}},
        "fast": OURS | {"ingest": {"cells": 34}, "net": NET | {"last_width": 1024}},
        "fine": OURS | {"ingest": {"cells": 68}, "net": NET | {"last_width": 4096}},
        # experiment_scripts/train_helmholtz.py: 230^2 points a step
        "paper": PAPER | {"ingest": {"points": 52_900}, "batch": {"points": 52_900}},
    }

"""Task ``wave``: a pulse at rest that runs out into a medium (Sitzmann et al. 2020, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..config import Config, Tree
from ..equations.facts import WaveFacts
from ..equations.headers import WaveHeader
from ..equations.plane_waves import plane_waves, repeated_start
from ..equations.problems import Wave
from ..equations.sampling import sobol
from ..facts import Facts
from ..header import Header
from .base import Say, Signal
from .equations import OURS, PAPER, EquationConfig, EquationTask, facts_of

if TYPE_CHECKING:
    from ..fitting.least_squares import Solver

NET: Tree = {"width": 128, "hidden_layers": 0}
MOST_UNITS = 16_384  # units of their own accord: a matrix of 2 GB, three times


class WaveConfig(EquationConfig):
    """All settings of a wave."""

    task: Literal["wave"] = "wave"


class WaveTask(EquationTask[WaveConfig]):
    """A real field of place and time.

    In a uniform medium the first layer, the only one of the presets, starts as the plane waves of a lattice that solve the
    equation, ``|d/dt| = c |d/dx|``, and the start is left to solve for. In others waves of all speeds between the slowest and
    the fastest are mixed, and the equation counts in the mean over cells of space and time.
    """

    name = "wave"
    cache = "wave.npz"
    config_type: ClassVar[type[Config]] = WaveConfig
    header_type: ClassVar[type[Header]] = WaveHeader
    header: WaveHeader
    facts_types: ClassVar[Mapping[str, type[Facts]]] = facts_of(WaveFacts)
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"ingest": {"points": 10_000, "cells": 24}, "net": NET},
        "fast": OURS | {"ingest": {"points": 8000, "cells": 20, "reach": 2.4}, "net": NET},
        "fine": OURS | {"ingest": {"points": 20_000, "cells": 30, "reach": 3.3}, "net": NET},
        # experiment_scripts/train_wave_equation.py: width 512, 340^2 points a step
        "paper": PAPER
        | {
            "net": PAPER["net"] | {"width": 512},
            "fit": PAPER["fit"] | {"steps": 100_000},
            "batch": {"points": 115_600, "grow": 1.0},
        },
    }

    def make_net(self, dimensions: int, outputs: int) -> None:
        """With as many units as the problem needs, where the settings leave it open."""
        self.solved = self.config.fit.optimizer == "least-squares" and self.config.net.kind == "siren"
        if self.solved and self.config.net.last_width is None and self.config.net.hidden_layers == 0:
            width = max(64, min(self.header.units, MOST_UNITS))
            net = self.config.net.model_copy(update={"last_width": width})
            self.config = self.config.model_copy(update={"net": net})
        super().make_net(dimensions, outputs)
        slow, fast = self.header.speeds
        self.exact = self.solved and slow == fast and self.config.net.hidden_layers == 0  # every unit obeys the equation

    def start_net(self) -> None:
        import torch

        if not self.solved:
            return
        layer = self.net.linears[0]
        omega, count = self.config.net.omega_first, len(layer.weight)
        slow, fast = self.header.speeds
        if self.exact:
            weight, phase = plane_waves(np.array(self.header.period), fast, count)
        else:
            unit = sobol(count, np.zeros(5), np.ones(5), self.config.seed)
            rate = self.header.highest * fast * np.sqrt(unit[:, 0])  # a wave that enters another medium keeps it
            length = rate / (slow + (fast - slow) * unit[:, 3])
            angle, sign = 2 * np.pi * unit[:, 1], np.where(unit[:, 2] < 0.5, -1.0, 1.0)
            weight = np.stack([length * np.cos(angle), length * np.sin(angle), sign * rate], 1)
            phase = 2 * np.pi * unit[:, 4]
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight / omega))
            layer.bias.copy_(torch.from_numpy(phase / omega))

    def reach(self, name: str, progress: float) -> float:
        """Times grow as training goes on (the paper's curriculum); rows inside and at the border are sorted by time."""
        grow = self.settings.batch.grow
        return 1.0 if name in ("start", "rest") or progress >= grow else max(0.01, progress / grow)

    @classmethod
    def ingest(cls, source: Any, config: WaveConfig, say: Say) -> Signal:
        signal = super().ingest(source, config, say)
        header = WaveHeader.of(signal.header)
        needed, net = header.needed, config.net
        given = net.last_width or (net.width if net.hidden_layers else min(header.units, MOST_UNITS))
        if config.fit.optimizer == "least-squares" and needed > 1.01 * given:
            slow, fast = header.speeds
            more = "ingest.cells" if net.last_width is None and config.ingest.cells and slow < fast else "net.last_width"
            say(f"its narrowest pulse asks for about {needed:,} units, there are {given:,}: expect large errors (more: {more})")
        return signal

    def round(self, index: int, total: int, solver: Solver) -> dict[str, float]:
        equations, weights = self.equations, self.weights
        if self.exact:
            highest = float(self.net.linears[0].weight[:, :2].detach().norm(dim=1).max()) * self.config.net.omega_first
            problem, period = Wave.model_validate(self.header.problem), np.array(self.header.period)
            values, still = repeated_start(problem, problem.frame(), period, highest, self.header.values.scale)
            equations = {"start": values, "rest": still}
            weights = {name: self.weight(name, e, self.settings) for name, e in equations.items()}
        found, left = solver.solve(list(equations.values()), list(weights.values()))
        solver.write(found, slice(None))
        return {"residual": left}

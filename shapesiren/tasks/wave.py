"""Task ``wave``: a pulse at rest that runs out into a medium (Sitzmann et al. 2020, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from ..config import Config, Tree
from ..signals.equations import sobol
from .base import Say, Signal
from .equations import OURS, PAPER, EquationConfig, EquationTask, LeastSquares

NET: Tree = {"width": 128, "hidden_layers": 0}


class WaveConfig(EquationConfig):
    """All settings of a wave."""

    task: Literal["wave"] = "wave"


class WaveTask(EquationTask):
    """A real field of place and time.

    Its first layer starts as plane waves of the medium's speeds, ``|d/dt| = c |d/dx|``. In a uniform medium each of
    them obeys the equation: with no layer after it (the presets) only the start and the border are left to solve for. In others
    the waves of all speeds between the slowest and the fastest are mixed.
    """

    name = "wave"
    cache = "wave.npz"
    config_type: ClassVar[type[Config]] = WaveConfig
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"ingest": {"points": 10_000}, "net": NET | {"last_width": 4096}},
        "fast": OURS | {"ingest": {"points": 8000}, "net": NET | {"last_width": 3072}},
        "fine": OURS | {"ingest": {"points": 20_000}, "net": NET | {"last_width": 8192}},
        # experiment_scripts/train_wave_equation.py: width 512, 340^2 points a step
        "paper": PAPER | {"net": PAPER["net"] | {"width": 512}, "fit": PAPER["fit"] | {"steps": 100_000},
                          "batch": {"points": 115_600, "grow": 1.0}},
    }  # fmt: skip

    @torch.no_grad()
    def start_net(self) -> None:
        if self.config.fit.optimizer != "least-squares" or self.net.kind != "siren":
            return
        layer = self.net.linears[0]
        omega = self.config.net.omega_first
        unit = sobol(len(layer.weight), np.zeros(5), np.ones(5), self.config.seed)
        slow, fast = self.header["speeds"]
        reach = self.header["fastest_wave"] * np.sqrt(unit[:, 0])
        angle, sign = 2 * np.pi * unit[:, 1], np.where(unit[:, 2] < 0.5, -1.0, 1.0)
        rate = sign * reach * (slow + (fast - slow) * unit[:, 3])
        weight = np.stack([reach * np.cos(angle), reach * np.sin(angle), rate], 1) / omega
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(2 * np.pi * unit[:, 4] / omega))

    def reach(self, name: str, progress: float) -> float:
        """Times grow as training goes on (the paper's curriculum); rows inside and at the border are sorted by time."""
        grow = self.settings.batch.grow
        return 1.0 if name in ("start", "rest") or progress >= grow else max(0.01, progress / grow)

    @classmethod
    def ingest(cls, source: Any, config: Any, say: Say) -> Signal:
        signal = super().ingest(source, config, say)
        needed, given = signal.header["units"], config.net.last_width or config.net.width
        if config.fit.optimizer == "least-squares" and needed > given:
            say(f"its narrowest pulse asks for about {needed:,} units, net.last_width = {given:,}: expect large errors")
        return signal

    def round(self, index: int, total: int, solver: LeastSquares) -> dict[str, float]:
        slow, fast = self.header["speeds"]
        exact = slow == fast and self.config.net.hidden_layers == 0  # every unit obeys the equation
        kept = [name for name in self.equations if not (exact and name == "interior")]
        found, left = solver.solve([self.equations[n] for n in kept], [self.weights[n] for n in kept])
        solver.write(found, slice(None))
        return {"residual": left}

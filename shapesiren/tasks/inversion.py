"""Task ``inversion``: the medium from what receivers measure (full-waveform inversion; Sitzmann et al. 2020, section 4.3).

For a given medium the equations are linear in the fields, which least squares solve for; the medium is found by Gauss-Newton
steps on what the receivers measured less what these fields have there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..config import Config, Tree
from ..equations.equation import Equation
from ..equations.facts import InversionFacts
from ..equations.headers import InversionHeader, ProblemHeader
from ..equations.settings import InversionEvaluateSettings, InversionLossSettings
from ..facts import Facts
from ..header import Header
from ..metrics.facts import InversionMetrics
from .base import Arrays, Moment, Say, Signal
from .equations import OURS, PAPER, EquationConfig, EquationTask, facts_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..fitting.least_squares import Solver


class InversionConfig(EquationConfig):
    """All settings of an inversion."""

    task: Literal["inversion"] = "inversion"
    loss: InversionLossSettings = InversionLossSettings()
    evaluate: InversionEvaluateSettings = InversionEvaluateSettings()  # type: ignore[assignment]


NET: Tree = {"width": 128, "hidden_layers": 2, "omega_first": 12.0}


class InversionTask(EquationTask[InversionConfig]):
    """The scattered fields of all sources and the change of squared slowness, as outputs of one network."""

    name = "inversion"
    linear = False
    cache = "inversion.npz"
    config_type: ClassVar[type[Config]] = InversionConfig
    header_type: ClassVar[type[Header]] = InversionHeader
    header: InversionHeader
    facts_types: ClassVar[Mapping[str, type[Facts]]] = facts_of(InversionFacts, InversionMetrics)
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"fit": OURS["fit"] | {"steps": 6}, "ingest": {"points": 10_000}, "net": NET | {"last_width": 1024}},
        "fast": OURS | {"fit": OURS["fit"] | {"steps": 4}, "ingest": {"points": 8000}, "net": NET | {"last_width": 768}},
        "fine": OURS | {"fit": OURS["fit"] | {"steps": 8}, "ingest": {"points": 24_000}, "net": NET | {"last_width": 2048}},
        # experiment_scripts/train_inverse_helmholtz.py: 115^2 points a step
        "paper": PAPER | {"fit": PAPER["fit"] | {"steps": 80_000}, "ingest": {"points": 13_225}, "batch": {"points": 13_225}},
    }

    def __init__(self, signal: Signal, config: InversionConfig, device: torch.device) -> None:
        import torch

        super().__init__(signal, config, device)
        self.own_loss = config.loss
        self.incident, self.inside = signal.arrays["incident"], signal.arrays["inside"]
        self.known = torch.from_numpy(self.incident).to(device, torch.complex64)

    @classmethod
    def outputs(cls, header: ProblemHeader) -> int:
        return super().outputs(header) + 1

    def weight(self, name: str, e: Equation, config: InversionConfig) -> float:
        """Squared misfit relative to what is scattered; residuals relative to the measured fields, mean over the domain."""
        if name == "data":
            return 1 / max(float((e.weight[:, None] * np.abs(e.target) ** 2).sum()), 1e-300)
        return 1 / float(e.weight.sum()) / e.target.shape[1]

    # ---- fit ----------------------------------------------------------------------------------------
    def round(self, index: int, total: int, solver: Solver) -> dict[str, float]:
        """A Gauss-Newton step of the medium; the last round only solves for the fields.

        The fields of a medium are a linear least-squares problem, ``c = (A^H A)^-1 A^H f``. A change of the medium changes its
        right-hand side by -k^2 (change) u, and what is measured by what ``(A^H A)^-1 A^H`` makes of that; its adjoint
        is taken once for each receiver.
        """
        domain, data = self.equations["interior"], self.equations["data"]
        inside = self.inside
        at = domain.points[inside]
        if index == 0:
            solver.write(np.zeros((solver.width, 1)), slice(-1, None))
        medium = solver.coefficients(slice(-1, None))
        change = np.zeros(len(domain.weight))
        change[inside] = solver.values(at)[:, -1]
        operator = domain.operator.copy()
        operator[:, 0] += change
        target = -change[:, None] * self.incident
        normal = solver.normal([Equation(domain.points, operator, target, domain.weight)], [self.weights["interior"]], 0, 0.8)
        found = normal.solve(normal.right)
        solver.write(found, slice(0, -1))
        reading = solver.rows(data.points, data.operator)
        left = reading @ found - data.target
        share = data.weight * self.weights["data"]
        losses = {"misfit": float((share[:, None] * np.abs(left) ** 2).sum()), "residual": normal.left(found)}
        if index == total - 1:
            return losses

        units = solver.rows(at, np.eye(1, operator.shape[1]).repeat(len(at), 0))
        field = units @ found + self.incident[inside]
        weigh = domain.weight[inside] * self.weights["interior"]
        # what a unit residual at a point does to each receiver: (r, n)
        effect = normal.solve(reading.conj().T).conj().T @ (solver.rows(at, operator[inside]).conj().T * weigh)
        system, slope = self.smoothness(solver, at, domain.weight[inside], units), np.zeros(solver.width)
        slope -= system @ medium[:, 0]
        for j in range(field.shape[1]):
            rows = -(effect * field[:, j]) @ units * np.sqrt(share)[:, None]
            system += (rows.conj().T @ rows).real
            slope -= (rows.conj().T @ (np.sqrt(share) * left[:, j])).real
        scale = np.sqrt(np.maximum(np.diag(system), 1e-300))
        system = system / scale[:, None] / scale + 1e-12 * np.eye(len(scale))
        step = np.linalg.solve(system, slope / scale) / scale
        solver.write(medium + step[:, None], slice(-1, None))
        return losses

    def smoothness(self, solver: Solver, at: np.ndarray[Any, Any], area: np.ndarray[Any, Any], units: Any) -> Any:
        """The matrix of the terms on the medium itself."""
        mean = area / area.sum()
        total = self.own_loss.size * units.T @ (units * mean[:, None])
        for k in (1, 2):
            steps = solver.rows(at, np.eye(1, 5, k).repeat(len(at), 0))
            total += self.own_loss.smooth * steps.T @ (steps * mean[:, None])
        return total

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        x, operator, _, weight = self.on_device["interior"]
        index = torch.randint(len(x), (self.settings.batch.points,), generator=generator).to(self.device)
        at, inside = x[index], torch.from_numpy(self.inside)[index.cpu()].to(self.device)
        medium = self.net(at)[:, -1:]
        streams = self.streams(at)
        change = torch.where(inside[:, None], medium.clamp_min(-0.999), torch.zeros_like(medium))  # slowness stays above 0
        left = (operator[index].T[:, :, None] * streams).sum(0) + change * (streams[0] + self.known[index])
        terms = {"interior": self.weights["interior"] * weight.sum() * (self.size(left) * weight[index] / weight.mean()).mean()}
        x, operator, target, _ = self.on_device["data"]
        terms["data"] = self.weights["data"] * self.size(self.streams(x)[0] - target).mean()
        return terms

    # ---- evaluate -----------------------------------------------------------------------------------
    @classmethod
    def evaluate(cls, fitted: Field, arrays: Arrays, output: Any, reference: Any, config: InversionConfig, say: Say) -> Facts:
        from ..metrics.inversion import evaluate_inversion

        return evaluate_inversion(fitted, arrays, output, config.evaluate, say)

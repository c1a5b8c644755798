"""What goes on inside a network: statistics of activations and gradients by layer, while it is fitted.

A SIREN's initialisation keeps the distribution of every layer's activations the same at any depth (Sitzmann et al. 2020,
section 3.2): inputs of the sines N(0, 1), outputs arcsine. Whether it does, what training makes of it, what omega has to do
with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..config import Config, resolve
from ..errors import InputError
from ..nets.network import Network
from ..nets.windows import Windows
from ..tasks.base import Moment, Signal, Task
from .adam import Adam

SAMPLES = 2048


@dataclass(frozen=True)
class LayerStatistics:
    """Of one layer's units over random points of the box, at one step.

    phase : standard deviation of what goes into the activation
    output : standard deviation of what comes out
    gradient : root mean square of the loss gradient of its weights
    frequency : root mean square of the output's derivative along the input, in radians a box unit
    """

    step: int
    layer: int
    phase: float
    output: float
    gradient: float
    frequency: float


def diagnose(task: Task, steps: Sequence[int], seed: int = 0) -> list[LayerStatistics]:
    """Fit ``task`` from where its network stands with plain Adam, and look at the network at each of ``steps``.

    Precision is float32 and the rate the settings' own, without schedule: it is the network that is looked at.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in task.net.parameters() if p.requires_grad]
    settings = task.config.fit
    optimizer = Adam(parameters, lr=settings.learning_rate, betas=(0.9, settings.beta2))
    found: list[LayerStatistics] = []
    for step in range(max(steps) + 1):
        loss = torch.stack(list(task.losses(generator, Moment(step, 0.0, torch.float32)).values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if step in steps:
            found += look(*_seen(task), step)
        optimizer.step()
    return found


def diagnose_omegas(
    task: type[Task], signal: Signal, config: Config, omegas: Sequence[float], steps: Sequence[int]
) -> dict[str, list[LayerStatistics]]:
    """The same for one signal with several factors of the first layer, under names like ``omega 30``; on the CPU."""
    found = {}
    for omega in omegas:
        layers = [("run", config.model_dump(exclude_none=True)), ("--omega", {"net": {"omega_first": omega}})]
        settings = resolve(task.config_type, task.presets, layers)
        fitted = task(signal, settings, torch.device("cpu"))
        if fitted.closed_form:
            raise InputError("a field that is solved has no layers to look into", where="diagnose", hint="fit with --net siren")
        found[f"omega {omega:g}"] = diagnose(fitted, steps, settings.seed)
    return found


def _seen(task: Task) -> tuple[Network, Tensor]:
    """The network that is looked at, and the box of its signal, (2, d); of several networks the first, and its window."""
    if isinstance(task.net, Windows):
        return task.net.networks[0], torch.tensor([[-task.net.reach], [task.net.reach]])
    return task.net, torch.from_numpy(np.stack(task.header.box_bounds())).float()


@torch.no_grad()
def look(net: Network, bounds: Tensor, step: int) -> list[LayerStatistics]:
    """Statistics of each layer at random points between ``bounds`` (2, d); weights hold their gradients."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand((SAMPLES, net.in_features), generator=generator)
    h = (bounds[0] + unit * (bounds[1] - bounds[0])).to(net.linears[0].weight.device)
    jacobian: Tensor | None = None
    rows = []
    for i, (layer, (weight, bias, activation)) in enumerate(zip(net.linears, net.activated_layers(), strict=False)):
        z = torch.addmm(bias, h, weight.T)
        through = weight.T.expand(len(h), -1, -1) if jacobian is None else jacobian @ weight.T
        h, slope = activation(z, 1)
        jacobian = slope.unsqueeze(1) * through
        gradient = layer.weight.grad
        rows.append(
            LayerStatistics(
                step,
                i,
                float(z.std()),
                float(h.std()),
                float(gradient.square().mean().sqrt()) if gradient is not None else float("nan"),
                float(jacobian.square().sum(1).mean().sqrt()),
            )
        )
    return rows


def table(statistics: Sequence[LayerStatistics]) -> list[str]:
    """As lines of text."""
    lines = ["   step  layer  phase std  output std  weight gradient  frequency"]
    for s in statistics:
        lines.append(
            f"{s.step:>7,}  {s.layer:>5}  {s.phase:>9.3f}  {s.output:>10.3f}  {s.gradient:>15.2e}  {s.frequency:>9.1f}"
        )
    return lines


def draw(statistics: dict[str, list[LayerStatistics]], path: Any) -> None:
    """Each statistic over the layers, one line a step (dark to bright) and one column a variant, e.g. an omega."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = {"phase": "phase, std", "output": "output, std", "gradient": "weight gradient, rms", "frequency": "frequency, rms"}
    shape = (3.2 * len(statistics), 2.4 * len(names))
    figure, axes = plt.subplots(len(names), len(statistics), figsize=shape, layout="constrained", squeeze=False, sharey="row")
    for column, (variant, rows) in enumerate(statistics.items()):
        steps = sorted({r.step for r in rows})
        for line, (name, title) in enumerate(names.items()):
            axis = axes[line][column]
            for k, step in enumerate(steps):
                at = [r for r in rows if r.step == step]
                colour = plt.get_cmap("viridis")(k / max(1, len(steps) - 1))
                axis.plot([r.layer for r in at], [getattr(r, name) for r in at], "o-", ms=3, color=colour, label=f"step {step}")
            axis.set_yscale("log")
            axis.set_ylabel(title if column == 0 else "")
            axis.set_title(variant if line == 0 else "")
        axes[-1][column].set_xlabel("layer")
    axes[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)

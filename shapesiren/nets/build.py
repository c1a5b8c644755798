"""From settings, or from the description in a field file, to a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..config import NetSettings
from .baselines import Baseline
from .siren import Network, Siren
from .windows import Windows, windows_from_spec


def build(net: NetSettings, dimensions: int, outputs: int, seed: int) -> Network:
    """A freshly initialised network of ``dimensions`` inputs."""
    generator = torch.Generator().manual_seed(seed)
    if net.kind == "siren":
        return Siren(
            dimensions, outputs, net.width, net.hidden_layers, net.omega_first, net.omega_hidden, generator, net.last_width
        )
    return Baseline(
        net.kind,
        dimensions,
        outputs,
        net.width,
        net.hidden_layers,
        net.omega_hidden,
        net.scale,
        net.octaves,
        net.sigma,
        net.first_bias,
        generator,
    )


def build_windows(net: NetSettings, outputs: int, seed: int, count: int, reach: float, overlap: float) -> Windows:
    """Networks of one input, side by side, each drawn on its own."""
    return Windows([build(net, 1, outputs, seed + k) for k in range(count)], reach, overlap)


def from_spec(spec: Mapping[str, Any]) -> Network:
    """What `Network.spec` described, its weights to be loaded. Raises TypeError or KeyError on a wrong description."""
    values = dict(spec)
    if values["kind"] == Windows.kind:
        return windows_from_spec(values, from_spec)
    return Siren(**{k: v for k, v in values.items() if k != "kind"}) if values["kind"] == "siren" else Baseline(**values)

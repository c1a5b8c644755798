"""All kinds of networks, and how one is made: from settings, or from the description in a field file.

To add a kind: a file with a subclass of `network.MLP` (or of `baselines.baseline.Baseline`), a line in `NETWORKS`, and its
name in the choices of ``config.NetSettings.kind``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..config import NetSettings
from ..errors import InputError
from .baselines.finer import Finer
from .baselines.fourier_features import FourierFeatures
from .baselines.gaussian import Gaussian
from .baselines.positional_encoding import PositionalEncoding
from .baselines.relu import Relu
from .baselines.tanh import Tanh
from .baselines.wire import Wire
from .local import Local
from .network import MLP, Network
from .siren import Siren
from .windows import Windows

NETWORKS: dict[str, type[MLP]] = {
    Siren.kind: Siren,
    Relu.kind: Relu,
    Tanh.kind: Tanh,
    PositionalEncoding.kind: PositionalEncoding,
    FourierFeatures.kind: FourierFeatures,
    Finer.kind: Finer,
    Wire.kind: Wire,
    Gaussian.kind: Gaussian,
}


def build(net: NetSettings, dimensions: int, outputs: int, seed: int) -> Network:
    """A freshly initialised network of ``dimensions`` inputs. Raises InputError for one that is not drawn but solved."""
    if net.kind in (Local.kind, "auto"):
        raise InputError("a local network is solved for a shape, and for nothing else", where="net.kind", hint="try siren")
    return NETWORKS[net.kind].of_settings(net, dimensions, outputs, torch.Generator().manual_seed(seed))


def build_windows(net: NetSettings, outputs: int, seed: int, count: int, reach: float, overlap: float) -> Windows:
    """Networks of one input, side by side, each drawn on its own; ``reach`` and ``overlap`` as of `Windows`."""
    return Windows([build(net, 1, outputs, seed + k) for k in range(count)], reach, overlap)


def from_spec(spec: Mapping[str, Any]) -> Network:
    """What `Network.spec` described, its weights to be loaded. Raises TypeError or KeyError on a wrong description."""
    values = dict(spec)
    kind = values.pop("kind")
    if kind == Windows.kind:
        return Windows([from_spec(values["part"]) for _ in range(values["count"])], values["reach"], values["overlap"])
    if kind == Local.kind:
        return Local(**values)
    return NETWORKS[kind](**values)

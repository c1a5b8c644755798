"""All kinds of networks, and how one is made: from settings, or from the description in a field file.

To add a kind: a file with a subclass of `network.MLP` (or of `baselines.baseline.Baseline`), a line in `NETWORKS`, and its
name in ``config.NETWORKS``. Those of plugins are looked up in `plugins`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import plugins
from ..config import NetSettings
from ..errors import InputError
from ..priors.base import PriorNet
from ..priors.kinds import prior_of_spec
from .baselines.finer import Finer
from .baselines.fourier_features import FourierFeatures
from .baselines.gaussian import Gaussian
from .baselines.positional_encoding import PositionalEncoding
from .baselines.relu import Relu
from .baselines.tanh import Tanh
from .baselines.wire import Wire
from .local import Local
from .network import MLP, Network
from .plugged import Plugged
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
    generator = torch.Generator().manual_seed(seed)
    part = plugins.part("network", net.kind)
    if part is None:
        return NETWORKS[net.kind].of_settings(net, dimensions, outputs, generator)
    if (kind := _layered(part)) is None:
        return Plugged(part, net, dimensions, outputs, generator)
    made: Network = part.answer(kind.of_settings, net, dimensions, outputs, generator)
    return made


def _layered(part: plugins.Part) -> type[MLP] | None:
    """The class of a plugin's network if its derivatives have closed forms; under the name that it was registered by."""
    if not (isinstance(part.made, type) and issubclass(part.made, MLP)):
        return None
    part.made.kind = part.name
    return part.made


def build_windows(net: NetSettings, outputs: int, seed: int, count: int, reach: float, overlap: float) -> Windows:
    """Networks of one input, side by side, each drawn on its own; ``reach`` and ``overlap`` as of `Windows`."""
    if (part := plugins.part("network", net.kind)) is not None and _layered(part) is None:
        hint = "make it a subclass of shapesiren.nets.network.MLP"
        raise InputError(f"{part.title} cannot stand in windows side by side", where="net.kind", hint=hint)
    return Windows([build(net, 1, outputs, seed + k) for k in range(count)], reach, overlap)


def from_spec(spec: Mapping[str, Any]) -> Network:
    """What `Network.spec` described, its weights to be loaded. Raises TypeError or KeyError on a wrong description."""
    values = dict(spec)
    kind = values.pop("kind")
    if kind == Windows.kind:
        return Windows([from_spec(values["part"]) for _ in range(values["count"])], values["reach"], values["overlap"])
    if kind == Local.kind:
        return Local(**values)
    if kind == PriorNet.kind:
        return prior_of_spec(values)
    if kind in NETWORKS:
        return NETWORKS[kind](**values)
    part = plugins.part("network", kind)
    if part is None:
        raise KeyError(f"network {kind}")
    if (layered := _layered(part)) is None:
        settings = NetSettings.model_validate(values["settings"])
        return Plugged(part, settings, values["in_features"], values["out_features"])
    made: Network = part.answer(lambda: layered(**values))
    return made

"""All kinds of priors, and how one is made: from settings, or from the description in its file.

To add a kind: a file with a subclass of `base.PriorNet`, a line here, and its name in `settings.PriorKind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..config import NetSettings
from ..errors import InputError
from .base import PriorNet
from .conv import ConvPrior
from .meta import MetaPrior
from .neural_process import NeuralProcess
from .set_encoder import ReluSetPrior, SetPrior
from .settings import PriorSettings

PRIORS: dict[str, type[PriorNet]] = {
    kind.variant: kind for kind in (SetPrior, ReluSetPrior, ConvPrior, MetaPrior, NeuralProcess)
}


def build_prior(settings: PriorSettings, net: NetSettings, dimensions: int, outputs: int, seed: int) -> PriorNet:
    """A freshly initialised prior over networks of ``dimensions`` inputs. Raises InputError for networks it cannot make."""
    if net.kind != "siren" or net.last_width is not None:
        raise InputError("priors make SIRENs of one width", where="net", hint="leave net.kind and net.last_width as they are")
    generator = torch.Generator().manual_seed(seed)
    return PRIORS[settings.kind](dimensions, outputs, settings, net, generator)


def prior_of_spec(spec: Mapping[str, Any]) -> PriorNet:
    """What `PriorNet.spec` described, its weights to be loaded. Raises KeyError, TypeError or ValueError on a wrong one."""
    return PRIORS[spec["variant"]].of_spec(dict(spec))

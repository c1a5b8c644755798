"""A plain tanh network."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..activations import Activation, tanh
from .baseline import Baseline


class Tanh(Baseline):
    """tanh z, with weights ``N(0, 2/(n + m))`` for n inputs and m outputs of a layer (Glorot and Bengio 2010, eq. 12), biases
    of zero."""

    kind = "tanh"

    def make_activation(self) -> Activation:
        return tanh

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        nn.init.normal_(layer.weight, 0, math.sqrt(2 / (layer.in_features + layer.out_features)), generator=generator)
        nn.init.zeros_(layer.bias)

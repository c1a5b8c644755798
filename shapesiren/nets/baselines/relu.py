"""A plain ReLU network."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..activations import Activation, relu
from .baseline import Baseline


class Relu(Baseline):
    """max(z, 0), with weights ``N(0, 2/n)`` for n inputs (He et al. 2015, eq. 10) and biases of zero."""

    kind = "relu"

    def make_activation(self) -> Activation:
        return relu

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.in_features), generator=generator)
        nn.init.zeros_(layer.bias)

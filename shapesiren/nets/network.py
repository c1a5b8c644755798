"""What a network is: the base classes that all kinds share. `build.NETWORKS` lists the kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from ..config import NetSettings
from .activations import Activation


class Network(nn.Module, ABC):
    """What a field holds: a map from box coordinates (n, d) to outputs (n, m).

    Parameters
    ----------
    in_features : number of input coordinates, d
    out_features : number of outputs, m
    width : units of each layer
    hidden_layers : layers of ``width`` units after the first one
    """

    kind: ClassVar[str]  # its name in settings and in field files

    def __init__(self, in_features: int, out_features: int, width: int, hidden_layers: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.width, self.hidden_layers = width, hidden_layers

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    @abstractmethod
    def linears(self) -> list[nn.Linear]:
        """The affine maps, first to last; the last is a linear head."""

    @abstractmethod
    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        """(weight, bias, activation) of each layer but the head, first to last, all factors folded in.

        Layer l maps h to ``activation(weight h + bias)``: weight (width, width below), bias (width,). This is all that
        `derivatives` and `evaluate` have to know of a network.
        """

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """What rebuilds this architecture: plain numbers, for the field's JSON header."""


class MLP(Network):
    """A multilayer perceptron: affine maps, each but the last followed by an activation of every unit.

    A subclass draws its weights in its constructor, sets ``kind`` and says what its activations are.
    """

    layers: nn.ModuleList

    @classmethod
    @abstractmethod
    def of_settings(cls, net: NetSettings, in_features: int, out_features: int, generator: torch.Generator) -> Self:
        """A network with freshly drawn weights, of those of the settings that concern this kind."""

    @property
    def linears(self) -> list[nn.Linear]:
        return cast(list[nn.Linear], list(self.layers))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` : (n, d) -> (n, m)."""
        for weight, bias, activation in self.activated_layers():
            x = activation(nn.functional.linear(x, weight, bias), 0)[0]
        return self.linears[-1](x)

    def spec(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "in_features": self.in_features,
            "out_features": self.out_features,
            "width": self.width,
            "hidden_layers": self.hidden_layers,
        }


def linear_layers(sizes: Sequence[int]) -> nn.ModuleList:
    """Affine maps from each size to the next, whose parameters are still to be drawn; torch's own randomness stays."""
    # `nn.utils.skip_init` goes by the meta device, whose first use takes .5 s
    with torch.random.fork_rng(devices=()):
        return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

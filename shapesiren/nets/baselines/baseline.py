"""What the networks have in common that stand here to be compared with a SIREN."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn

from ...config import NetSettings
from ..activations import Activation, sine
from ..network import MLP, linear_layers


class Baseline(MLP):
    """A multilayer perceptron with another activation than the sine, or behind a fixed encoding of its input.

    An encoding is a first sine layer that is not trained, so that all derivatives of an encoded network come from the same
    closed forms as a SIREN's. A subclass gives `make_activation`, `initialise` and, if it has one, `encoding`.

    Parameters
    ----------
    in_features, out_features, width, hidden_layers : as of a `Siren`; an encoding comes before all its layers
    omega : frequency of ``finer`` and ``wire``
    scale : of the Gaussian in ``gaussian`` and ``wire``
    octaves : of the positional encoding
    sigma : of the frequencies of random Fourier features, in cycles per box unit
    first_bias : reach of the first biases of ``finer``
    generator : source of randomness of the initialisation; torch's global one if None

    Every kind takes and keeps all of them, those it has no use for too: they are part of the description in a field file.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        width: int = 256,
        hidden_layers: int = 3,
        omega: float = 30.0,
        scale: float = 10.0,
        octaves: int = 8,
        sigma: float = 10.0,
        first_bias: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features, width, hidden_layers)
        self.omega, self.scale, self.octaves = omega, scale, octaves
        self.sigma, self.first_bias = sigma, first_bias
        self.activation = self.make_activation()
        sizes = [in_features] + [width] * (hidden_layers + 1) + [out_features]
        encoding = self.encoding(generator)
        if encoding is not None:
            sizes.insert(1, len(encoding[1]))
        self.layers = linear_layers(sizes)
        self.encoded = encoding is not None
        with torch.no_grad():
            for i, layer in enumerate(self.linears):
                if encoding is not None and i == 0:
                    layer.weight.copy_(encoding[0])
                    layer.bias.copy_(encoding[1])
                    layer.requires_grad_(False)
                else:
                    self.initialise(layer, i, generator)

    @classmethod
    def of_settings(cls, net: NetSettings, in_features: int, out_features: int, generator: torch.Generator) -> Self:
        return cls(
            in_features,
            out_features,
            net.width,
            net.hidden_layers,
            net.omega_hidden,
            net.scale,
            net.octaves,
            net.sigma,
            net.first_bias,
            generator,
        )

    @abstractmethod
    def make_activation(self) -> Activation:
        """The activation of all layers but an encoding's."""

    @abstractmethod
    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        """Draw the parameters of the ``index``-th affine map, counted with the encoding's. Gradients are off."""

    def encoding(self, generator: torch.Generator | None) -> tuple[Tensor, Tensor] | None:
        """Weight (k, d) and bias (k,) of a fixed first sine layer, if there is one."""
        return None

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        for i, layer in enumerate(self.linears[:-1]):
            yield layer.weight, layer.bias, sine if self.encoded and i == 0 else self.activation

    def spec(self) -> dict[str, Any]:
        return super().spec() | {
            "omega": self.omega,
            "scale": self.scale,
            "octaves": self.octaves,
            "sigma": self.sigma,
            "first_bias": self.first_bias,
        }


def draw_uniform(layer: nn.Linear, generator: torch.Generator | None) -> None:
    """Weights and biases ``U(-1/sqrt(n), 1/sqrt(n))`` for n inputs, as torch's own `nn.Linear` draws them."""
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -1 / math.sqrt(layer.in_features), 1 / math.sqrt(layer.in_features), generator=generator)

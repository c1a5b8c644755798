"""Networks to compare a SIREN with. Each is affine maps with another activation, or behind a fixed encoding.

An encoding is a first sine layer that is not trained, so that all derivatives of an encoded network come from the same
closed forms as a SIREN's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .activations import Activation, finer, gabor, gaussian, octaves, random_features, relu, sine, tanh
from .siren import Network, linear_layers

Init = Callable[[nn.Linear, int, torch.Generator | None], None]


def _kaiming(layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
    nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.in_features), generator=generator)
    nn.init.zeros_(layer.bias)


def _xavier(layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
    nn.init.normal_(layer.weight, 0, math.sqrt(2 / (layer.in_features + layer.out_features)), generator=generator)
    nn.init.zeros_(layer.bias)


def _uniform(layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -1 / math.sqrt(layer.in_features), 1 / math.sqrt(layer.in_features), generator=generator)


def _finer(omega: float, first_bias: float) -> Init:
    """SIREN's weights; biases of the first layer over a wide range choose its frequencies (FINER, section 3.3)."""

    def initialise(layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        n = layer.in_features
        bound = 1 / n if index == 0 else math.sqrt(6 / n) / omega
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        reach = first_bias if index == 0 else 1 / math.sqrt(n)
        nn.init.uniform_(layer.bias, -reach, reach, generator=generator)

    return initialise


class Baseline(Network):
    """A multilayer perceptron that is no plain SIREN.

    Parameters
    ----------
    kind : ``relu``, ``tanh``, ``relu-pe`` (positional encoding), ``rff`` (random Fourier features, then ReLU), ``finer``,
        ``wire`` (real part), ``gaussian``
    in_features, out_features, width, hidden_layers : as of a `Siren`; an encoding comes before all its layers
    omega : frequency of ``finer`` and ``wire``
    scale : of the Gaussian in ``gaussian`` and ``wire``
    octaves : of ``relu-pe``
    sigma : of the frequencies of ``rff``, in cycles per box unit
    first_bias : reach of the first biases of ``finer``
    """

    def __init__(
        self,
        kind: str,
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
        self.kind = kind
        self.settings = {"omega": omega, "scale": scale, "octaves": octaves, "sigma": sigma, "first_bias": first_bias}
        self.activation, initialise = self._parts()
        sizes = [in_features] + [width] * (hidden_layers + 1) + [out_features]
        encoding = self._encoding(generator)
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
                    initialise(layer, i, generator)

    def _parts(self) -> tuple[Activation, Init]:
        s: Any = self.settings
        kinds: dict[str, tuple[Activation, Init]] = {
            "relu": (relu, _kaiming),
            "relu-pe": (relu, _kaiming),
            "rff": (relu, _kaiming),
            "tanh": (tanh, _xavier),
            "finer": (finer(s["omega"]), _finer(s["omega"], s["first_bias"])),
            "wire": (gabor(s["omega"], s["scale"]), _uniform),
            "gaussian": (gaussian(s["scale"]), _uniform),
        }
        return kinds[self.kind]

    def _encoding(self, generator: torch.Generator | None) -> tuple[Tensor, Tensor] | None:
        s: Any = self.settings
        if self.kind == "relu-pe":
            return octaves(s["octaves"], self.in_features)
        if self.kind == "rff":
            return random_features(self.width, self.in_features, s["sigma"], generator)
        return None

    def stages(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        for i, layer in enumerate(self.linears[:-1]):
            yield layer.weight, layer.bias, sine if self.encoded and i == 0 else self.activation

    def spec(self) -> dict[str, Any]:
        return super().spec() | self.settings

"""SIREN: a multilayer perceptron with sine activations (Sitzmann et al. 2020, arXiv 2006.09661)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor

from ..config import NetSettings
from .activations import Activation, sine
from .network import MLP, linear_layers


class Siren(MLP):
    """Sine layers followed by a linear head.

    ``h_0 = sin(omega_first (W_0 x + b_0))``, ``h_l = sin(omega_hidden (W_l h_{l-1} + b_l))`` and
    ``f = W_L h + b_L`` (paper, eq. 5).

    Parameters
    ----------
    in_features : number of input coordinates, d
    out_features : number of outputs, m
    width : units of each sine layer
    hidden_layers : sine layers after the first one
    omega_first, omega_hidden : frequency factors (30 in the paper, section 3.2)
    last_width : units of the last sine layer, if not ``width``
    generator : source of randomness of the initialisation; torch's global one if None
    """

    kind = "siren"

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        width: int = 256,
        hidden_layers: int = 3,
        omega_first: float = 30.0,
        omega_hidden: float = 30.0,
        generator: torch.Generator | None = None,
        last_width: int | None = None,
    ) -> None:
        super().__init__(in_features, out_features, width, hidden_layers)
        self.last_width = None if last_width == width else last_width
        self.omega_first, self.omega_hidden = float(omega_first), float(omega_hidden)
        sizes = [in_features] + [width] * hidden_layers + [last_width or width, out_features]
        self.layers = linear_layers(sizes)
        self.initialise(generator)

    @classmethod
    def of_settings(cls, net: NetSettings, in_features: int, out_features: int, generator: torch.Generator) -> Self:
        return cls(
            in_features,
            out_features,
            net.width,
            net.hidden_layers,
            net.omega_first,
            net.omega_hidden,
            generator,
            net.last_width,
        )

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw all parameters anew (paper, section 3.2 and supplement, theorem 1.8).

        First layer ``W ~ U(-1/n, 1/n)``, so that ``omega_first x`` spans several periods; the others
        ``W ~ U(-sqrt(6/n)/omega, sqrt(6/n)/omega)``, so that each sine's input is N(0, 1) and its
        output arcsine-distributed at every depth. Biases ``U(-1/sqrt(n), 1/sqrt(n))``, as in the
        authors' code.
        """
        for i, layer in enumerate(self.linears):
            n = layer.in_features
            bound = 1 / n if i == 0 else math.sqrt(6 / n) / self.omega_hidden
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-1 / math.sqrt(n), 1 / math.sqrt(n), generator=generator)

    def omegas(self) -> Iterator[float]:
        """The factor of each sine layer, first to last."""
        yield self.omega_first
        for _ in range(self.hidden_layers):
            yield self.omega_hidden

    def affine_parameters(self) -> list[Tensor]:
        """Weight (width, width below) and bias (width,) of each sine layer and of the head, first to last."""
        return [parameter for layer in self.linears for parameter in (layer.weight, layer.bias)]

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        for layer, omega in zip(self.linears[:-1], self.omegas(), strict=True):
            yield omega * layer.weight, omega * layer.bias, sine

    def spec(self) -> dict[str, Any]:
        own = {"omega_first": self.omega_first, "omega_hidden": self.omega_hidden}
        return super().spec() | own | ({"last_width": self.last_width} if self.last_width else {})

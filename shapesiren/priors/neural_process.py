"""The rival of the paper's table: a conditional neural process (Garnelo et al. 2018, arXiv 1807.01613)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from ..config import NetSettings
from ..nets.baselines.relu import Relu
from ..nets.network import MLP, linear_layers
from .base import Batch, Context, PriorNet, Weights, affine
from .set_encoder import SetEncoder
from .settings import PriorSettings

LEAST_DEVIATION = 0.1  # of what is predicted, as in the authors' code


class NeuralProcess(PriorNet):
    """An encoder of sets (ReLU, mean) and a decoder of ReLU layers that takes coordinates and latent code, and gives a mean and
    a deviation. Trained by the likelihood of the values.

    A latent code that goes into the first layer beside the coordinates is a shift of its biases: so for one code the decoder
    is a network of coordinates alone.
    """

    variant = "cnp"

    def __init__(
        self, in_features: int, out_features: int, settings: PriorSettings, net: NetSettings, generator: torch.Generator
    ) -> None:
        super().__init__(in_features, out_features, settings, net, generator)
        inputs = in_features + out_features
        self.encoder = SetEncoder(inputs, settings.width, settings.encoder_layers, settings.latent, False, generator)
        sizes = [in_features + settings.latent] + [settings.width] * (net.hidden_layers + 1) + [2 * out_features]
        self.decoder = linear_layers(sizes)
        with torch.no_grad():
            for layer in self.decoder:
                assert isinstance(layer, nn.Linear)
                layer.weight.normal_(std=(2 / layer.in_features) ** 0.5, generator=generator)
                layer.bias.zero_()

    def encode(self, context: Context) -> Tensor:
        z: Tensor = self.encoder(context)
        return z

    def all_weights(self, z: Tensor) -> Weights:
        """`weights`, whose last layer gives deviations too."""
        first, *rest = cast(list[nn.Linear], list(self.decoder))
        d = self.in_features
        made: Weights = [(first.weight[None, :, :d], first.bias + z @ first.weight[:, d:].T)]
        return made + [(layer.weight[None], layer.bias.expand(len(z), -1)) for layer in rest]

    def weights(self, z: Tensor) -> Weights:
        *made, (weight, bias) = self.all_weights(z)
        return [*made, (weight[:, : self.out_features], bias[:, : self.out_features])]

    def run(self, weights: Weights, x: Tensor) -> Tensor:
        h = x if x.ndim == 3 else x.expand(len(weights[-1][1]), *x.shape)
        for weight, bias in weights[:-1]:
            h = torch.relu(affine(weight, bias, h))
        return affine(*weights[-1], h)

    def losses(self, batch: Batch, weights: Any) -> dict[str, Tensor]:
        """The negative logarithm of the likelihood per value, beyond the least that it can be: what is never negative has a
        size, by which the fit sees whether it rises."""
        mean, raw = self.run(self.all_weights(self.encode(batch.context)), batch.points).chunk(2, 2)
        deviation = LEAST_DEVIATION + (1 - LEAST_DEVIATION) * nn.functional.softplus(raw)
        distance = ((batch.values - mean) / deviation).square() / 2
        return {"likelihood": weights.data * (distance + torch.log(deviation / LEAST_DEVIATION)).mean()}

    def empty_target(self) -> MLP:
        return Relu(self.in_features, self.out_features, self.settings.width, self.net.hidden_layers)

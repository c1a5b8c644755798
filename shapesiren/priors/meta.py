"""A prior without an encoder: a start and modulations, learned so that a few gradient steps find the latent code of a signal.

Learned initialisations (Tancik et al. 2021; MetaSDF, Sitzmann et al. 2020b), of which the inner steps change a latent code
alone (CAVIA, Zintgraf et al. 2019; COIN++, Dupont et al. 2022a; Functa, Dupont et al. 2022b).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..config import NetSettings
from ..nets.siren import Siren
from .base import Context, PriorNet, Weights
from .settings import PriorSettings


class MetaPrior(PriorNet):
    """One SIREN for all signals, whose sines are shifted by a linear function of the latent code (Functa, section 3.1).

    A latent code begins at zero and takes ``inner_steps`` gradient steps on the squared error of what is known, with a learned
    rate for each of its numbers and steps (Meta-SGD, Li et al. 2017); training differentiates through them.
    """

    variant = "meta"

    def __init__(
        self, in_features: int, out_features: int, settings: PriorSettings, net: NetSettings, generator: torch.Generator
    ) -> None:
        super().__init__(in_features, out_features, settings, net, generator)
        self.siren = Siren(
            in_features, out_features, net.width, net.hidden_layers, net.omega_first, net.omega_hidden, generator
        )
        count = net.width * (net.hidden_layers + 1)
        # all shifts of a network side by side; a code of unit numbers moves a sine by about a third of a radian
        self.shifts = nn.Parameter(torch.empty(count, settings.latent))
        self.rates = nn.Parameter(torch.full((settings.inner_steps, settings.latent), settings.inner_rate))
        with torch.no_grad():
            bound = 1 / (net.omega_hidden * math.sqrt(settings.latent))
            self.shifts.uniform_(-bound, bound, generator=generator)

    def encode(self, context: Context) -> Tensor:
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            z = self.shifts.new_zeros((len(context.points), self.settings.latent)).requires_grad_()
            share = context.present / context.present.sum(1, keepdim=True).clamp_min(1)
            for rates in self.rates:
                error = (self.run(self.weights(z), context.points) - context.values).square().mean(2)
                (slope,) = torch.autograd.grad((error * share).sum(), z, create_graph=training)
                z = z - rates * slope
                if not training:
                    z = z.detach().requires_grad_()
        return z if training else z.detach()

    def weights(self, z: Tensor) -> Weights:
        shifts = (z @ self.shifts.T).split(self.net.width, 1)
        made: Weights = []
        for layer, shift in zip(self.siren.linears[:-1], shifts, strict=True):
            made.append((layer.weight[None], layer.bias + shift))
        head = self.siren.linears[-1]
        return [*made, (head.weight[None], head.bias.expand(len(z), -1))]

"""Priors whose encoder takes a set of samples: the paper's (sines), and the same with ReLU."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..nets.network import linear_layers
from .base import Context
from .hypernetwork import HypernetworkPrior

OMEGA = 30.0  # of the encoder's sines, as everywhere in the authors' code


class SetEncoder(nn.Module):
    """The mean over samples of a multilayer perceptron of each sample (Garnelo et al. 2018): their order is nothing to it.

    Parameters
    ----------
    in_features : numbers of a sample; width, layers : hidden layers after the first one; latent : outputs
    sines : on every layer, the output too, all drawn as a SIREN's hidden layers (paper, supplement 9.1); else ReLU, with a
        linear output
    """

    def __init__(self, in_features: int, width: int, layers: int, latent: int, sines: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.sines = sines
        self.layers = linear_layers([in_features] + [width] * (layers + 1) + [latent])
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                n = layer.in_features
                if sines:
                    layer.weight.uniform_(-math.sqrt(6 / n) / OMEGA, math.sqrt(6 / n) / OMEGA, generator=generator)
                else:
                    layer.weight.normal_(std=math.sqrt(2 / n), generator=generator)
                layer.bias.uniform_(-1 / math.sqrt(n), 1 / math.sqrt(n), generator=generator)

    def forward(self, context: Context) -> Tensor:
        """(b, latent). A signal of which nothing is known has zeros."""
        which, present = torch.nonzero(context.present)[:, 0], context.present
        h = torch.cat([context.points[present], context.values[present]], 1)  # padding costs nothing
        for i, layer in enumerate(self.layers):
            h = layer(h)
            if self.sines:
                h = torch.sin(OMEGA * h)
            elif i + 1 < len(self.layers):
                h = torch.relu(h)
        total = torch.zeros((len(present), h.shape[1]), dtype=h.dtype, device=h.device).index_add(0, which, h)
        return total / present.sum(1, keepdim=True).clamp_min(1)


class SetPrior(HypernetworkPrior):
    """The paper's: a set encoder of sines and a hypernetwork."""

    variant = "set"
    sines = True

    def build_encoder(self, generator: torch.Generator) -> nn.Module:
        inputs, made = self.in_features + self.out_features, self.settings
        return SetEncoder(inputs, made.width, made.encoder_layers, made.latent, self.sines, generator)


class ReluSetPrior(SetPrior):
    """The same with a ReLU encoder: the paper's own rival."""

    variant = "set-relu"
    sines = False

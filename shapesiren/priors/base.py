"""What a prior is: a network that makes, of what is known of a signal, the network of all of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..config import NetSettings
from ..nets.activations import Activation
from ..nets.network import MLP, Network
from ..nets.siren import Siren
from .settings import PriorLossSettings, PriorSettings

Weights = list[tuple[Tensor, Tensor]]
"""Weight (b or 1, out, in) and bias (b or 1, out) of each layer of b networks, first to last, without frequency factors."""


@dataclass(frozen=True)
class Context:
    """What is known of each of b signals.

    points : (b, n, d) box coordinates; values : (b, n, m), as networks give them
    present : (b, n) bool, which of them count; the others are padding
    """

    points: Tensor
    values: Tensor
    present: Tensor

    @classmethod
    def of(cls, points: Tensor, values: Tensor) -> Context:
        """Of signals of which equally much is known: (b, n, d), (b, n, m)."""
        return cls(points, values, torch.ones(points.shape[:2], dtype=torch.bool, device=points.device))

    def to(self, device: torch.device) -> Context:
        return Context(self.points.to(device), self.values.to(device), self.present.to(device))


@dataclass(frozen=True)
class Batch:
    """What one step sees: contexts, and the points (b, n, d) and values (b, n, m) by which what is made of them is judged."""

    context: Context
    points: Tensor
    values: Tensor


class PriorNet(Network):
    """A network over signals. As a map from points to values it is its typical signal: that of the mean latent code.

    A subclass is one file and one line in `kinds.PRIORS`: how it finds a latent code (`encode`), and what network that stands
    for (`weights`).

    Parameters
    ----------
    in_features, out_features : of the networks that it makes, d and m
    settings : sizes of its own networks; net : of the networks that it makes
    generator : source of randomness of the initialisation
    """

    kind = "prior"
    variant: ClassVar[str]  # its name in settings and in files
    latent_mean: Tensor
    latent_factor: Tensor

    def __init__(
        self, in_features: int, out_features: int, settings: PriorSettings, net: NetSettings, generator: torch.Generator
    ) -> None:
        super().__init__(in_features, out_features, net.width, net.hidden_layers)
        self.settings, self.net = settings, net
        self.register_buffer("latent_mean", torch.zeros(settings.latent))
        self.register_buffer("latent_factor", torch.zeros(settings.latent, settings.latent))

    # ---- What a kind is ---------------------------------------------------------------------------------
    @abstractmethod
    def encode(self, context: Context) -> Tensor:
        """Latent codes (b, latent) of what is known, to be differentiated."""

    @abstractmethod
    def weights(self, z: Tensor) -> Weights:
        """The networks that latent codes (b, latent) stand for."""

    def run(self, weights: Weights, x: Tensor) -> Tensor:
        """Outputs (b, n, m) of networks at points (b, n, d), or (n, d) the same for all."""
        h = x if x.ndim == 3 else x.expand(len(weights[-1][1]), *x.shape)
        for (weight, bias), omega in zip(weights[:-1], self.omegas(), strict=True):
            h = torch.sin(affine(omega * weight, omega * bias, h))  # layers have fewer numbers than what they make
        return affine(*weights[-1], h)

    def omegas(self) -> Iterator[float]:
        """The factor of each sine layer of the networks that it makes, first to last."""
        yield self.net.omega_first
        for _ in range(self.net.hidden_layers):
            yield self.net.omega_hidden

    def sizes(self) -> list[int]:
        """Units of each layer of the networks that it makes, from coordinates to outputs."""
        return [self.in_features] + [self.net.width] * (self.net.hidden_layers + 1) + [self.out_features]

    # ---- Training ---------------------------------------------------------------------------------------
    def losses(self, batch: Batch, weights: PriorLossSettings) -> dict[str, Tensor]:
        """Weighted loss terms, scalars (paper, section 4.4: signal, latent code, weights of the networks)."""
        z = self.encode(batch.context)
        made = self.weights(z)
        terms = {"data": weights.data * self.misfit(made, batch)}
        if weights.latent:
            terms["latent"] = weights.latent * z.square().mean()
        if weights.weights and all(len(w) == len(z) for w, _ in made):  # those that are shared are nobody's
            count = sum(w[0].numel() + b[0].numel() for w, b in made)
            total = torch.stack([w.square().sum() + b.square().sum() for w, b in made]).sum()
            terms["weights"] = weights.weights * total / (count * len(z))
        return terms

    def misfit(self, made: Weights, batch: Batch) -> Tensor:
        """How far networks are from a batch's values: the mean squared error."""
        return (self.run(made, batch.points) - batch.values).square().mean()

    # ---- Use --------------------------------------------------------------------------------------------
    def target(self, z: Tensor) -> MLP:
        """The network that one latent code (latent,) stands for, on its own: an ordinary one."""
        net = self.empty_target()
        with torch.no_grad():
            for layer, (weight, bias) in zip(net.linears, self.weights(z[None]), strict=True):
                layer.weight.copy_(weight[0])
                layer.bias.copy_(bias[0])
        return net.to(z.device)

    def empty_target(self) -> MLP:
        """A network of the kind that it makes."""
        net = self.net
        return Siren(self.in_features, self.out_features, net.width, net.hidden_layers, net.omega_first, net.omega_hidden)

    @torch.no_grad()
    def remember(self, codes: Tensor) -> None:
        """Keep the mean and the spread of latent codes (n, latent), from which `sample` draws."""
        self.latent_mean.copy_(codes.mean(0))
        off = (codes - codes.mean(0)).double()
        value, vector = torch.linalg.eigh(off.T @ off / max(1, len(codes) - 1))
        self.latent_factor.copy_((vector * value.clamp_min(0).sqrt()).float())

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Latent codes (count, latent) drawn from the Gaussian of those of its training signals."""
        white = torch.randn((count, self.settings.latent), generator=generator).to(self.latent_mean.device)
        return self.latent_mean + white @ self.latent_factor.T

    # ---- As a network -----------------------------------------------------------------------------------
    def forward(self, x: Tensor) -> Tensor:
        """Values (n, m) of the typical signal at box points (n, d)."""
        out: Tensor = self.run(self.weights(self.latent_mean[None]), x[None])[0]
        return out

    @property
    def linears(self) -> list[nn.Linear]:
        return self.target(self.latent_mean).linears

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        yield from self.target(self.latent_mean).activated_layers()

    def spec(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "variant": self.variant,
            "in_features": self.in_features,
            "out_features": self.out_features,
            "settings": self.settings.model_dump(mode="json"),
            "net": self.net.model_dump(mode="json", exclude_none=True),
        }

    @classmethod
    def of_spec(cls, spec: dict[str, Any]) -> Self:
        """What `spec` described, its weights to be loaded. Raises KeyError, TypeError or ValueError on a wrong description."""
        return cls(
            spec["in_features"],
            spec["out_features"],
            PriorSettings.model_validate(spec["settings"]),
            NetSettings.model_validate(spec["net"]),
            torch.Generator().manual_seed(0),
        )


def affine(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """``x`` (b, n, in) through one affine map each, or through the same one."""
    if len(weight) > 1 or len(x) == 1:
        return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
    if len(bias) == 1:
        return nn.functional.linear(x, weight[0], bias[0])
    return nn.functional.linear(x, weight[0]) + bias[:, None]

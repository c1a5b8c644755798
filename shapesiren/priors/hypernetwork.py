"""A network that makes the weights of networks: a small net for each of their tensors (paper, section 4.4; Ha et al. 2016)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..config import NetSettings
from ..nets.network import linear_layers
from .base import Context, PriorNet, Weights
from .settings import PriorSettings

SHARE = 0.2  # of the spread of what a net makes at its start that comes of the latent code and not of its biases


class Hypernetwork(nn.Module):
    """From latent codes (b, latent) to the weights of b SIRENs.

    Each tensor has a net of its own: ReLU, one hidden layer, then a linear map to as many numbers as the tensor has. At the
    start the biases of that map are a SIREN, and the latent code changes them a little, so that networks have the
    activations for which the initialisation of SIRENs was made (paper, section 3.2).

    Parameters
    ----------
    sizes : units of each layer of the networks that are made
    omega_hidden : their frequency factor
    start : ``siren`` draws the biases that make weights as `Siren.initialise` draws weights, and what the latent code adds is
        small beside them, at every width; ``fan-in`` draws them in +-1/n of a layer of n inputs, with last weights
        Kaiming / 100, as the authors' code does: the inputs of its sines are normal too, but three times as wide at width 256
    """

    def __init__(
        self, latent: int, width: int, sizes: Sequence[int], omega_hidden: float, start: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        counts = [count for a, b in pairwise(sizes) for count in (a * b, b)]
        # the hidden layers of all nets side by side are one product
        self.hidden = linear_layers([latent, width * len(counts)])[0]
        self.heads = nn.ModuleList(linear_layers([width, count])[0] for count in counts)
        self.initialise(omega_hidden, start, generator)

    @torch.no_grad()
    def initialise(self, omega_hidden: float, start: str, generator: torch.Generator) -> None:
        """Draw all parameters anew; see the class."""
        hidden = self.hidden
        assert isinstance(hidden, nn.Linear)
        hidden.weight.normal_(std=math.sqrt(2 / hidden.in_features), generator=generator)
        hidden.bias.uniform_(-1 / math.sqrt(hidden.in_features), 1 / math.sqrt(hidden.in_features), generator=generator)
        for k, head in enumerate(self.heads):
            assert isinstance(head, nn.Linear)
            layer, n = k // 2, self.sizes[k // 2]
            if k % 2 == 1:  # makes a bias
                # the first layer's are the phases of its waves; of the others, small ones keep their sines' inputs N(0, 1)
                bound = 1 / math.sqrt(n) if start == "siren" and layer == 0 else 1 / head.in_features
            elif start == "siren":
                bound = 1 / n if layer == 0 else math.sqrt(6 / n) / omega_hidden
            else:
                bound = 1 / n
            # Hidden units have a mean square of about half, if latent codes are sines
            spread = SHARE * bound / math.sqrt(3) * math.sqrt(2 / head.in_features) if start == "siren" else None
            head.weight.normal_(std=spread or math.sqrt(2 / head.in_features) / 100, generator=generator)
            head.bias.uniform_(-bound, bound, generator=generator)

    def forward(self, z: Tensor) -> Weights:
        """``z`` : (b, latent)."""
        h = torch.relu(self.hidden(z)).reshape(len(z), len(self.heads), -1).unbind(1)
        flat = [head(part) for head, part in zip(self.heads, h, strict=True)]
        shapes = zip(self.sizes[1:], self.sizes[:-1], strict=True)
        return [(flat[2 * i].reshape(-1, out, into), flat[2 * i + 1]) for i, (out, into) in enumerate(shapes)]


class HypernetworkPrior(PriorNet):
    """An encoder, which a subclass builds, and a hypernetwork."""

    def __init__(
        self, in_features: int, out_features: int, settings: PriorSettings, net: NetSettings, generator: torch.Generator
    ) -> None:
        super().__init__(in_features, out_features, settings, net, generator)
        self.encoder = self.build_encoder(generator)
        self.hypernetwork = Hypernetwork(
            settings.latent, settings.width, self.sizes(), net.omega_hidden, settings.start, generator
        )

    @abstractmethod
    def build_encoder(self, generator: torch.Generator) -> nn.Module:
        """A module from a `Context` of b signals to latent codes (b, latent)."""

    def encode(self, context: Context) -> Tensor:
        z: Tensor = self.encoder(context)
        return z

    def weights(self, z: Tensor) -> Weights:
        made: Weights = self.hypernetwork(z)
        return made

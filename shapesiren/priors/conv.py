"""A prior whose encoder sees the masked image: convolutions and residual blocks (paper, supplement 9.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..errors import InputError
from .base import Context
from .hypernetwork import HypernetworkPrior


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class ImageEncoder(nn.Module):
    """From known pixels to a latent code: 3 x 3 convolutions to half the channels and to all, residual blocks, and a learned
    mean over the places, as in the authors' code. Which pixels are known is a channel of its own.

    grid : pixels a side; stride : of the first two convolutions
    """

    def __init__(self, features: int, channels: int, blocks: int, latent: int, grid: int, stride: int) -> None:
        super().__init__()
        self.grid = grid
        self.convolutions = nn.Sequential(
            nn.Conv2d(features + 1, channels // 2, 3, stride, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride, padding=1),
            nn.ReLU(),
            *(ResidualBlock(channels) for _ in range(blocks)),
            nn.Conv2d(channels, latent, 1),
        )
        side = math.ceil(math.ceil(grid / stride) / stride)
        self.places = nn.Linear(side * side, 1)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Kaiming, residual blocks as identities: .10 after 180 steps on 200 small images, torch's own start after 300."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(std=math.sqrt(2 / fan_in), generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.second.weight)

    def forward(self, context: Context) -> Tensor:
        """(b, latent)."""
        features: Tensor = self.convolutions(on_grid(context, self.grid))
        return self.places(torch.relu(features).flatten(2))[..., 0]  # type: ignore[no-any-return]


def on_grid(context: Context, side: int) -> Tensor:
    """Known samples as an image (b, c + 1, side, side): the mean of those in each pixel, and last whether there are any."""
    count, channels = len(context.points), context.values.shape[2]
    place = ((context.points + 1) * (side / 2)).floor().long().clamp(0, side - 1)
    which = torch.arange(count, device=place.device)[:, None] * side * side + place[..., 1] * side + place[..., 0]
    held = torch.cat([context.values, torch.ones_like(context.values[..., :1])], 2)[context.present]
    flat = torch.zeros((count * side * side, channels + 1), dtype=held.dtype, device=held.device)
    flat = flat.index_add(0, which[context.present], held)
    known = flat[:, -1:]
    image = torch.cat([flat[:, :-1] / known.clamp_min(1), known.clamp_max(1)], 1)
    return image.reshape(count, side, side, channels + 1).permute(0, 3, 1, 2)


class ConvPrior(HypernetworkPrior):
    """A convolutional encoder and a hypernetwork. Of images alone."""

    variant = "conv"

    def build_encoder(self, generator: torch.Generator) -> nn.Module:
        if self.in_features != 2:
            raise InputError("convolutions are for images", where="prior.kind", hint="try set or meta")
        made = self.settings
        with torch.random.fork_rng(devices=()):  # torch's own randomness stays
            encoder = ImageEncoder(self.out_features, made.channels, made.encoder_layers, made.latent, made.grid, made.stride)
        encoder.initialise(generator)
        return encoder

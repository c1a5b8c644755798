"""Two networks: a torch module of any kind, and an activation of one's own with all derivatives in closed form.

shapesiren fit scan.ply --plugin docs/examples/plugins/networks.py --net radial
shapesiren fit scan.ply --plugin docs/examples/plugins/networks.py --net softplus
"""

import torch
from torch import Tensor, nn

import shapesiren
from shapesiren.config import NetSettings
from shapesiren.nets.activations import Activation
from shapesiren.nets.baselines.baseline import Baseline


@shapesiren.plugin.network("radial")
class Radial(nn.Module):
    """Gaussians about ``width`` centres that are trained with their radii, and a linear part; derivatives by autograd."""

    def __init__(self, in_features: int, out_features: int, net: NetSettings) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.rand(net.width, in_features) * 2 - 1)
        self.sharpness = nn.Parameter(torch.full((net.width,), 2.0))
        self.linear = nn.Linear(in_features + net.width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        square = (x.unsqueeze(1) - self.centres).square().sum(-1)
        return self.linear(torch.cat([x, torch.exp(-self.sharpness.square() * square)], 1))


def softplus(z: Tensor, order: int) -> list[Tensor]:
    """``log(1 + exp(b z)) / b`` for b = 100, a smooth ReLU, with its first and second derivative up to ``order``."""
    s = torch.sigmoid(100 * z)
    return [nn.functional.softplus(z, beta=100), s, 100 * s * (1 - s)][: order + 1]


@shapesiren.plugin.network("softplus")
class Softplus(Baseline):
    """A perceptron of that activation (Gropp et al. 2020, IGR); fit and mesh take its derivatives in closed form."""

    def make_activation(self) -> Activation:
        return softplus

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        nn.init.kaiming_normal_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)

"""A network that is any torch module, of a plugin: its derivatives are taken by autograd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..config import NetSettings
from ..errors import InputError
from ..plugins import Part
from .activations import Activation
from .network import Network


class Plugged(Network):
    """Stands for a module of a plugin, and makes it again from the settings that the field file keeps.

    Parameters
    ----------
    part : the registered class, called with (in_features, out_features, settings)
    net : settings of the network
    generator : source of randomness of the initialisation, of what the module draws from torch's global one

    Raises
    ------
    RunError : the class fails, or makes no module that maps (n, d) to (n, m)
    """

    def __init__(
        self, part: Part, net: NetSettings, in_features: int, out_features: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(in_features, out_features, net.width, net.hidden_layers)
        self.part, self.settings = part, net
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0 if generator is None else generator.initial_seed())
            module = part.call(in_features, out_features, net)
        if not isinstance(module, nn.Module):
            raise part.error(f"it made a {type(module).__name__}, not a torch module")
        self.module = module
        with torch.no_grad():
            made = self(torch.zeros((2, in_features)))
        if not isinstance(made, Tensor) or made.shape != (2, out_features):
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise part.error(f"it maps (2, {in_features}) to {shape}, not to (2, {out_features})")

    @property
    def kind(self) -> str:  # type: ignore[override]  # of each plugin another
        return self.part.name

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.part.answer(self.module, x)
        return out

    @property
    def linears(self) -> list[nn.Linear]:
        """Those that it has; they need not be all of it."""
        return [module for module in self.module.modules() if isinstance(module, nn.Linear)]

    def activated_layers(self) -> Iterator[tuple[Tensor, Tensor, Activation]]:
        raise InputError(
            f"a network of {self.part.title} has no derivatives in closed form, which this needs",
            where="net.kind",
            hint="make it a subclass of shapesiren.nets.network.MLP, or take --net siren",
        )

    def spec(self) -> dict[str, Any]:
        shape = {"in_features": self.in_features, "out_features": self.out_features}
        return {"kind": self.kind, **shape, "settings": self.settings.model_dump(mode="json", exclude_none=True)}

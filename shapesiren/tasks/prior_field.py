"""A fitted prior as the Python interface returns it."""

from __future__ import annotations

from ..priors.prior import Prior
from .fitted import SignalField


class PriorField(SignalField):
    """The field of a prior: as a function it is the typical signal; what it has learned is in `prior`."""

    @property
    def prior(self) -> Prior:
        """It completes signals, and has a latent space."""
        return Prior(self, self.run, self.arrays.get("train"))

"""Which samples a step sees."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_PERMUTATION = 1 << 24  # a permutation of more samples is not worth its memory: they are drawn with replacement


class Shuffle:
    """Batches of indices in [0, count) that go through all of them, in a new order each time.

    A step's batch follows from its number and the seed alone, so that a resumed fit sees what it would have seen. Without
    replacement: at equal steps .3 to .5 dB better on an image than independent draws.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.count, self.batch, self.seed = count, min(batch, count), seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    @property
    def epoch_steps(self) -> int:
        return max(1, self.count // self.batch)

    def at(self, step: int) -> Tensor:
        """Indices (batch,) of a step, on the CPU."""
        epoch, place = divmod(step, self.epoch_steps)
        generator = torch.Generator()
        if self.count > LARGEST_PERMUTATION:
            return torch.randint(self.count, (self.batch,), generator=generator.manual_seed(self.seed * 1_000_003 + step))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = torch.randperm(self.count, generator=generator.manual_seed(self.seed * 1_000_003 + epoch))
        return self._order[place * self.batch : (place + 1) * self.batch]

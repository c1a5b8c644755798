"""The guard of the loop: it watches the loss, and takes a fit that goes wrong back to a state from before.

A SIREN whose learning rate is too high for its data falls into a state of pure high frequencies within a few dozen steps and
never leaves it; a lower rate from before the fall avoids it. A spike that heals by itself is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ..config import FitSettings
from ..errors import RunError
from . import checkpoint as ckpt
from .events import RolledBack
from .schedule import rate_factor

GUARD_STEPS = 25  # steps between looks at the loss
RISEN_LOOKS = 4  # looks in a row at a risen loss before it counts as one that stays
GOOD_RISE = 1.1  # a state is good to go back to while the average is within this of its best
NOT_FINITE, NOT_FALLING = "not finite", "the loss does not fall"
# A fit that begins in the state of high frequencies has no better one to rise from. Share of the average at the first look
# that is left at step 250: .20 to .36 for scans that fit well, 1.0 for one that did not.
FALLING_STEPS, FALLING_SHARE = 200, 0.7  # a fit whose average is still above this share after so many steps has failed
NOT_FALLING_ROLLBACKS = 4  # after which a loss that does not fall is taken for the data's own
MAX_ROLLBACKS = 8
# What is left of the learning rate after a rollback: three quarters the first two times that a loss rose, else half. Rocker
# arm, Chamfer distance x 1000: back from step 1,550 of 5,000 with half the rate .137, with three quarters .125.
GENTLE_FACTOR, GENTLE_TIMES, HARSH_FACTOR = 0.75, 2, 0.5

Kept = tuple[ckpt.State, dict[str, torch.Tensor]]  # a state, with copies of the network's and the optimizer's tensors


class Guard:
    """Looks at a fit every `GUARD_STEPS` steps and keeps the last good state in memory.

    At fixed steps, so that a resumed fit does what an uninterrupted one does.

    Parameters
    ----------
    parameters : those that are trained
    steady : whether the loss should fall from start to end; if not, only what is not finite is wrong
    state : where the fit stands as it begins or goes on
    """

    def __init__(
        self,
        settings: FitSettings,
        net: nn.Module,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        steady: bool,
        state: ckpt.State,
    ) -> None:
        self.settings, self.net, self.optimizer, self.steady = settings, net, optimizer, steady
        self.parameters = parameters
        self.start = self.good = self._keep(state)

    def look(self, state: ckpt.State, average: float, progress: float) -> tuple[ckpt.State, RolledBack | None]:
        """The state with its record of the loss, or one to go on from instead, restored, and the event that says so.

        Parameters
        ----------
        average : moving average of the loss
        progress : share of the fit that is done, in [0, 1]

        Raises
        ------
        RunError : it has gone wrong more than `MAX_ROLLBACKS` times
        """
        state = self._recorded(state, average)
        wrong = self._what_is_wrong(state)
        if wrong is None:
            if state.average <= GOOD_RISE * state.best:
                self.good = self._keep(state)
            return state, None
        decayed = rate_factor(self.settings, max(state.step, self.settings.warmup), progress)
        if wrong == NOT_FALLING:  # what was kept since is no better
            self.good, decayed = self.start, 1.0
        back = self._roll_back(state, wrong, decayed)
        return back, RolledBack(state.step, back.step, wrong, self.settings.learning_rate * back.rate_cap)

    def end(self, state: ckpt.State) -> ckpt.State:
        """The last state, or the last good one, restored, if the weights are not finite."""
        return state if self._finite() else self._roll_back(state, NOT_FINITE, 1.0)

    def _recorded(self, state: ckpt.State, average: float) -> ckpt.State:
        """The state with its record of the loss brought up to date."""
        best = min(state.best, average)
        divergence = self.settings.divergence
        risen = divergence is not None and average > divergence * best
        first = average if math.isinf(state.first) else state.first
        return replace(state, average=average, best=best, first=first, risen=state.risen + 1 if risen else 0)

    def _what_is_wrong(self, state: ckpt.State) -> str | None:
        """Why a fit has to go back: a loss or weight that is not finite, or a loss that has risen for good or never fell."""
        if not (math.isfinite(state.average) and self._finite()):
            return NOT_FINITE
        if not self.steady:
            return None
        if state.risen >= RISEN_LOOKS:
            return f"the loss rose {state.average / state.best:.1f}-fold"
        high = state.step >= FALLING_STEPS and state.average > FALLING_SHARE * state.first
        if high and self.settings.divergence is not None and state.rollbacks < NOT_FALLING_ROLLBACKS:
            return NOT_FALLING
        return None

    def _roll_back(self, state: ckpt.State, reason: str, decayed: float) -> ckpt.State:
        """Return to the good state; the random draws go on, so they differ.

        The learning rate stays below a share of what it was, ``decayed`` of its peak, until the schedule itself is lower:
        lowered for good it would be too low for the rest of the fit.
        """
        if state.rollbacks >= MAX_ROLLBACKS:
            raise RunError(
                f"the fit went wrong {MAX_ROLLBACKS + 1} times, last at step {state.step} ({reason})",
                where="fit",
                hint="try --set fit.learning_rate=1e-4 or --set fit.precision=float32",
            )
        held, tensors = self.good
        ckpt.restore({k: v.clone() for k, v in tensors.items()}, self.net, self.optimizer)
        gentle = reason not in (NOT_FINITE, NOT_FALLING) and state.rollbacks < GENTLE_TIMES
        cap = min(state.rate_cap, decayed) * (GENTLE_FACTOR if gentle else HARSH_FACTOR)
        return replace(held, seconds=state.seconds, rate_cap=cap, rollbacks=state.rollbacks + 1)

    def _keep(self, state: ckpt.State) -> Kept:
        return state, {name: tensor.clone() for name, tensor in ckpt.tensors_of(self.net, self.optimizer).items()}

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for p in self.parameters)

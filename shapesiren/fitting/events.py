"""What a fit tells its listeners (progress bar, log, viewers). A listener is any callable of one event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """steps : total, or None when the fit ends by time; resumed : step it goes on from (0 for a new fit)."""

    steps: int | None
    resumed: int
    precision: str


@dataclass(frozen=True)
class Progress:
    """State after ``step`` steps.

    share : how much of the fit is done, in [0, 1]
    seconds, left : time spent, this fit's earlier sessions included, and estimated time left
    rate : steps a second; 0 of what is solved in one go
    losses : weighted loss terms by name
    """

    step: int
    share: float
    seconds: float
    left: float
    rate: float
    learning_rate: float
    losses: dict[str, float]


@dataclass(frozen=True)
class RolledBack:
    """The fit went wrong at ``step`` (``reason``) and went back to ``to_step`` with a lower learning rate."""

    step: int
    to_step: int
    reason: str
    learning_rate: float


@dataclass(frozen=True)
class Saved:
    """A checkpoint of ``step`` is on disk."""

    step: int


Event = Started | Progress | RolledBack | Saved
Listener = Callable[[Event], None]

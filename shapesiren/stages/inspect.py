"""``inspect``: what is in an input, before any work. It makes no run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..config import Config, Tree
from ..fitting.events import Event, Progress
from ..fitting.loop import fit_task
from ..tasks.base import Say, Signal, Task

TRIAL_SECONDS = 1.2  # of fitting, to know the machine's pace; the first half second warms up


def inspect(task: type[Task], sources: Sequence[Path], config: Config, device: torch.device, say: Say) -> Tree:
    """Facts of the input and, where the task can say so, the pace and time of a fit on this machine."""
    facts = task.inspect(sources[0] if len(sources) == 1 else sources, config, say)
    trial = task.trial(facts)
    if trial is None:
        return facts.tree()
    if task(trial, config, device).closed_form:
        return facts.tree() | {"fit_seconds": solve_seconds(task, trial, config, device) * task.solve_share(facts)}
    rate, steps = pace(task, trial, config, device), config.fit.steps
    seconds = config.fit.seconds if config.fit.seconds is not None else (steps or 0) / max(rate, 1e-9)
    return facts.tree() | {"fit_rate": rate, "fit_seconds": seconds}


def solve_seconds(task: type[Task], trial: Signal, config: Config, device: torch.device) -> float:
    """Time of a fit in closed form; the first one compiles."""
    return min(fit_task(task(trial, config, device), config.fit, seed=0, device=device).seconds for _ in range(2))


def pace(task: type[Task], trial: Signal, config: Config, device: torch.device) -> float:
    """Steps a second, measured on a signal that stands for any."""
    rates: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            rates.append(event.rate)

    settings = config.fit.model_copy(update={"seconds": TRIAL_SECONDS, "steps": None, "epochs": None})
    for _ in range(4):  # each precision compiles its own
        start = time.perf_counter()
        outcome = fit_task(task(trial, config, device), settings, seed=0, device=device, listeners=[listen])
        if time.perf_counter() - start < 2 * TRIAL_SECONDS:
            break  # else most of it was compiling, which happens once on a machine
    return rates[-1] if rates else outcome.step / outcome.seconds  # so busy a machine that none was told

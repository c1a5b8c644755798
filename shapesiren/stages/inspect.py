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
LEAST_STEPS = 3  # in that time, by which a pace is known: the first loads the kernels
BUSY_SHARE = 0.6  # cores that a trial had, on average, below which others have kept the machine busy; it asks for one at least
MOST_SECONDS = 7 * 24 * 3600.0  # of a fit: who is told of more has not measured a fit


def inspect(task: type[Task], sources: Sequence[Path], config: Config, device: torch.device, say: Say) -> Tree:
    """Facts of the input and, where the task can say so, the pace and time of a fit on this machine."""
    facts = task.inspect(sources[0] if len(sources) == 1 else sources, config, say)
    trial = task.trial(facts)
    if trial is None:
        return facts.tree()
    solved = task(trial, config, device).closed_form
    wall, cpu = time.perf_counter(), time.process_time()
    if solved:
        found = {"fit_seconds": solve_seconds(task, trial, config, device) * task.solve_share(facts)}
    else:
        rate, steps = pace(task, trial, config, device), config.fit.steps
        found = {} if rate is None else {"fit_rate": rate}
        if config.fit.seconds is not None:
            found["fit_seconds"] = config.fit.seconds
        elif rate is not None and steps:
            found["fit_seconds"] = steps / rate
    share = (time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9)
    busy = not found or (device.type == "cpu" and share < BUSY_SHARE)
    if found.get("fit_seconds", 0.0) > MOST_SECONDS:
        found, busy = {}, True
    return facts.tree() | found | ({"busy": True} if busy else {})


def solve_seconds(task: type[Task], trial: Signal, config: Config, device: torch.device) -> float:
    """Time of a fit in closed form; the first one compiles."""
    return min(fit_task(task(trial, config, device), config.fit, seed=0, device=device).seconds for _ in range(2))


def pace(task: type[Task], trial: Signal, config: Config, device: torch.device) -> float | None:
    """Steps a second, measured on a signal that stands for any; None on a machine so busy that it does hardly any."""
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
    if rates and rates[-1] > 0:
        return rates[-1]
    return outcome.step / outcome.seconds if outcome.step >= LEAST_STEPS else None

"""``inspect``: what is in an input, before any work. It makes no run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..config import Config, Tree
from ..fitting.events import Event, Progress
from ..fitting.loop import fit_task
from ..tasks.base import Say, Signal, Task

TRIAL_SECONDS = 2.4  # of fitting, to know the machine's pace, each half second; the first one warms up
LEAST_STEPS = 3  # in that time, by which a pace is known: the first loads the kernels
BUSY_SHARE = 0.6  # cores that a trial had, on average, below which others have kept the machine busy; it asks for one at least
# What a fit may take beyond the fastest and the slowest half second of its trial: others come and go, and it warms up
SPREAD = 1.25
MOST_SECONDS = 7 * 24 * 3600.0  # of a fit: who is told of more has not measured a fit


def inspect(task: type[Task], sources: Sequence[Path], config: Config, device: torch.device, say: Say) -> Tree:
    """Facts of the input and, where the task can say so, the pace and time of a fit on this machine."""
    facts = task.inspect(sources[0] if len(sources) == 1 else sources, config, say)
    trial = task.trial(facts)
    if trial is None:
        return facts.tree()
    solved = task(trial, config, device).closed_form
    found: Tree = {}
    wall, cpu = time.perf_counter(), time.process_time()
    if solved:
        times = [t * task.solve_share(facts) for t in solve_seconds(task, trial, config, device)]
        found = of_times(times)
    else:
        rates, steps = paces(task, trial, config, device), config.fit.steps
        if rates:
            found["fit_rate"] = float(np.median(rates))
        if config.fit.seconds is not None:
            found["fit_seconds"] = config.fit.seconds
        elif rates and steps:
            found |= of_times([steps / rate for rate in rates]) | {"fit_seconds": steps / found["fit_rate"]}
    share = (time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9)
    busy = not found or (device.type == "cpu" and share < BUSY_SHARE)
    if found.get("fit_seconds", 0.0) > MOST_SECONDS:
        found, busy = {}, True
    return facts.tree() | found | ({"busy": True} if busy else {})


def of_times(times: Sequence[float]) -> Tree:
    """The time of a fit by those that its trials stand for, and between which it will be."""
    return {"fit_seconds": float(np.median(times)), "fit_seconds_between": [min(times) / SPREAD, max(times) * SPREAD]}


def solve_seconds(task: type[Task], trial: Signal, config: Config, device: torch.device) -> list[float]:
    """Times of fits in closed form, without the first one, which compiles."""
    return [fit_task(task(trial, config, device), config.fit, seed=0, device=device).seconds for _ in range(4)][1:]


def paces(task: type[Task], trial: Signal, config: Config, device: torch.device) -> list[float]:
    """Steps a second in each stretch of a trial, on a signal that stands for any; none on a machine so busy that it does
    hardly any."""
    rates: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            rates.append(event.rate)

    settings = config.fit.model_copy(update={"seconds": TRIAL_SECONDS, "steps": None, "epochs": None})
    for _ in range(4):  # each precision compiles its own
        rates.clear()
        start = time.perf_counter()
        outcome = fit_task(task(trial, config, device), settings, seed=0, device=device, listeners=[listen])
        if any(rate > 0 for rate in rates) and time.perf_counter() - start < 2 * TRIAL_SECONDS:
            break  # else most of it was compiling, which happens once on a machine
    if measured := [rate for rate in rates if rate > 0]:
        return measured
    return [outcome.step / outcome.seconds] if outcome.step >= LEAST_STEPS else []

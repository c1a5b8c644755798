"""The one fitting loop. It knows the task protocol, and nothing of shapes, images or sounds.

    shapesiren fit scan.ply --preset default --seed 0

ends here, in `fit_task`: read it top to bottom.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..config import FitSettings
from ..errors import RunError
from ..nets.cpu.engine import engine_for, threads_for
from ..nets.precision import low_precision
from ..tasks.base import Moment, Task
from . import checkpoint as ckpt
from .adam import Adam
from .events import Listener, Progress, RolledBack, Saved, Started
from .schedule import rate_factor

REPORT_SECONDS = 0.5  # between Progress events
GUARD_STEPS = 25  # between looks at the loss, and in-memory states to go back to
AVERAGING = 0.05  # weight of a step in the moving average of the loss
RISEN_LOOKS = 4  # looks in a row at a risen loss before it counts as one that stays
SNAPSHOT_RISE = 1.1  # a state is good to go back to while the average is within this of its best
NOT_FINITE, STUCK_REASON = "not finite", "the loss does not fall"
STUCK_STEPS, STUCK = 200, 0.7  # a fit whose average is still above this share of its first one after so many steps has failed
STUCK_ROLLBACKS = 4  # after which a loss that does not fall is taken for the data's own
MAX_ROLLBACKS = 8
# What is left of the rate after a rollback: three quarters the first two times that a loss rose, else half. Rocker arm,
# Chamfer distance x 1000: back from step 1,550 of 5,000 with half the rate .137, with three quarters .125; not gone back .124.
GENTLE, GENTLE_TIMES, HARSH = 0.75, 2, 0.5


@dataclass(frozen=True)
class Outcome:
    """How a fit ended. ``finished`` is False when it was asked to stop; a checkpoint then holds its state."""

    finished: bool
    step: int
    seconds: float
    losses: dict[str, float]
    resumed: int
    rollbacks: int
    precision: str


def fit_task(
    task: Task,
    settings: FitSettings,
    *,
    seed: int,
    device: torch.device,
    key: str = "",
    checkpoint: Path | None = None,
    listeners: Sequence[Listener] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Fit ``task.net`` to the task's losses, in place.

    Parameters
    ----------
    key : identifies this fit; only a checkpoint with the same key is resumed
    checkpoint : file to save to and resume from; None keeps everything in memory
    should_stop : asked after every step; True saves the state and returns

    Raises
    ------
    RunError : the fit still goes wrong after `MAX_ROLLBACKS` rollbacks
    """
    if settings.optimizer == "least-squares":
        from .least_squares import solve_task

        finished, end, losses, since = solve_task(
            task, settings, key=key, checkpoint=checkpoint, listeners=listeners, should_stop=should_stop
        )
        return Outcome(finished, end.step, end.seconds, losses, since, 0, end.precision)

    def tell(event: object) -> None:
        for listener in listeners:
            listener(event)  # type: ignore[arg-type]

    # ---- Set up ------------------------------------------------------------------------------------
    net = task.net
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in net.parameters() if p.requires_grad]
    # fused=True: .5 ms a step instead of 1.7 on two cores, at 200,000 parameters
    optimizer = Adam(parameters, lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=device.type in ("cpu", "cuda"))
    steps = settings.steps if settings.steps is not None else (settings.epochs or 0) * task.epoch_steps
    by_time = settings.seconds
    total = None if by_time is not None else steps

    # ---- Resume ------------------------------------------------------------------------------------
    state = ckpt.load_checkpoint(checkpoint, key, net, optimizer, generator) if checkpoint else None
    if state is None:
        low = low_precision(settings.precision, device, width=task.config.net.width)
        state = ckpt.State(key, 0, 0.0, 1.0, 0, str(low).removeprefix("torch."))
    low = getattr(torch, state.precision)
    engine = engine_for(settings.backend, device) if task.native else None  # torch has one thread beside it
    resumed = state.step
    tell(Started(total, resumed, state.precision))

    def save(at: ckpt.State) -> None:
        if checkpoint is not None:
            ckpt.save_checkpoint(checkpoint, at, net, optimizer, generator)
            tell(Saved(at.step))

    def snapshot(at: ckpt.State) -> tuple[ckpt.State, dict[str, torch.Tensor]]:
        tensors = {f"net.{k}": v.clone() for k, v in net.state_dict().items()}
        for i, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v.clone() for k, v in moments.items()}
        return at, tensors

    # ---- Step --------------------------------------------------------------------------------------
    good = start = snapshot(state)
    last: dict[str, torch.Tensor] = {}
    average = torch.tensor(state.average, device=device)
    begun, base = time.perf_counter(), state.seconds
    reported, reported_step, saved = begun, state.step, begun
    with threads_for(engine):
        while True:
            seconds = base + time.perf_counter() - begun
            progress = seconds / by_time if by_time is not None else state.step / max(1, steps)
            if progress >= 1 or should_stop():
                state = replace(state, seconds=seconds)
                break
            dtype = low if progress < settings.low_precision_share else torch.float32
            rate = settings.learning_rate * min(state.rate_cap, rate_factor(settings, state.step, progress))
            for group in optimizer.param_groups:
                group["lr"] = rate
            last = task.losses(generator, Moment(state.step, progress, dtype, engine))
            loss = torch.stack(list(last.values())).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
            optimizer.step()
            average = torch.where(torch.isinf(average), loss.detach(), average.lerp(loss.detach(), AVERAGING))
            state = replace(state, step=state.step + 1, seconds=base + time.perf_counter() - begun)

            # ---- Guard: at fixed steps, so that a resumed fit does the same ------------------------------
            if state.step % GUARD_STEPS == 0:
                state = _look(state, float(average), settings)
                wrong = _what_is_wrong(state, parameters, settings, task.steady)
                if wrong is not None:
                    decayed = rate_factor(settings, max(state.step, settings.warmup), progress)
                    if wrong == STUCK_REASON:  # what was kept since is no better
                        good, decayed = start, 1.0
                    bad, state = state, _roll_back(good, state, net, optimizer, wrong, decayed)
                    average = torch.tensor(state.average, device=device)
                    tell(RolledBack(bad.step, state.step, wrong, settings.learning_rate * state.rate_cap))
                    continue
                if state.average <= SNAPSHOT_RISE * state.best:
                    good = snapshot(state)

            # ---- Report and save -----------------------------------------------------------------------
            now = time.perf_counter()
            if state.step == resumed + 1 != total:  # the first step loads the kernels: at its pace any fit takes hours
                reported, reported_step = now, state.step
            elif now - reported >= REPORT_SECONDS or state.step == total:
                pace = (state.step - reported_step) / max(now - reported, 1e-9)
                done = state.seconds / by_time if by_time is not None else state.step / max(1, steps)
                left = max(0.0, by_time - state.seconds) if by_time is not None else (steps - state.step) / max(pace, 1e-9)
                tell(Progress(state.step, min(1.0, done), state.seconds, left, pace, rate, _numbers(last)))
                reported, reported_step = now, state.step
            if now - saved >= settings.checkpoint_seconds and bool(torch.isfinite(average)):
                save(replace(state, average=float(average)))
                saved = time.perf_counter()

    # ---- End ---------------------------------------------------------------------------------------
    if not _finite(parameters):
        state = _roll_back(good, state, net, optimizer, NOT_FINITE)
    save(replace(state, average=float(average)))
    return Outcome(progress >= 1, state.step, state.seconds, _numbers(last), resumed, state.rollbacks, state.precision)


def _look(state: ckpt.State, average: float, settings: FitSettings) -> ckpt.State:
    """The state with its record of the loss brought up to date."""
    best = min(state.best, average)
    risen = settings.divergence is not None and average > settings.divergence * best
    first = average if math.isinf(state.first) else state.first
    return replace(state, average=average, best=best, first=first, risen=state.risen + 1 if risen else 0)


def _what_is_wrong(
    state: ckpt.State, parameters: Sequence[torch.nn.Parameter], settings: FitSettings, steady: bool
) -> str | None:
    """Whether a fit has to go back: a loss or weight that is not finite, or a loss that has risen for good.

    A SIREN whose rate is too high for its data falls into a state of pure high frequencies within a few
    dozen steps, and never leaves it; half the rate from before the fall avoids it. A spike that heals by
    itself is left alone. A fit that begins in that state has no better one to rise from: its loss never falls. Measured at step
    250, share of the average at the first look: .20 to .36 for scans that fit well, 1.0 for one that did not.
    """
    if not (math.isfinite(state.average) and _finite(parameters)):
        return NOT_FINITE
    if not steady:
        return None
    if state.risen >= RISEN_LOOKS:
        return f"the loss rose {state.average / state.best:.1f}-fold"
    stuck = state.step >= STUCK_STEPS and state.average > STUCK * state.first
    if stuck and settings.divergence is not None and state.rollbacks < STUCK_ROLLBACKS:
        return STUCK_REASON
    return None


def _numbers(losses: dict[str, torch.Tensor]) -> dict[str, float]:
    if not losses:
        return {}
    return dict(zip(losses, torch.stack([v.detach() for v in losses.values()]).tolist(), strict=True))


def _finite(parameters: Sequence[torch.nn.Parameter]) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in parameters)


def _roll_back(
    good: tuple[ckpt.State, dict[str, torch.Tensor]],
    state: ckpt.State,
    net: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    reason: str,
    decayed: float = 1.0,
) -> ckpt.State:
    """Return to the last good state; the random draws go on, so they differ.

    The learning rate stays below a share of what it was, ``decayed`` of its peak, until the schedule itself is lower: lowered
    for good it would be too low for the rest of the fit.
    """
    if state.rollbacks >= MAX_ROLLBACKS:
        raise RunError(
            f"the fit went wrong {MAX_ROLLBACKS + 1} times, last at step {state.step} ({reason})",
            where="fit",
            hint="try --set fit.learning_rate=1e-4 or --set fit.precision=float32",
        )
    ckpt.restore({k: v.clone() for k, v in good[1].items()}, net, optimizer)
    gentle = reason not in (NOT_FINITE, STUCK_REASON) and state.rollbacks < GENTLE_TIMES
    cap = min(state.rate_cap, decayed) * (GENTLE if gentle else HARSH)
    return replace(good[0], seconds=state.seconds, rate_cap=cap, rollbacks=state.rollbacks + 1)

"""The one fitting loop. It knows the task protocol, and nothing of shapes, images or sounds.

    shapesiren fit scan.ply --preset default --seed 0

ends here, in `fit_task`: read it top to bottom.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..config import FitSettings
from ..nets.cpu.engine import engine_for, threads_for
from ..nets.precision import low_precision
from ..tasks.base import Moment, Task
from .adam import Adam
from .checkpoint import State, load_checkpoint, save_checkpoint
from .events import Event, Listener, Progress, Saved, Started
from .guard import GUARD_STEPS, Guard
from .schedule import rate_factor

REPORT_SECONDS = 0.5  # between Progress events
AVERAGING = 0.05  # weight of a step in the moving average of the loss


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
    RunError : the fit still goes wrong after `guard.MAX_ROLLBACKS` rollbacks
    """

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    if settings.optimizer == "least-squares":
        from .least_squares import solve_task

        finished, end, losses, since = solve_task(
            task, settings, key=key, checkpoint=checkpoint, listeners=listeners, should_stop=should_stop
        )
        return Outcome(finished, end.step, end.seconds, losses, since, 0, end.precision)
    if task.closed_form:
        return closed_form(task, seed, tell, should_stop)

    # ---- Set up, or resume --------------------------------------------------------------------------
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in task.net.parameters() if p.requires_grad]
    # fused=True: .5 ms a step instead of 1.7 on two cores, at 200,000 parameters
    optimizer = Adam(parameters, lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=device.type in ("cpu", "cuda"))
    state = load_checkpoint(checkpoint, key, task.net, optimizer, generator) if checkpoint else None
    if state is None:
        precision = low_precision(settings.precision, device, width=task.config.net.width)
        state = State(key, 0, 0.0, 1.0, 0, str(precision).removeprefix("torch."))
    low, resumed = getattr(torch, state.precision), state.step
    engine = engine_for(settings.backend, device) if task.native else None
    length = Length.of(settings, task.epoch_steps)
    tell(Started(length.steps, resumed, state.precision))
    guard = Guard(settings, task.net, optimizer, parameters, task.steady, state)
    report = Reporter(length, resumed, tell)
    average = torch.tensor(state.average, device=device)
    begun, before = time.perf_counter(), state.seconds
    saved = begun
    last: dict[str, torch.Tensor] = {}

    def save(at: State) -> None:
        if checkpoint is not None:
            save_checkpoint(checkpoint, at, task.net, optimizer, generator)
            tell(Saved(at.step))

    # ---- Step ---------------------------------------------------------------------------------------
    with threads_for(engine):  # torch has one thread beside an engine
        while True:
            seconds = before + time.perf_counter() - begun
            progress = length.share(state.step, seconds)
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
            state = replace(state, step=state.step + 1, seconds=before + time.perf_counter() - begun)

            if state.step % GUARD_STEPS == 0:
                state, went_back = guard.look(state, float(average), progress)
                if went_back is not None:
                    average = torch.tensor(state.average, device=device)
                    report.went_back(state)
                    tell(went_back)
                    continue
            report.step(state, rate, last)
            if time.perf_counter() - saved >= settings.checkpoint_seconds and bool(torch.isfinite(average)):
                save(replace(state, average=float(average)))
                saved = time.perf_counter()

    # ---- End ----------------------------------------------------------------------------------------
    state = guard.end(state)
    save(replace(state, average=float(average)))
    return Outcome(progress >= 1, state.step, state.seconds, numbers(last), resumed, state.rollbacks, state.precision)


def closed_form(task: Task, seed: int, tell: Callable[[Event], None], should_stop: Callable[[], bool]) -> Outcome:
    """Fit a task that is solved in one go. It is one step; nothing of it is kept when it is stopped."""
    begun = told = time.perf_counter()
    tell(Started(1, 0, task.solved_in))

    def progress(share: float) -> bool:
        nonlocal told
        now, share = time.perf_counter(), min(share, 1.0)
        if now - told >= REPORT_SECONDS and share > 0.1:  # before that the time left is a guess
            seconds, told = now - begun, now
            tell(Progress(0, share, seconds, seconds * (1 / share - 1), 0.0, 0.0, {}))
        return not should_stop()

    finished = task.solve(progress)
    seconds, losses = time.perf_counter() - begun, {}
    if finished:
        with torch.no_grad():
            losses = numbers(task.losses(torch.Generator().manual_seed(seed), Moment(1, 1.0, torch.float32)))
        tell(Progress(1, 1.0, seconds, 0.0, 0.0, 0.0, losses))
    return Outcome(finished, int(finished), seconds, losses, 0, 0, task.solved_in)


@dataclass(frozen=True)
class Length:
    """How long a fit is: ``seconds`` if they are given, else ``steps``."""

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, settings: FitSettings, epoch_steps: int) -> Length:
        """By seconds, else by steps, else by epochs of so many steps."""
        if settings.seconds is not None:
            return cls(None, settings.seconds)
        return cls(settings.steps if settings.steps is not None else (settings.epochs or 0) * epoch_steps, None)

    def share(self, step: int, seconds: float) -> float:
        """What is done of it; 1 and more at its end."""
        return seconds / self.seconds if self.seconds is not None else step / max(1, self.steps or 0)

    def left(self, step: int, seconds: float, pace: float) -> float:
        """Seconds that are left at ``pace`` steps a second."""
        if self.seconds is not None:
            return max(0.0, self.seconds - seconds)
        return ((self.steps or 0) - step) / max(pace, 1e-9)


class Reporter:
    """Tells how a fit goes on, every `REPORT_SECONDS`, and at its last step."""

    def __init__(self, length: Length, resumed: int, tell: Callable[[Event], None]) -> None:
        self.length, self.tell, self.first = length, tell, resumed + 1
        self.time, self.at = time.perf_counter(), resumed

    def went_back(self, state: State) -> None:
        """The fit is at an earlier step than before: its pace counts from there."""
        self.time, self.at = time.perf_counter(), state.step

    def step(self, state: State, rate: float, losses: dict[str, torch.Tensor]) -> None:
        """After each step, ``rate`` being its learning rate."""
        now = time.perf_counter()
        if state.step == self.first != self.length.steps:  # the first loads the kernels: at its pace any fit takes hours
            self.time, self.at = now, state.step
        elif now - self.time >= REPORT_SECONDS or state.step == self.length.steps:
            pace = (state.step - self.at) / max(now - self.time, 1e-9)
            done = min(1.0, self.length.share(state.step, state.seconds))
            left = self.length.left(state.step, state.seconds, pace)
            self.tell(Progress(state.step, done, state.seconds, left, pace, rate, numbers(losses)))
            self.time, self.at = now, state.step


def numbers(losses: dict[str, torch.Tensor]) -> dict[str, float]:
    """Scalar loss terms as numbers, brought from the device at once."""
    if not losses:
        return {}
    return dict(zip(losses, torch.stack([v.detach() for v in losses.values()]).tolist(), strict=True))

"""The last layer of a network by linear least squares, for tasks whose equations are linear in the field.

A network is linear in its head: u = sum_j c_j h_j(x), h_j the units of the last hidden layer. For a linear operator L and a
right-hand side f, the head that minimises the mean square of L u - f therefore solves a linear system, in which the hidden
layers, as they are, make the basis (variable projection, Golub and Pereyra 1973; for networks Sjoberg and Viberg 1997; with
random hidden layers an extreme learning machine, Huang et al. 2006, for differential equations Dwivedi and Srinivasan 2020).

What descent needs an hour for is one pass over the points: the residual of a wave is the small difference of large terms,
and descent sees the large ones.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import FitSettings
from ..equations.equation import Equation
from ..errors import InputError, RunError
from ..nets.derivatives import hidden_derivatives
from ..nets.network import Network
from ..tasks.base import Task
from . import checkpoint as ckpt
from .events import Listener, Progress, Saved, Started

NUMBERS_AT_ONCE = 1 << 21  # numbers of one pass: rows x units
POINTS_TO_A_ROW = 20  # whose derivatives take about as long as one row's product
REPORT_SECONDS = 0.5


@runtime_checkable
class LinearTask(Protocol):
    """A task whose equations are linear in the field. linear : whether that is all, so that one round solves it"""

    net: Network
    linear: bool

    def round(self, index: int, total: int, solver: Solver) -> dict[str, float]:
        """Round ``index`` of ``total``: solve for the head and write it. Returns the losses that are left, by name."""
        ...


class Stopped(Exception):
    """Asked to stop in the middle of a round."""


def solve_task(
    task: Task,
    settings: FitSettings,
    *,
    key: str,
    checkpoint: Path | None,
    listeners: Sequence[Listener],
    should_stop: Callable[[], bool],
) -> tuple[bool, ckpt.State, dict[str, float], int]:
    """Solve for the head of ``task.net``, in place, in as many rounds as the task or the settings ask for.

    Returns
    -------
    finished : False when it was asked to stop
    state : rounds done, seconds
    losses : of the last round
    resumed : rounds that an earlier session had done

    Raises
    ------
    InputError : the task has no linear equations
    RunError : the equations do not determine the field
    """
    if not isinstance(task, LinearTask):
        raise InputError(f"least squares cannot fit a task {task.name}", where="fit.optimizer", hint="fit.optimizer=adam")

    def tell(event: object) -> None:
        for listener in listeners:
            listener(event)  # type: ignore[arg-type]

    generator = torch.Generator()
    idle = torch.optim.SGD(task.net.parameters(), lr=0.0)  # a checkpoint holds an optimizer's state; this has none
    held = ckpt.load_checkpoint(checkpoint, key, task.net, idle, generator) if checkpoint else None
    state = held or ckpt.State(key, 0, 0.0, 1.0, 0, "float64")
    resumed, total = state.step, 1 if task.linear else settings.steps or 1
    tell(Started(total, resumed, "float64"))
    begun, base = time.perf_counter(), state.seconds
    told = [begun]
    losses: dict[str, float] = {}  # none is known before the first round has ended

    def progress(share: float) -> None:
        if should_stop():
            raise Stopped
        now = time.perf_counter()
        if now - told[0] >= REPORT_SECONDS:
            told[0] = now
            done = (state.step + share) / total
            spent = now - begun
            left = spent / max(done - resumed / total, 1e-9) * (1 - done)
            tell(Progress(state.step, done, base + spent, left, (state.step - resumed) / spent, 0.0, losses))

    try:
        while state.step < total:
            losses = task.round(state.step, total, Solver(task.net, settings.ridge, progress))
            state = replace(state, step=state.step + 1, seconds=base + time.perf_counter() - begun)
            if checkpoint is not None:
                ckpt.save_checkpoint(checkpoint, state, task.net, idle, generator)
                tell(Saved(state.step))
            pace = (state.step - resumed) / max(time.perf_counter() - begun, 1e-9)
            tell(Progress(state.step, state.step / total, state.seconds, (total - state.step) / pace, pace, 0.0, losses))
    except Stopped:
        return False, state, losses, resumed
    return True, state, losses, resumed


class Solver:
    """Least squares over the hidden layers of one network, in float64."""

    def __init__(self, net: Network, ridge: float, progress: Callable[[float], None]) -> None:
        self.net, self.ridge, self.progress = net, ridge, progress
        self.double = copy.deepcopy(net).cpu().double()
        self.width = net.linears[-1].in_features + 1  # the head's bias is a unit that is 1 everywhere

    def solve(self, equations: Sequence[Equation], weights: Sequence[float]) -> tuple[NDArray[Any], float]:
        """Coefficients (width + 1, k) of the units and of 1 that minimise the weighted sum of all equations' integrals of
        |operator . u - target|^2, and that sum. Complex if an equation is. Raises RunError if they are not determined."""
        normal = self.normal(equations, weights)
        found = normal.solve(normal.right)
        return found, normal.left(found)

    def normal(self, equations: Sequence[Equation], weights: Sequence[float], start: float = 0.0, end: float = 1.0) -> Normal:
        """The normal equations of that minimum, factored. ``start``, ``end``: shares of the progress to report."""
        complex_ = any(np.iscomplexobj(e.operator) or np.iscomplexobj(e.target) for e in equations)
        kind = torch.complex128 if complex_ else torch.float64
        matrix = torch.zeros((self.width, self.width), dtype=kind)
        right, power = torch.zeros((self.width, equations[0].target.shape[1]), dtype=kind), 0.0
        rows = sum(len(e.weight) for e in equations)
        work, done = sum(len(e.weight) + len(e.points) / POINTS_TO_A_ROW for e in equations), 0.0
        if rows < self.width / 4:
            raise RunError(f"{rows} points are too few for {self.width} unknowns", hint="more ingest.points, or fewer units")
        for e, share in zip(equations, weights, strict=True):
            step = max(1, NUMBERS_AT_ONCE // self.width // e.group)
            for i in range(0, len(e.weight), step):
                part, points = slice(i, i + step), slice(i * e.group, (i + step) * e.group)
                scale = torch.from_numpy(np.sqrt(e.weight[part] * share))[:, None]
                a = self._rows(e.points[points], e.operator[points]).to(kind)
                a = (a.reshape(-1, e.group, self.width).sum(1) if e.group > 1 else a) * scale
                f = torch.from_numpy(np.ascontiguousarray(e.target[part])).to(kind) * scale
                matrix.addmm_(a.mH, a)
                right.addmm_(a.mH, f)
                power += float(f.abs().square().sum())
                done += len(a) + e.group * len(a) / POINTS_TO_A_ROW
                self.progress(start + (end - start) * done / work)
        return Normal(matrix, right.numpy(), power, self.ridge)

    def rows(self, points: NDArray[Any], operator: NDArray[Any]) -> NDArray[Any]:
        """The operator applied to each unit, (n, width + 1)."""
        return np.asarray(self._rows(points, operator).numpy())

    def _rows(self, points: NDArray[Any], operator: NDArray[Any]) -> torch.Tensor:
        with torch.no_grad():
            h, jac, diagonal = hidden_derivatives(self.double, torch.from_numpy(np.ascontiguousarray(points, np.float64)))
        by = torch.from_numpy(np.ascontiguousarray(operator))
        out = torch.zeros((len(h), self.width), dtype=by.dtype)
        units, d = out[:, :-1], points.shape[1]
        streams = [h, *(jac[:, k] for k in range(d)), *(diagonal[:, k] for k in range(d))]
        for column, stream in enumerate(streams):
            if bool((by[:, column] != 0).any()):
                units.addcmul_(by[:, column, None], stream.to(by.dtype))
        out[:, -1] = by[:, 0]
        return out

    @torch.no_grad()
    def values(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """The network's outputs (n, m), in float64."""
        return self.double(torch.from_numpy(np.ascontiguousarray(points, np.float64))).numpy()

    @torch.no_grad()
    def coefficients(self, outputs: slice) -> NDArray[np.float64]:
        """Of the units and of 1, (width + 1, k), as they stand; what `write` takes back where they are real."""
        head = self.double.linears[-1]
        return torch.cat([head.weight[outputs], head.bias[outputs, None]], 1).T.numpy().copy()

    @torch.no_grad()
    def write(self, found: NDArray[Any], outputs: slice) -> None:
        """Put coefficients into rows of the head: complex ones as real and imaginary parts in turn."""
        columns = np.stack([found.real, found.imag], 2).reshape(len(found), -1) if np.iscomplexobj(found) else found
        for net in (self.net, self.double):
            head = net.linears[-1]
            values = torch.from_numpy(np.ascontiguousarray(columns.T)).to(head.weight.dtype)
            head.weight[outputs], head.bias[outputs] = values[:, :-1], values[:, -1]


class Normal:
    """A positive semidefinite system, scaled to a unit diagonal and factored with the least ridge that rounding allows."""

    def __init__(self, matrix: torch.Tensor, right: NDArray[Any], power: float, ridge: float) -> None:
        self.matrix, self.right, self.power = matrix, right, power
        self.size = matrix.diagonal().real.sqrt().clamp_min(1e-150)
        scaled = matrix / self.size[:, None] / self.size
        scaled.diagonal().add_(ridge)
        self.factor, info = torch.linalg.cholesky_ex(scaled)
        ridge = max(ridge, 1e-15)
        while int(info):
            ridge *= 10
            if ridge > 1e-6:
                raise RunError("the equations do not determine the field", hint="more ingest.points, or fewer units")
            scaled.diagonal().add_(ridge)
            self.factor, info = torch.linalg.cholesky_ex(scaled)

    def solve(self, right: NDArray[Any]) -> NDArray[Any]:
        """(width + 1, k) -> (width + 1, k)."""
        size = self.size[:, None]
        by = torch.from_numpy(np.ascontiguousarray(right)).to(self.matrix.dtype)
        return np.asarray((torch.cholesky_solve(by / size, self.factor) / size).numpy())

    def left(self, found: NDArray[Any]) -> float:
        """The minimised sum at a solution."""
        product = self.matrix.numpy() @ found
        return max(self.power - 2 * float(np.vdot(found, self.right).real) + float(np.vdot(found, product).real), 0.0)

"""What the tasks have in common whose field is the solution of differential equations: nothing is fitted but a residual."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import TypeVar

from ..config import Config, FitSettings, NetSettings, Tree, read_toml
from ..equations.equation import DOMAIN_EQUATIONS, Equation, equation_from, force, names_of
from ..equations.facts import ProblemFacts, SolutionFacts
from ..equations.headers import ProblemHeader
from ..equations.problems import KINDS
from ..equations.settings import BatchSettings, DecodeSettings, EvaluateSettings, IngestSettings, LossSettings
from ..errors import InputError
from ..facts import Facts
from ..header import Header
from ..metrics.facts import SolutionMetrics
from .base import Arrays, FinishedRun, FitFacts, Moment, Say, Signal, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..fitting.least_squares import Solver
    from ..reports.page import Section


class EquationConfig(Config):
    """All settings of a problem."""

    ingest: IngestSettings = IngestSettings()
    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(steps=1)
    batch: BatchSettings = BatchSettings()
    loss: LossSettings = LossSettings()
    decode: DecodeSettings = DecodeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


OURS: Tree = {"fit": {"optimizer": "least-squares", "steps": 1}}
# vsitzmann/siren: Adam on a few points of each step, in float32
PAPER: Tree = {
    "net": {"width": 256, "hidden_layers": 3, "omega_first": 30.0},
    "fit": {
        "optimizer": "adam",
        "steps": 50_000,
        "learning_rate": 2e-5,
        "beta2": 0.999,
        "warmup": 0,
        "decay": "none",
        "divergence": None,
        "precision": "float32",
    },
    "loss": {"norm": "l1"},
}


class SolveFacts(FitFacts):
    """Of a fit by least squares, in float64, or by descent."""

    def lines(self) -> list[str]:
        if self.precision != "float64":
            return super().lines()
        rounds = f"{self.steps} round{'s' if self.steps > 1 else ''} of least squares"
        return [f"{rounds} in {self.seconds:.1f} s, {self.parameters:,} parameters"]


def facts_of(ingest: type[ProblemFacts], evaluate: type[Facts] = SolutionMetrics) -> dict[str, type[Facts]]:
    """The types of a problem's facts, by stage."""
    return {"ingest": ingest, "inspect": ingest, "fit": SolveFacts, "decode": SolutionFacts, "evaluate": evaluate}


E = TypeVar("E", bound=EquationConfig, default=Any)


class EquationTask(Task[E]):
    """A field that solves linear equations; by least squares for its last layer, or by descent."""

    suffixes = (".toml",)
    output, output_file = "decode", "solution.npz"
    steady = False
    header_type: ClassVar[type[Header]] = ProblemHeader
    header: ProblemHeader
    linear = True  # least squares are done after one round

    def __init__(self, signal: Signal, config: E, device: torch.device) -> None:
        super().__init__(signal, config, device)
        self.equations = {name: equation_from(signal.arrays, name) for name in names_of(signal.arrays)}
        self.complex = self.header.complex
        d = next(iter(self.equations.values())).points.shape[1]
        self.make_net(d, self.outputs(self.header))
        self.start_net()
        self.weights = {name: self.weight(name, e, config) for name, e in self.equations.items()}
        self.settings = config

    @classmethod
    def outputs(cls, header: ProblemHeader) -> int:
        """Of the network: a complex field has two."""
        return header.fields * (2 if header.complex else 1)

    def start_net(self) -> None:
        """Change the initialisation to what the problem is known to be like."""

    def weight(self, name: str, e: Equation, config: E) -> float:
        """Of an equation in the sum: a residual as large as its right-hand side counts 1 in the domain."""
        if name in DOMAIN_EQUATIONS:
            return 1 / (
                force(self.equations)
                or sum(float(self.equations[n].weight.sum()) for n in DOMAIN_EQUATIONS if n in self.equations)
            )
        return config.loss.border / float(e.weight.sum())

    # ---- fit ----------------------------------------------------------------------------------------
    def round(self, index: int, total: int, solver: Solver) -> dict[str, float]:
        """One solve for the head; the weighted residual."""
        found, left = solver.solve(list(self.equations.values()), list(self.weights.values()))
        solver.write(found, slice(None))
        return {"residual": left}

    @cached_property
    def on_device(self) -> dict[str, tuple[Tensor, Tensor, Tensor, Tensor]]:
        return {name: self.tensors(e) for name, e in self.equations.items()}

    def tensors(self, e: Equation) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        import torch

        kind = torch.complex64 if self.complex else torch.float32
        to = lambda a, dtype: torch.from_numpy(np.ascontiguousarray(a)).to(self.device, dtype)  # noqa: E731
        return to(e.points, torch.float32), to(e.operator, kind), to(e.target, kind), to(e.weight, torch.float32)

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        terms = {}
        everything = sum(len(e.points) for e in self.equations.values())
        for name, (x, operator, target, weight) in self.on_device.items():
            group = len(x) // len(weight)
            share = max(1, round(self.settings.batch.points * len(x) / everything / group))
            drawn = max(1, round(len(weight) * self.reach(name, moment.progress)))
            index = torch.randint(drawn, (share,), generator=generator).to(self.device)
            at = (index[:, None] * group + torch.arange(group, device=self.device)).flatten()
            left = self.applied(x[at], operator[at], moment).reshape(share, group, -1).sum(1) - target[index]
            terms[name] = self.weights[name] * weight.sum() * (self.size(left) * weight[index] / weight.mean()).mean()
        return terms

    def size(self, left: Tensor) -> Tensor:
        """Of residuals (n, k), by the norm of the settings: (n,)."""
        return (left.abs() if self.settings.loss.norm == "l1" else left.abs().square()).sum(1)

    def reach(self, name: str, progress: float) -> float:
        """Share of an equation's rows, from the first on, that a step draws from."""
        return 1.0

    def applied(self, x: Tensor, operator: Tensor, moment: Moment) -> Tensor:
        """The operator on the fields, (n, k), complex for complex ones."""
        import torch

        from ..nets.jets import jet

        d = x.shape[1]
        if not self.complex:
            second = operator[:, 1 + d :]
            value, gradient, bent = jet(self.net, x, 2, torch.float32, moment.engine, second.contiguous())
            assert bent is not None
            return operator[:, :1] * value + (operator[:, None, 1 : 1 + d] * gradient).sum(2) + bent
        streams = self.streams(x)
        return (operator.T[:, :, None] * streams).sum(0)

    def streams(self, x: Tensor) -> Tensor:
        """The complex fields and their derivatives, (1 + 2 d, n, k)."""
        import torch

        from ..nets.derivatives import value_gradient_diagonal

        count = 2 * self.header.fields
        value, gradient, diagonal = (t[:, :count] for t in value_gradient_diagonal(self.net, x))
        parts = torch.cat([value[None], gradient.permute(2, 0, 1), diagonal.permute(2, 0, 1)])
        return torch.complex(parts[..., 0::2].contiguous(), parts[..., 1::2].contiguous())

    # ---- ingest, decode, evaluate ---------------------------------------------------------------------
    @classmethod
    def reads(cls, path: Path, layers: Any) -> bool:
        """By what a file says it is; one that names no problem is left to the first task, whose `ingest` says so."""
        if path.suffix.lower() not in cls.suffixes:
            return False
        try:
            named = read_toml(path).get("problem")
        except InputError:
            named = None
        return cls.name == (named if named in KINDS else next(iter(KINDS)))

    @classmethod
    def companions(cls, source: Any) -> list[Path]:
        from ..equations.problems import read_problem

        return read_problem(source).files(source.parent) if isinstance(source, Path) else []

    @classmethod
    def ingest(cls, source: Any, config: E, say: Say) -> Signal:
        from ..equations.assembly import ingest_problem
        from ..equations.problems import read_problem

        if not isinstance(source, Path):
            raise InputError(f"a task {cls.name} takes one file that describes a problem", where=cls.name)
        problem = read_problem(source)
        if problem.problem != cls.name:
            raise InputError(f"this describes a problem {problem.problem!r}", where=source, hint=f"--task {problem.problem}")
        return Signal(*ingest_problem(problem, source.parent, config.ingest, config.seed))

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: E, path: Path, say: Say) -> Facts:
        from ..equations.solution import decode_solution, write_solution

        solution = decode_solution(fitted, config.decode)
        write_solution(path, solution)
        return SolutionFacts.of({name: list(values.shape) for name, values in solution.items()})

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: E, say: Say) -> None:
        from ..equations.solution import convert_solution, decode_solution

        convert_solution(decode_solution(fitted, config.decode), path)

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..equations.solution import check_solution_output

        check_solution_output(path)

    @classmethod
    def evaluate(cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: E, say: Say) -> Facts:
        from ..metrics.equations import evaluate_solution

        return evaluate_solution(fitted, arrays, output, reference, config.evaluate)

    @classmethod
    def decode(cls, fitted: Field, config: E) -> Any:
        from ..equations.solution import decode_solution

        return decode_solution(fitted, config.decode)

    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        from ..reports.equations import solution_figure

        return solution_figure(fitted, arrays)

    @classmethod
    def thumbnail(cls, run: FinishedRun) -> bytes | None:
        from ..reports.equations import thumbnail

        return thumbnail(run)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.equations import equation_sections

        return equation_sections(run)

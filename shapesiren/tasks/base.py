"""What a task is: everything that the stages and the loop need to know of one kind of signal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal

from numpy.typing import NDArray
from typing_extensions import TypeVar

from ..config import Config, Tree
from ..errors import InputError
from ..facts import Facts
from ..header import Header

if TYPE_CHECKING:
    import torch
    from markupsafe import Markup
    from torch import Tensor

    from ..field import Field
    from ..nets.cpu.engine import Engine
    from ..nets.network import Network
    from ..reports.page import Section
    from .fitted import FittedField

Say = Callable[[str], None]  # prints one line for the user
Arrays = dict[str, NDArray[Any]]
C = TypeVar("C", bound=Config, default=Any)  # the settings of a task


@dataclass(frozen=True)
class Signal:
    """An ingested signal: what `fit` needs, as plain arrays.

    arrays : name -> array, saved as one npz file
    header : what a field needs to be decoded (frame, bounds ...)
    facts : for the manifest and the user (counts, origins, choices)
    """

    arrays: Arrays
    header: Header
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Moment:
    """Where a fit stands: step, progress in [0, 1]; precision of this step's products, and what runs them."""

    step: int
    progress: float
    dtype: torch.dtype
    engine: Engine | None = None


class FitFacts(Facts):
    """What stage ``fit`` found. seconds : spent, all sessions together; losses : the weighted terms of the last step

    ``precision`` is that of the first part of the fit; ``device`` what it ran on.
    """

    steps: int
    seconds: float
    resumed_from: int = 0
    rollbacks: int = 0
    precision: str
    device: str
    losses: dict[str, float] = {}
    parameters: int
    cells: int = 0  # of a local field
    prior: str = ""  # that completed it, in one go
    note: str | None = None  # what else was made

    def lines(self) -> list[str]:
        if self.prior and not self.cells and self.steps <= 1:
            return [f"completed by the prior {self.prior} in {self.seconds:.2f} s, {self.parameters:,} parameters"]
        if self.cells:
            return [
                f"solved in {self.seconds:.1f} s on {self.device}, {self.cells:,} networks, {self.parameters:,} parameters",
                "weighted losses: " + "  ".join(f"{name} {value:.3g}" for name, value in self.losses.items()),
                *([] if self.note is None else [self.note]),
            ]
        return [
            f"{self.steps:,} steps in {self.seconds:.1f} s on {self.device}, {self.precision} first, "
            f"{self.parameters:,} parameters"
        ]


class ReportFacts(Facts):
    """What stage ``report`` made. bytes : the size of the page"""

    bytes: int


@dataclass(frozen=True)
class FinishedRun:
    """A run that is finished up to its output, read for a report or a picture.

    manifest : of the run; history : the rows of ``metrics.jsonl``; settings : the text of ``config.toml``
    reference : a file to measure distances to, instead of the input
    """

    folder: Path
    task: type[Task]
    field: Field
    arrays: Arrays
    config: Config
    manifest: Tree
    history: Sequence[Tree]
    settings: str
    reference: Path | None = None

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def output(self) -> Path:
        """The file that the run's third stage wrote."""
        return self.folder / self.task.output_file

    def facts(self, stage: str) -> Tree:
        """What a stage left in the manifest, as plain data; empty if it has not run."""
        return self.manifest["stages"].get(stage, {}).get("facts", {})


@dataclass(frozen=True)
class View:
    """How a picture of a surface is taken. size : pixels along each side; angles in degrees; up : the vertical axis, or auto

    inside : see into rooms, leaving out faces that look away
    """

    size: int = 640
    azimuth: float = 30.0
    elevation: float = 20.0
    up: str = "auto"
    inside: bool = False


class Task(ABC, Generic[C]):
    """One kind of signal, with its settings ``C``: all that the program does with it.

    A subclass is one file under ``tasks/`` and one line in its registry; what is heavy is imported inside its methods.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]  # of input files, lower case
    cache: ClassVar[str]  # file name of the ingested arrays in a run
    output: ClassVar[Literal["mesh", "decode"]]  # what its third stage is called
    output_file: ClassVar[str]  # and what that writes by default
    config_type: ClassVar[type[Config]]
    header_type: ClassVar[type[Header]] = Header
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {}  # by stage; `FitFacts` and `ReportFacts` are every task's
    presets: ClassVar[Mapping[str, Tree]]
    # sections of Config that each stage depends on
    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "ingest": ("ingest", "seed"),
        "fit": ("net", "fit", "loss", "batch", "seed"),
        "mesh": ("mesh",),
        "decode": ("decode",),
        "evaluate": ("evaluate", "seed"),
        "report": ("report",),
    }

    net: Network
    has_surface: ClassVar[bool] = False  # whether its field is a distance whose zero level set can be watched and turned
    folders: ClassVar[bool] = False  # whether a folder may be its input
    steady: bool = True  # whether the loss should fall from start to end; not if what is fitted changes meanwhile
    closed_form: bool = False  # whether `solve` fits it, in one go, and `losses` only says how well
    solved_in: str = "float64"  # precision of `solve`
    takes_prior: ClassVar[bool] = False  # whether a prior can complete its signals
    note: str | None = None  # what `solve` has to say of what else it made
    folder: Path | None = None  # of the run that is being fitted, where a task keeps parts of what it makes beside the field
    native: bool = False  # whether `losses` hands its work to the engine of its `Moment`

    def __init__(self, signal: Signal, config: C, device: torch.device) -> None:
        self.check_prior(config)
        self.config: C = config
        self.header, self.device = self.header_type.of(signal.header), device

    def make_net(self, dimensions: int, outputs: int) -> None:
        """The network of the settings, and whether its steps can run natively."""
        from ..nets.build import build
        from ..nets.plugged import Plugged

        self.net = build(self.config.net, dimensions, outputs, self.config.seed).to(self.device)
        self.derivatives = self.config.fit.derivatives
        if isinstance(self.net, Plugged):
            self.derivatives = "autograd"
        self.native = self.derivatives == "fused" and self.net.kind == "siren"
        self.native &= self.config.net.last_width is None and self.config.net.hidden_layers > 0

    def values_and_gradients(self, x: Tensor, rows: int, moment: Moment) -> tuple[Tensor, Tensor]:
        """Values (n, m) of box points ``x`` (n, d) and gradients (rows, m, d) of the leading ones, to be differentiated."""
        import torch

        from ..nets.derivatives import autograd_value_and_gradient, value_and_gradient
        from ..nets.fused_step import fused_value_and_gradient

        if self.derivatives == "fused":
            return fused_value_and_gradient(self.net, x, rows, moment.dtype, moment.engine)
        take = autograd_value_and_gradient if self.derivatives == "autograd" else value_and_gradient
        value, gradient = take(self.net, x[:rows])
        return torch.cat([value, self.net(x[rows:])]) if rows < len(x) else value, gradient

    @classmethod
    def check_prior(cls, config: C) -> None:
        """Raise InputError if a prior is asked for and this task has no use for one."""
        if config.fit.prior is not None and not cls.takes_prior:
            raise InputError(f"no prior completes a signal of task {cls.name}", where="fit.prior", hint="leave it out")

    @property
    def epoch_steps(self) -> int:
        """Steps that see each sample about once."""
        return 1

    @classmethod
    def reads(cls, path: Path, layers: Sequence[tuple[str, Tree]]) -> bool:
        """Whether this task reads files like ``path``, under settings given as (origin, tree) ``layers``; by the extension."""
        return path.suffix.lower() in cls.suffixes

    # ---- ingest: may import heavy packages, inside the function --------------------------------------
    @classmethod
    @abstractmethod
    def ingest(cls, source: Any, config: C, say: Say) -> Signal:
        """Read a file (or take arrays) and return what `fit` needs. Raises InputError."""

    @classmethod
    def ingest_before_fit(cls, source: Any, config: C, say: Say, meanwhile: Callable[[], None]) -> Signal:
        """`ingest`, where a fit follows in this process, which has ``meanwhile`` to be done before that: at a time when it
        would otherwise wait. By default nothing waits."""
        return cls.ingest(source, config, say)

    @classmethod
    def of_arrays(cls, source: Any, normals: Any, colours: Any) -> Any:
        """What `ingest` takes, from arrays that a user gave the Python API. By default ``source`` itself."""
        return source

    @classmethod
    def companions(cls, source: Any) -> list[Path]:
        """Files that an input names and that belong to it: when one of them changes, the input has."""
        return []

    @classmethod
    def files_of(cls, config: C) -> list[Path]:
        """Files that the settings name: when one of them changes, the settings have."""
        return []

    @classmethod
    def inspect(cls, source: Any, config: C, say: Say) -> Facts:
        """Facts of an input, before any work. By default what `ingest` finds."""
        return cls.ingest(source, config, say).facts

    @classmethod
    def trial(cls, facts: Facts | None = None) -> Signal | None:
        """A small signal that is fitted as the one whose ``facts`` `inspect` found, to time it; None if there is none.

        Its steps cost what those of any signal cost. What is solved costs as `solve_share` says.
        """
        return None

    @classmethod
    def solve_share(cls, facts: Facts) -> float:
        """How many times as long as the trial a signal takes that is solved in closed form."""
        return 1.0

    @classmethod
    def ingest_into(
        cls, folder: Path, source: Any, key: str, config: C, say: Say, meanwhile: Callable[[], None] | None
    ) -> Signal:
        """`ingest` or, where a fit follows, `ingest_before_fit`, for tasks that keep more than a signal in the run folder.

        Parameters
        ----------
        key : of the input's content
        """
        if meanwhile is None:
            return cls.ingest(source, config, say)
        return cls.ingest_before_fit(source, config, say, meanwhile)

    @classmethod
    def files_beside(cls, stage: str, folder: Path) -> list[str]:
        """Files of the run folder that a stage has made beside those that every task has. By default none."""
        return []

    # ---- fit: torch and numpy alone ------------------------------------------------------------------
    @abstractmethod
    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        """Draw a batch and return the weighted loss terms by name, scalars, to be summed."""

    def solve(self, progress: Callable[[float], bool]) -> bool:
        """Fit ``net`` in closed form, in float64, of a task that says ``closed_form``; ``net`` need not exist before.

        ``progress`` is told what share is done, and says whether to go on. Returns whether the end was reached.
        """
        raise NotImplementedError(self.name)

    def field(self) -> Field:
        """The network with what decodes it, as it stands."""
        from ..field import Field

        return Field(self.net, self.name, self.header)

    # ---- mesh or decode, evaluate ----------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def write(cls, fitted: Field, arrays: Arrays, config: C, path: Path, say: Say) -> Facts:
        """Write the signal that the field stands for to ``path``; return facts for the manifest."""

    @classmethod
    def extra_outputs(cls, config: C) -> list[str]:
        """Files of the run folder that `write` makes beside `output_file` with these settings."""
        return []

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: C, say: Say) -> None:
        """Write what `write` wrote once more, in the format of ``path``'s extension. By default as `write` does."""
        cls.write(fitted, {}, config, path, lambda _: None)

    @classmethod
    def files_of_copy(cls, path: Path, config: C) -> list[Path]:
        """All files that `convert` may write for ``path``: by default that one."""
        return [path]

    @classmethod
    def told_of_copy(cls, path: Path, fitted: Field, config: C) -> str:
        """What a user must know of a copy that `convert` writes: a line, by default none."""
        return ""

    @classmethod
    def check_output(cls, path: Path) -> None:
        """Raise InputError early if `convert` could not write ``path``. By default nothing is known against it."""
        return

    @classmethod
    def decode(cls, fitted: Field, config: C) -> Any:
        """The field's samples as arrays, under the settings of ``[decode]``. Raises InputError where there are none."""
        raise InputError(f"a run of task {cls.name} is not decoded", where="decode", hint=f"use {cls.output}")

    @classmethod
    def as_made(cls, config: C, made: Tree) -> C:
        """The settings under which an output is judged, given what the facts of its stage say that it is. By default these."""
        return config

    @classmethod
    @abstractmethod
    def evaluate(cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: C, say: Say) -> Facts:
        """Judge the written output and the field; return metrics."""

    @classmethod
    def summary(cls, stage: str, facts: Tree) -> list[str]:
        """What a stage's facts come to, as lines for the screen."""
        shared: dict[str, type[Facts]] = {"fit": FitFacts, "report": ReportFacts}
        return {**shared, **cls.facts_types}.get(stage, Facts).of(facts).lines()

    @classmethod
    def brief(cls, stage: str, facts: Tree) -> list[str]:
        """The same without what has a section of its own in the report."""
        return cls.summary(stage, facts)

    @classmethod
    def fitted(cls, field: Field, arrays: Arrays, config: C, run: Path | None = None) -> FittedField:
        """The field as the Python API returns it: here one that can be decoded."""
        from .fitted import SignalField

        return SignalField(field, cls, arrays, config, run)

    # ---- pictures and pages ----------------------------------------------------------------------------
    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        """A matplotlib figure of the field beside its original. Raises InputError where there is none."""
        raise InputError(f"no picture of a run of task {cls.name}", hint="name its mesh and its scan instead")

    @classmethod
    def picture(cls, run: FinishedRun, path: Path, view: View) -> None:
        """Draw a run into ``path``, PNG or JPEG. By default its `figure`."""
        from ..reports.figure_file import check_figure_file, write_figure

        check_figure_file(path)
        write_figure(cls.figure(run.field, run.arrays), path)

    @classmethod
    def thumbnail(cls, run: FinishedRun) -> bytes | None:
        """A small JPEG of what a run made; None where there is nothing to see."""
        return None

    @classmethod
    def turning_view(cls, run: FinishedRun, together: str) -> Markup | None:
        """What a run made, to be turned in a page beside others: views of the same ``together`` turn at once. None if there is
        nothing to turn."""
        return None

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        """What only this task's report has; the first one opens the page."""
        return []

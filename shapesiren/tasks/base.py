"""What a task is: everything that the stages and the loop need to know of one kind of signal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import NDArray

from ..config import Config, Tree

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..nets.cpu.engine import Engine
    from ..nets.siren import Network

Say = Callable[[str], None]  # prints one line for the user
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Signal:
    """An ingested signal: what `fit` needs, as plain arrays.

    arrays : name -> array, saved as one npz file
    header : JSON-able facts that a field needs to be decoded (frame, bounds ...)
    info : JSON-able facts for the manifest and the user (counts, origins, choices)
    """

    arrays: Arrays
    header: Tree
    info: Tree = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """Where a fit stands: step, progress in [0, 1]; precision of this step's products, and what runs them."""

    step: int
    progress: float
    dtype: torch.dtype
    engine: Engine | None = None


class Task(ABC):
    """One kind of signal. A subclass is one file under ``tasks/`` and one line in its registry."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]  # of input files, lower case
    cache: ClassVar[str]  # file name of the ingested arrays in a run
    output: ClassVar[Literal["mesh", "decode"]]  # what its third stage is called
    output_file: ClassVar[str]  # and what that writes by default
    config_type: ClassVar[type[Config]]
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
    folders: ClassVar[bool] = False  # whether a folder may be its input
    steady: bool = True  # whether the loss should fall from start to end; not if what is fitted changes meanwhile
    native: bool = False  # whether `losses` hands its work to the engine of its `Moment`

    def __init__(self, signal: Signal, config: Config, device: torch.device) -> None:
        self.config, self.header, self.device = config, signal.header, device

    def make_net(self, dimensions: int, outputs: int) -> None:
        """The network of the settings, and whether its steps can run natively."""
        from ..nets.build import build

        self.net = build(self.config.net, dimensions, outputs, self.config.seed).to(self.device)
        self.derivatives = self.config.fit.derivatives
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
    def ingest(cls, source: Any, config: Any, say: Say) -> Signal:
        """Read a file (or take arrays) and return what `fit` needs. Raises InputError."""

    @classmethod
    def companions(cls, source: Any) -> list[Path]:
        """Files that an input names and that belong to it: when one of them changes, the input has."""
        return []

    @classmethod
    def files_of(cls, config: Any) -> list[Path]:
        """Files that the settings name: when one of them changes, the settings have."""
        mask = getattr(config.ingest, "mask", None)
        return [] if mask is None else [Path(mask)]

    @classmethod
    def inspect(cls, source: Any, config: Any, say: Say) -> Tree:
        """Facts of an input, before any work. By default what `ingest` finds."""
        return cls.ingest(source, config, say).info

    @classmethod
    def trial(cls) -> Signal | None:
        """A small signal whose steps cost what those of any cost, to time them; None if there is none."""
        return None

    # ---- fit: torch and numpy alone ------------------------------------------------------------------
    @abstractmethod
    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        """Draw a batch and return the weighted loss terms by name, scalars, to be summed."""

    def field(self) -> Field:
        """The network with what decodes it, as it stands."""
        from ..field import Field

        return Field(self.net, self.name, self.header)

    # ---- mesh or decode, evaluate ----------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def write(cls, fitted: Field, arrays: Arrays, config: Any, path: Path, say: Say) -> Tree:
        """Write the signal that the field stands for to ``path``; return facts for the manifest."""

    @classmethod
    @abstractmethod
    def convert(cls, written: Path, path: Path, fitted: Field, config: Any) -> None:
        """Write what `write` wrote once more, in the format of ``path``'s extension."""

    @classmethod
    def check_output(cls, path: Path) -> None:
        """Raise InputError early if `convert` could not write ``path``. By default nothing is known against it."""
        return

    @classmethod
    @abstractmethod
    def evaluate(cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: Any, say: Say) -> Tree:
        """Judge the written output and the field; return metrics, JSON-able."""

    @classmethod
    def summary(cls, stage: str, facts: Tree) -> list[str]:
        """What a stage's facts come to, as lines for the screen."""
        return [f"{name}: {value}" for name, value in facts.items() if not isinstance(value, (dict, list))]


def fit_summary(facts: Tree) -> list[str]:
    return [
        f"{facts['steps']:,} steps in {facts['seconds']:.1f} s on {facts['device']}, {facts['precision']} first, "
        f"{facts['parameters']:,} parameters"
    ]


def compression_lines(facts: Mapping[str, Any], unit: str) -> list[str]:
    """The compression table as lines."""
    rows: Sequence[Tree] = facts.get("compression", ())
    return [
        f"{row['bits']:>2}-bit weights: {row['bytes'] / 1024:,.0f} KiB, {row['share_of_file']:.2f} x the file, "
        f"{row['quality']:.2f} {unit}"
        for row in rows
    ]

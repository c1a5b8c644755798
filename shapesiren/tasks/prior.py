"""Task ``prior``: a network over many signals, trained so that it completes another one of which little is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..config import Config, FitSettings, NetSettings, Tree
from ..facts import Facts
from ..header import Header
from ..priors.collection import CollectionSettings
from ..priors.facts import CollectionFacts, CompletionMetrics, CompletionsFacts
from ..priors.file import CACHE
from ..priors.header import PriorHeader
from ..priors.settings import (
    PriorBatchSettings,
    PriorDecodeSettings,
    PriorEvaluateSettings,
    PriorLossSettings,
    PriorSettings,
)
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..priors.base import PriorNet
    from ..priors.examples import Examples
    from ..reports.page import Section
    from .fitted import FittedField


class PriorConfig(Config):
    """All settings of a prior."""

    variants: ClassVar[tuple[tuple[str, str], ...]] = (("prior", "kind"),)

    task: Literal["prior"] = "prior"
    ingest: CollectionSettings = CollectionSettings()
    net: NetSettings = NetSettings()
    prior: PriorSettings = PriorSettings()
    fit: FitSettings = FitSettings(steps=10_000)
    batch: PriorBatchSettings = PriorBatchSettings()
    loss: PriorLossSettings = PriorLossSettings()
    decode: PriorDecodeSettings = PriorDecodeSettings()
    evaluate: PriorEvaluateSettings = PriorEvaluateSettings()


# steps differ in what they see: a loss that rises by half is none that diverges
OURS: Tree = {
    "net": {"width": 64, "hidden_layers": 3},
    "fit": {"learning_rate": 2e-4, "warmup": 100, "clip": 1.0, "precision": "float32", "divergence": 3.0, "beta2": 0.999},
}


# encoders and targets of sines go astray at rates that ReLU bears; the gradient of meta goes through its inner steps
RATES = (("cnp", 1e-3), ("meta", 5e-4))


def ours(steps: int) -> Tree:
    return OURS | {"fit": OURS["fit"] | {"steps": steps}}


class PriorTask(Task[PriorConfig]):
    """Train a prior on a collection of images; write how it completes those that were held back."""

    name = "prior"
    suffixes = (".zip",)
    folders = True
    cache, output, output_file = CACHE, "decode", "completions.png"
    config_type: ClassVar[type[Config]] = PriorConfig
    header_type: ClassVar[type[Header]] = PriorHeader
    header: PriorHeader
    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **Task.sections,
        "fit": ("net", "prior", "fit", "loss", "batch", "seed"),
        "decode": ("decode", "seed"),
    }
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": CollectionFacts,
        "inspect": CollectionFacts,
        "decode": CompletionsFacts,
        "evaluate": CompletionMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": ours(20_000),
        "fast": ours(4000),
        "fine": ours(100_000),
        **{
            f"{preset}/{kind}": {"fit": {"learning_rate": rate}}
            for preset in ("default", "fast", "fine")
            for kind, rate in RATES
        },
        # vsitzmann/siren, experiment_scripts/train_neural_process.py and dataio.py
        "paper": {
            "net": {"width": 256, "hidden_layers": 3},
            "prior": {"start": "fan-in", "stride": 1, "channels": 256, "encoder_layers": 2},
            "fit": {
                "epochs": 401,
                "learning_rate": 5e-5,
                "beta2": 0.999,
                "warmup": 0,
                "decay": "none",
                "divergence": None,
                "clip": 1.0,
                "precision": "float32",
            },
            "batch": {"signals": 100, "targets": None},
        },
        "paper/conv": {"prior": {"encoder_layers": 4}},
    }

    def __init__(self, signal: Signal, config: PriorConfig, device: torch.device) -> None:
        from ..priors.kinds import build_prior
        from .batches import Shuffle

        super().__init__(signal, config, device)
        self.examples = self.examples_of(signal, device)
        dimensions, outputs = len(self.header.frame.centre), self.outputs_of(signal)
        self.net: PriorNet = build_prior(config.prior, config.net, dimensions, outputs, config.seed).to(device)
        self.batches = Shuffle(len(self.examples), config.batch.signals, config.seed)

    @classmethod
    def examples_of(cls, signal: Signal, device: torch.device) -> Examples:
        """What it is trained on."""
        from ..priors.examples import ImageExamples

        return ImageExamples(signal.arrays["train"], device)

    @classmethod
    def outputs_of(cls, signal: Signal) -> int:
        """Outputs of the networks that it makes."""
        return int(signal.arrays["train"].shape[-1])

    @property
    def epoch_steps(self) -> int:
        return self.batches.epoch_steps

    # ---- fit ----------------------------------------------------------------------------------------
    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        batch = self.examples.batch(self.batches.at(moment.step), self.config.batch, generator)
        return self.net.losses(batch, self.config.loss)

    def field(self) -> Field:
        """The prior, which knows by now how the latent codes of its training signals are spread."""
        from ..priors.examples import codes_of

        self.net.remember(codes_of(self.net, self.examples))
        return super().field()

    # ---- ingest, decode, evaluate ---------------------------------------------------------------------
    @classmethod
    def reads(cls, path: Path, layers: Sequence[tuple[str, Tree]]) -> bool:
        """Archives; folders and arrays are other tasks', unless this one is named."""
        return path.suffix.lower() in cls.suffixes

    @classmethod
    def ingest(cls, source: Any, config: PriorConfig, say: Say) -> Signal:
        from ..priors.ingest import ingest_images

        arrays, header, facts = ingest_images(source, config.ingest, config.seed)
        return Signal(arrays, header, facts)

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: PriorConfig, path: Path, say: Say) -> Facts:
        from ..media.image import write_image
        from ..priors.completions import completions_sheet

        sheet, facts = completions_sheet(fitted, arrays, config.decode, config.seed)
        write_image(path, sheet, 8)
        return facts

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: PriorConfig, say: Say) -> None:
        cls.write(fitted, arrays, config, path, say)

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..media.image import check_image_output

        check_image_output(path)

    @classmethod
    def decode(cls, fitted: Field, config: PriorConfig) -> Any:
        """The typical image (h, w, c) of the collection."""
        from ..priors.prior import Prior

        prior = Prior(fitted)
        return prior.images(prior.net.latent_mean[None])[0]

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: PriorConfig, say: Say
    ) -> Facts:
        from ..priors.completions import completion_metrics

        return completion_metrics(fitted, np.asarray(arrays["held"]), config.evaluate, config.seed)

    @classmethod
    def fitted(cls, field: Field, arrays: Arrays, config: PriorConfig, run: Path | None = None) -> FittedField:
        from .prior_field import PriorField

        return PriorField(field, cls, arrays, config, run)

    @classmethod
    def thumbnail(cls, run: FinishedRun) -> bytes | None:
        from ..reports.media import image_thumbnail

        return image_thumbnail(run)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.priors import prior_sections

        return prior_sections(run)

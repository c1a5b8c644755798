"""Task ``composite``: two images become one through their gradients (Perez et al. 2003; Sitzmann et al. 2020, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from ..config import Config, FitSettings, NetSettings, Settings, Tree
from ..facts import Facts
from ..media.facts import CompositeFacts, DecodedImage
from ..media.settings import CompositeIngestSettings
from ..metrics.facts import CompositeMetrics
from .base import Arrays, FinishedRun, Moment, Say, Signal
from .image import ImageTask, PictureConfig, PictureTask, field_points

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section


class BatchSettings(Settings):
    """Samples of one step."""

    gradients: int = Setting(8192, ge=1, description="pixels whose gradient is fitted")
    values: int = Setting(2048, ge=1, description="pixels of the background whose intensity is: of a clone")


class LossSettings(Settings):
    """Weights of the terms, each relative to the power of what it fits."""

    gradient: float = Setting(1.0, gt=0)
    values: float = Setting(10.0, ge=0, description="intensities of the background round a clone")


class CompositeConfig(PictureConfig):
    """All settings of a composite."""

    task: Literal["composite"] = "composite"
    ingest: CompositeIngestSettings = CompositeIngestSettings()
    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(steps=4000)
    batch: BatchSettings = BatchSettings()
    loss: LossSettings = LossSettings()


OURS: Tree = {"net": {"omega_first": 30.0}, "fit": {"learning_rate": 5e-4, "warmup": 100}}


class CompositeTask(PictureTask[CompositeConfig]):
    """Fit a network to blended gradients; inside and outside are one smooth function."""

    name = "composite"
    cache = "composite.npz"
    config_type: ClassVar[type[Config]] = CompositeConfig
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": CompositeFacts,
        "inspect": CompositeFacts,
        "decode": DecodedImage,
        "evaluate": CompositeMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"fit": OURS["fit"] | {"steps": 4000}},
        "fast": OURS | {"fit": OURS["fit"] | {"steps": 1000}},
        "fine": OURS | {"fit": OURS["fit"] | {"steps": 20_000}},
        # vsitzmann/siren, experiment_scripts/train_poisson_gradcomp_img.py
        "paper": {
            "ingest": {"filter": "sobel"},
            **{section: ImageTask.presets["paper"][section] for section in ("net", "fit")},
            "batch": {"gradients": 1 << 30},
        },
    }

    def __init__(self, signal: Signal, config: CompositeConfig, device: torch.device) -> None:
        import torch

        from .batches import Shuffle

        super().__init__(signal, config, device)
        self.weights, self.counts = config.loss, config.batch
        gradient = signal.arrays["gradient"]
        height, width, channels, _ = gradient.shape
        self.make_net(2, channels)
        inside = np.flatnonzero(signal.arrays["inside"])
        outside = np.flatnonzero(~signal.arrays["inside"])

        def tensor(values: np.ndarray[Any, Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

        self.points, self.around = (tensor(field_points(self.header, i)) for i in (inside, outside))
        self.gradient = tensor(gradient.reshape(-1, channels, 2)[inside])
        self.background = tensor(signal.arrays["values"].reshape(-1, channels)[outside])
        self.power = float(self.gradient.double().square().mean()) or 1.0
        self.batches = Shuffle(len(inside), self.counts.gradients, config.seed)

    @property
    def epoch_steps(self) -> int:
        return self.batches.epoch_steps

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        index = self.batches.at(moment.step).to(self.device)
        x, count = self.points[index], min(self.counts.values, len(self.around))
        some = torch.randint(max(1, len(self.around)), (count,), generator=generator).to(self.device)
        value, gradient = self.values_and_gradients(torch.cat([x, self.around[some]]), len(x), moment)
        terms = {"gradient": self.weights.gradient / self.power * (gradient - self.gradient[index]).square().mean()}
        if count and self.weights.values:
            terms["values"] = self.weights.values * (value[len(x) :] - self.background[some]).square().mean()
        return terms

    # ---- ingest, evaluate; decoding is an image's -------------------------------------------------------
    @classmethod
    def reads(cls, path: Path, layers: Sequence[tuple[str, Tree]]) -> bool:
        return False  # by name alone: one file does not tell that there are two

    @classmethod
    def files_of(cls, config: CompositeConfig) -> list[Path]:
        return [] if config.ingest.mask is None else [Path(config.ingest.mask)]

    @classmethod
    def ingest(cls, source: Any, config: CompositeConfig, say: Say) -> Signal:
        from ..media.composite import ingest_composite

        return Signal(*ingest_composite(source, config.ingest))

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: CompositeConfig, say: Say
    ) -> Facts:
        from ..metrics.image import evaluate_composite

        return evaluate_composite(fitted, arrays)

    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        from ..reports.figures import composite_figure

        return composite_figure(fitted, arrays)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.media import composite_sections

        return composite_sections(run)

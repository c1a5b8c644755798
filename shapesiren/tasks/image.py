"""Task ``image``: intensities at points of the plane, fitted to values or to derivatives of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from typing_extensions import TypeVar

from ..config import Config, FitSettings, NetSettings, Settings, Tree
from ..errors import InputError
from ..facts import Facts
from ..header import Header
from ..media.facts import DecodedImage, ImageFacts
from ..media.headers import ImageHeader
from ..media.settings import ImageDecodeSettings, ImageIngestSettings, SignalEvaluateSettings, Supervision
from ..metrics.facts import ImageMetrics
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section


class BatchSettings(Settings):
    """Samples of one step."""

    pixels: int | None = Setting(8192, ge=1, description="all of them if not given")
    prior: int = Setting(2048, ge=1, description="random points at which the priors are taken")
    border: int = Setting(512, ge=1, description="random points of the border")


class LossSettings(Settings):
    """Weights of the terms."""

    data: float = Setting(1.0, gt=0, description="squared error of what is supervised, relative to its own power")
    tv: float = Setting(0.0, ge=0, description="total variation: mean length of the gradient, per pixel")
    border: float = Setting(4.0, ge=0, description="flux over the border, which the Laplace filter takes for zero")
    coarse: float = Setting(0.97, ge=0, le=1, description="share of a fit to Laplacians over which blur goes from wide to none")
    hessian: float = Setting(0.0, ge=0, description="mean absolute second derivative, per pixel squared")


class PictureConfig(Config):
    """What the settings of images and composites share."""

    decode: ImageDecodeSettings = ImageDecodeSettings()


P = TypeVar("P", bound=PictureConfig, default=Any)


class PictureTask(Task[P]):
    """A field that is written back as an image."""

    suffixes = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
    output, output_file = "decode", "decoded.png"
    header_type: ClassVar[type[Header]] = ImageHeader
    header: ImageHeader

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: P, path: Path, say: Say) -> Facts:
        from ..media.image import write_image
        from ..media.image_resample import decode_image, to_levels

        values, facts = decode_image(fitted, config.decode)
        levels, depth, note = to_levels(values, ImageHeader.of(fitted.header))
        write_image(path, levels, depth)
        return facts.model_copy(update={"note": note}) if note else facts

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: P, say: Say) -> None:
        from ..media.image import write_image
        from ..media.image_resample import decode_image

        write_image(path, decode_image(fitted, config.decode)[0], ImageHeader.of(fitted.header).depth)

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..media.image import check_image_output

        check_image_output(path)

    @classmethod
    def decode(cls, fitted: Field, config: P) -> Any:
        from ..media.image_resample import decode_image

        return decode_image(fitted, config.decode)[0]

    @classmethod
    def thumbnail(cls, run: FinishedRun) -> bytes | None:
        from ..reports.media import image_thumbnail

        return image_thumbnail(run)


class ImageConfig(PictureConfig):
    """All settings of an image."""

    variants: ClassVar[tuple[tuple[str, str], ...]] = (("ingest", "supervise"),)

    task: Literal["image"] = "image"
    ingest: ImageIngestSettings = ImageIngestSettings()
    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(steps=4000)
    batch: BatchSettings = BatchSettings()
    loss: LossSettings = LossSettings()
    evaluate: SignalEvaluateSettings = SignalEvaluateSettings()


OURS: Tree = {"net": {"omega_first": 60.0}, "fit": {"learning_rate": 5e-4, "warmup": 100}}


# lower frequencies: a derivative magnifies them, and its fit goes astray where intensities would not
DERIVATIVES: dict[str, Tree] = {
    "gradient": {"net": {"omega_first": 30.0}, "fit": {"learning_rate": 5e-4}},
    "laplacian": {"net": {"omega_first": 15.0}, "fit": {"learning_rate": 3e-4}, "batch": {"pixels": 4096}},
}


class ImageTask(PictureTask[ImageConfig]):
    """Fit a network to an image's intensities, gradients or Laplacians; write it back at any size."""

    name = "image"
    takes_prior = True
    cache = "image.npz"
    config_type: ClassVar[type[Config]] = ImageConfig
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": ImageFacts,
        "inspect": ImageFacts,
        "decode": DecodedImage,
        "evaluate": ImageMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"fit": OURS["fit"] | {"steps": 4000}},
        "fast": OURS | {"fit": OURS["fit"] | {"steps": 1000}},
        "fine": OURS | {"fit": OURS["fit"] | {"steps": 30_000}},
        **{f"{name}/{kind}": tree for name in ("default", "fast", "fine") for kind, tree in DERIVATIVES.items()},
        # vsitzmann/siren, experiment_scripts/train_img.py and train_poisson_grad_img.py
        "paper": {
            "ingest": {"filter": "sobel"},
            "net": {"omega_first": 30.0},
            "fit": {
                "steps": 10_000,
                "learning_rate": 1e-4,
                "beta2": 0.999,
                "warmup": 0,
                "decay": "none",
                "divergence": None,
                "derivatives": "autograd",
                "precision": "float32",
            },
            "batch": {"pixels": None},
            "loss": {"coarse": 0.0, "border": 0.0},
        },
    }

    def __init__(self, signal: Signal, config: ImageConfig, device: torch.device) -> None:
        import torch

        from .batches import Shuffle

        super().__init__(signal, config, device)
        self.loss, self.prior, self.border = config.loss, config.batch.prior, config.batch.border
        self.supervise: Supervision = config.ingest.supervise
        self.steady = self.supervise != "laplacian"
        values = signal.arrays["values"]
        height, width, channels = values.shape
        if config.fit.prior is not None:
            self.closed_form, self.solved_in, self.derivatives = True, "float32", "closed"
        else:
            self.make_net(2, channels)
        name = {"intensity": "values"}.get(self.supervise, self.supervise)
        target = signal.arrays[name].reshape(height * width, channels, -1)
        known = np.flatnonzero(signal.arrays["known"]) if "known" in signal.arrays else np.arange(height * width)
        self.target = torch.from_numpy(np.ascontiguousarray(target[known], np.float32)).to(device)
        points = field_points(self.header, known)
        self.points = torch.from_numpy(points.astype(np.float32)).to(device)
        self.power = float(self.target.double().square().mean()) or 1.0
        self.batches = Shuffle(len(known), config.batch.pixels or len(known), config.seed)
        self.reach = torch.tensor([width, height], dtype=torch.float32, device=device) / max(width, height)
        self.pixel = 2.0 / max(width, height)  # box units
        if self.supervise == "laplacian":
            self.levels = coarse_to_fine(signal.arrays["laplacian"], device)

    @property
    def epoch_steps(self) -> int:
        return self.batches.epoch_steps

    # ---- fit ----------------------------------------------------------------------------------------
    def solve(self, progress: Callable[[float], bool]) -> bool:
        """The network that a prior makes of the known pixels."""
        from ..priors.prior import Prior

        prior = Prior.load(Path(self.config.fit.prior or ""), self.device)
        self.net = prior.signal(prior.encode(self.points.cpu().numpy(), self.target[..., 0].cpu().numpy())).net
        return progress(1.0)

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        from ..nets.derivatives import value_gradient_hessian

        index = self.batches.at(moment.step).to(self.device)
        x, target, power = self.points[index], self.target[index], self.power
        terms: dict[str, Tensor] = {}
        if self.supervise == "laplacian":
            coarse = self.loss.coarse
            level = self.levels[int(moment.progress / coarse * len(self.levels)) if moment.progress < coarse else -1]
            target, power = level.target[index], level.power
            if self.loss.border:
                at, vertical = self.border_points(generator)
                gradient = self.values_and_gradients(at, len(at), moment)[1]
                flux = torch.where(vertical[:, None], gradient[..., 0], gradient[..., 1])
                terms["border"] = self.loss.border / level.gradient_power * flux.square().mean()
        terms[self.supervise] = self.loss.data / power * (self.predict(x, moment) - target).square().mean()
        if self.loss.tv or self.loss.hessian:
            anywhere = (torch.rand((self.prior, 2), generator=generator).to(self.device) * 2 - 1) * self.reach
            if self.loss.hessian:
                _, gradient, hessian = value_gradient_hessian(self.net, anywhere)
                terms["hessian"] = self.loss.hessian * self.pixel**2 * hessian.abs().mean()
            else:
                gradient = self.values_and_gradients(anywhere, len(anywhere), moment)[1]
            if self.loss.tv:
                length = (gradient.square().sum(-1) + 1e-12).sqrt()
                terms["tv"] = self.loss.tv * self.pixel * length.mean()
        return terms

    def border_points(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random box points (n, 2) on the image's border, and whether the border is vertical there (n,)."""
        import torch

        count = self.border
        along = (torch.rand((count,), generator=generator) * 2 - 1).to(self.device)
        side = torch.randint(4, (count,), generator=generator).to(self.device)
        across = (side % 2 * 2 - 1).to(along.dtype)
        vertical = side < 2
        unit = torch.where(vertical[:, None], torch.stack([across, along], 1), torch.stack([along, across], 1))
        return unit * self.reach, vertical

    def predict(self, x: Tensor, moment: Moment) -> Tensor:
        """What is supervised, at box points (n, 2): (n, c, 1), or (n, c, 2) gradients."""
        from ..nets.derivatives import autograd_value_gradient_laplacian
        from ..nets.jets import jet

        if self.supervise == "intensity":
            return self.values_and_gradients(x, 0, moment)[0].unsqueeze(-1)
        if self.supervise == "gradient":
            return self.values_and_gradients(x, len(x), moment)[1]
        if self.derivatives == "autograd":
            return autograd_value_gradient_laplacian(self.net, x)[2].unsqueeze(-1)
        laplacian = jet(self.net, x, 2, moment.dtype, moment.engine)[2]
        assert laplacian is not None
        return laplacian.unsqueeze(-1)

    # ---- ingest, decode, evaluate ---------------------------------------------------------------------
    @classmethod
    def files_of(cls, config: ImageConfig) -> list[Path]:
        from ..priors.file import file_of

        mask = [] if config.ingest.mask is None else [Path(config.ingest.mask)]
        return mask + ([] if config.fit.prior is None else [file_of(Path(config.fit.prior))])

    @classmethod
    def ingest(cls, source: Any, config: ImageConfig, say: Say) -> Signal:
        from ..media.image_ingest import ingest_image
        from ..priors.file import described

        channels = None
        if config.fit.prior is not None:
            if config.ingest.supervise != "intensity":
                raise InputError("a prior completes intensities", where="ingest.supervise", hint="leave it out")
            held = described(Path(config.fit.prior))
            held.wanted("image", Path(config.fit.prior))
            channels = int(held.net["out_features"])
        arrays, header, info = ingest_image(source, config.ingest, config.seed, say, channels)
        return Signal(arrays, header, info)

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: ImageConfig, say: Say
    ) -> Facts:
        from ..metrics.image import evaluate_image

        return evaluate_image(fitted, arrays, reference, config.evaluate, config.ingest)

    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        from ..reports.figures import image_figure

        return image_figure(fitted, arrays)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.media import image_sections

        return image_sections(run)


def field_points(header: ImageHeader, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Box coordinates (n, 2) of the centres of the pixels with these flat indices."""
    _, width, _ = header.shape
    return header.frame.to_box(np.stack([index % width + 0.5, index // width + 0.5], 1))


WIDEST_BLUR, BLURS_PER_OCTAVE = (
    1 / 6,
    2,
)  # blurs: the first one's width, as a share of the longest side; and how many to a halving


@dataclass(frozen=True)
class Level:
    """A blurred Laplacian (n, c, 1), its mean square, and that of the gradient of the image that has it; box units."""

    target: Tensor
    power: float
    gradient_power: float


def coarse_to_fine(laplacian: np.ndarray[Any, Any], device: torch.device) -> list[Level]:
    """The Laplacian (h, w, c) behind ever narrower Gaussians, even at the borders.

    The broad shades of an image are a few millionths of its Laplacian's power, and a fit to all of it never sees them. Blurred,
    a Laplacian is that of the blurred image, whose shades are most of it: they are fitted first, and detail is added.
    """
    import torch

    height, width, channels = laplacian.shape
    even = np.concatenate([laplacian, laplacian[::-1]])
    spectrum = np.fft.fft2(np.concatenate([even, even[:, ::-1]], 1), axes=(0, 1))
    squared = np.fft.fftfreq(2 * height)[:, None, None] ** 2 + np.fft.fftfreq(2 * width)[None, :, None] ** 2
    waves = (np.pi * max(height, width)) ** 2 * squared  # per box unit squared
    waves[0, 0] = np.inf
    levels = []
    widest = WIDEST_BLUR * max(height, width)
    count = max(1, int(BLURS_PER_OCTAVE * np.log2(2 * widest)))  # down to half a pixel
    for sigma in [widest * 2 ** (-k / BLURS_PER_OCTAVE) for k in range(count)] + [0.0]:
        soft = spectrum * np.exp(-2 * (np.pi * sigma) ** 2 * squared)
        target = np.fft.ifft2(soft, axes=(0, 1)).real[:height, :width].reshape(-1, channels, 1)
        gradient = (np.abs(soft) ** 2 / waves).sum() / (4.0 * height * width) ** 2 / channels
        tensor = torch.from_numpy(target.astype(np.float32)).to(device)
        levels.append(Level(tensor, float(np.square(target).mean()) or 1.0, float(gradient) or 1.0))
    return levels

"""A prior as the Python interface returns it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..field import Field
from ..header import Header
from .base import Context, PriorNet
from .completions import net_of
from .examples import ImageExamples, codes_of
from .file import CACHE, described, file_of
from .header import PriorHeader

MOST_SAMPLES = 1 << 16  # of a context: of more, as many spread evenly


class Prior:
    """What was learned from many signals of one kind: it completes others, of which little is known.

    fitted : the field that a prior's run holds; run : its folder, None if there is none
    train : the signals that it was trained on, if they are at hand; else they are read from the run
    """

    def __init__(self, fitted: Field, run: Path | None = None, train: NDArray[Any] | None = None) -> None:
        self.field, self.run, self.train = fitted, run, train
        self.net: PriorNet = net_of(fitted)
        self.header = PriorHeader.of(fitted.header)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Prior:
        """Of a run folder, or of a file ``field.safetensors`` that was taken from one.

        Raises
        ------
        InputError : there is none, it is damaged, or no prior; or one of shapes, whose scans are completed by a fit
        """
        from .shapes.file import BUILTIN, VARIANT

        path = Path(path)
        if str(path) == BUILTIN or described(path).net.get("variant") == VARIANT:
            raise InputError(
                "this is a prior of shapes", where=path, hint="shapesiren.fit(points, prior=...) completes a scan by it"
            )
        return cls(Field.load(file_of(path), torch.device(device)), path if path.is_dir() else None)

    @property
    def kind(self) -> str:
        """set, set-relu, conv, meta or cnp."""
        return self.net.variant

    # ---- Latent codes -------------------------------------------------------------------------------------
    def encode(self, points: ArrayLike, values: ArrayLike) -> torch.Tensor:
        """The latent code (latent,) of known samples.

        points : (n, d) in box coordinates; values : (n, c) as networks give them, of images in [-1, 1]

        Raises
        ------
        InputError : shapes that do not fit, or nothing known
        """
        x, y = np.asarray(points, np.float32), np.asarray(values, np.float32)
        d, c = self.net.in_features, self.net.out_features
        if x.ndim != 2 or y.ndim != 2 or x.shape[1] != d or y.shape != (len(x), c):
            raise InputError(f"points and values must have shapes (n, {d}) and (n, {c}), not {x.shape} and {y.shape}")
        if len(x) == 0:
            raise InputError("nothing is known", hint="at least one sample")
        if len(x) > MOST_SAMPLES:
            spread = np.linspace(0, len(x) - 1, MOST_SAMPLES).round().astype(int)
            x, y = x[spread], y[spread]
        device = self.net.latent_mean.device
        held = Context.of(torch.from_numpy(x)[None].to(device), torch.from_numpy(y)[None].to(device))
        with torch.no_grad():
            return self.net.encode(held)[0]

    def signal(self, code: torch.Tensor, task: str = "image", header: Header | None = None) -> Field:
        """The field that a latent code stands for: an ordinary one, with a network of its own."""
        return Field(self.net.target(code), task, header or self.header)

    def complete(self, points: ArrayLike, values: ArrayLike, task: str = "image", header: Header | None = None) -> Field:
        """The field of a signal of which ``values`` (n, c) at ``points`` (n, d) are known, both in the units of the signals
        that it was trained on: of images pixels, and intensities in [0, 1].

        header : of the field, and with it the user's coordinates, if they are not those of the training signals
        """
        units = header or self.header
        scale = self.header.values
        held = np.asarray(values, np.float64)
        if scale is not None:
            held = (held - scale.offset) / scale.scale
        return self.signal(self.encode(units.frame.to_box(np.asarray(points, np.float64)), held), task, units)

    def sample(self, count: int, seed: int = 0) -> torch.Tensor:
        """Latent codes (count, latent), drawn as those of the training signals are spread: a Gaussian through them."""
        with torch.no_grad():
            return self.net.sample(count, torch.Generator().manual_seed(seed))

    @staticmethod
    def interpolate(first: torch.Tensor, last: torch.Tensor, count: int) -> torch.Tensor:
        """Latent codes (count, latent) from one to another, in equal steps."""
        return torch.lerp(first, last, torch.linspace(0, 1, count, device=first.device)[:, None])

    # ---- Images -------------------------------------------------------------------------------------------
    def images(self, codes: torch.Tensor) -> NDArray[np.float64]:
        """(k, h, w, c) in [0, 1], at the size that it was trained on, of latent codes (k, latent)."""
        height, width, channels = self.header.image_shape
        blank = ImageExamples(np.zeros((1, height, width, channels), np.uint8), codes.device)
        with torch.no_grad():
            values = self.net.run(self.net.weights(codes), blank.points.expand(len(codes), -1, -1))
        out = values.double().cpu().numpy().reshape(len(codes), height, width, channels) / 2 + 0.5
        return np.asarray(np.clip(out, 0, 1))

    def training_signals(self) -> NDArray[Any]:
        """The images (n, h, w, c) uint8 that it was trained on. Raises InputError if it is a file without its run."""
        if self.train is not None:
            return self.train
        cache = None if self.run is None else self.run / CACHE
        if cache is None or not cache.is_file():
            raise InputError("what it was trained on is in its run alone", where=self.run, hint="name the run folder")
        with np.load(cache, allow_pickle=False) as held:
            return np.asarray(held["train"])

    def nearest(self, code: torch.Tensor, count: int = 1) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Indices (k,) of the training signals whose latent codes are nearest, and how far those are (k,)."""
        levels = self.training_signals()
        codes = codes_of(self.net, ImageExamples(levels, code.device), most=len(levels))
        distance = torch.linalg.vector_norm(codes - code, dim=1)
        far, which = distance.topk(min(count, len(codes)), largest=False)
        return which.cpu().numpy(), far.double().cpu().numpy()

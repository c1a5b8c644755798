"""Task ``video``: colours over the plane and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from ..config import Config, FitSettings, NetSettings, Settings, Tree
from ..facts import Facts
from ..media.facts import DecodedVideo, VideoFacts
from ..media.headers import VideoHeader
from ..media.settings import VideoDecodeSettings, VideoEvaluateSettings, VideoIngestSettings
from ..metrics.facts import VideoMetrics
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section


class BatchSettings(Settings):
    """Samples of one step."""

    pixels: int = Setting(8192, ge=1, description="drawn from all frames")


class VideoConfig(Config):
    """All settings of a video."""

    task: Literal["video"] = "video"
    ingest: VideoIngestSettings = VideoIngestSettings()
    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(steps=10_000)
    batch: BatchSettings = BatchSettings()
    decode: VideoDecodeSettings = VideoDecodeSettings()
    evaluate: VideoEvaluateSettings = VideoEvaluateSettings()


OURS: Tree = {"net": {"omega_first": 60.0}, "fit": {"learning_rate": 1e-3, "warmup": 100}}


class VideoTask(Task[VideoConfig]):
    """Fit a network to the colours of a video; write it back at any size and rate."""

    name = "video"
    suffixes = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif")
    cache, output, output_file = "video.npz", "decode", "decoded.mp4"
    folders = True
    config_type: ClassVar[type[Config]] = VideoConfig
    header_type = VideoHeader
    header: VideoHeader
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": VideoFacts,
        "inspect": VideoFacts,
        "decode": DecodedVideo,
        "evaluate": VideoMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": OURS | {"fit": OURS["fit"] | {"steps": 10_000}},
        "fast": OURS | {"fit": OURS["fit"] | {"steps": 2500}},
        "fine": OURS | {"net": OURS["net"] | {"width": 512}, "fit": OURS["fit"] | {"steps": 40_000, "learning_rate": 5e-4}},
        # vsitzmann/siren, experiment_scripts/train_video.py; a batch there is .38 % of the pixels
        "paper": {
            "net": {"omega_first": 30.0, "width": 1024},
            "fit": {
                "steps": 100_000,
                "learning_rate": 1e-4,
                "beta2": 0.999,
                "warmup": 0,
                "decay": "none",
                "divergence": None,
                "derivatives": "autograd",
                "precision": "float32",
            },
        },
    }

    def __init__(self, signal: Signal, config: VideoConfig, device: torch.device) -> None:
        from ..media.video_resample import frame_times
        from .batches import Shuffle

        super().__init__(signal, config, device)
        frames = signal.arrays["frames"]
        self.shape = frames.shape
        self.pixels = frames.reshape(-1, 3)  # still on disk, if it was mapped
        self.times = frame_times(signal.arrays)
        self.make_net(3, 3)
        self.batches = Shuffle(len(self.pixels), config.batch.pixels, config.seed)

    @property
    def epoch_steps(self) -> int:
        return self.batches.epoch_steps

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        index = self.batches.at(moment.step).numpy()
        colours = torch.from_numpy(self.pixels[index].astype(np.float32) / np.float32(127.5) - np.float32(1)).to(self.device)
        _, height, width, _ = self.shape
        t, rest = np.divmod(index, height * width)
        y, x = np.divmod(rest, width)
        points = np.stack([x + 0.5, y + 0.5, self.times[t] * self.header.pace], 1)
        box = self.header.frame.to_box(points)
        found = self.values_and_gradients(torch.from_numpy(box.astype(np.float32)).to(self.device), 0, moment)[0]
        return {"colour": (found - colours).square().mean()}

    # ---- ingest, decode, evaluate ---------------------------------------------------------------------
    @classmethod
    def reads(cls, path: Path, layers: Sequence[tuple[str, Tree]]) -> bool:
        """A folder of images is a video."""
        from ..media.video import frames_in

        return (path.is_dir() and bool(frames_in(path))) or super().reads(path, layers)

    @classmethod
    def ingest(cls, source: Any, config: VideoConfig, say: Say) -> Signal:
        from ..media.video import ingest_video

        return Signal(*ingest_video(source, config.ingest))

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: VideoConfig, path: Path, say: Say) -> Facts:
        from ..media.video import write_frames
        from ..media.video_resample import decode_frames

        frames, facts = decode_frames(fitted, config.decode)
        write_frames(path, frames, facts.rate)
        return facts

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..media.video import check_video_output

        check_video_output(path)

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: VideoConfig, say: Say
    ) -> Facts:
        from ..metrics.video import evaluate_video

        return evaluate_video(fitted, arrays, reference, config.evaluate)

    @classmethod
    def decode(cls, fitted: Field, config: VideoConfig) -> Any:
        from ..media.video_resample import decode_frames

        return decode_frames(fitted, config.decode)[0]

    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        from ..reports.figures import video_figure

        return video_figure(fitted, arrays)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.media import video_sections

        return video_sections(run)

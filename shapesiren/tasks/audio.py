"""Task ``audio``: amplitudes over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from ..config import Config, FitSettings, NetSettings, Settings, Tree
from ..facts import Facts
from ..media.facts import DecodedSound, SoundFacts
from ..media.headers import SoundHeader
from ..media.settings import SignalEvaluateSettings, SoundDecodeSettings, SoundIngestSettings
from ..metrics.facts import SoundMetrics
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section
    from .batches import Shuffle


class AudioNetSettings(NetSettings):
    """The network, and how several of them meet."""

    overlap: float = Setting(0.05, gt=0, description="seconds over which one window's network gives way to the next one's")


class BatchSettings(Settings):
    """Samples of one step."""

    samples: int | None = Setting(8192, ge=1, description="all of a window if not given")


class AudioConfig(Config):
    """All settings of a sound."""

    task: Literal["audio"] = "audio"
    ingest: SoundIngestSettings = SoundIngestSettings()
    net: AudioNetSettings = AudioNetSettings()
    fit: FitSettings = FitSettings(steps=10_000)
    batch: BatchSettings = BatchSettings()
    decode: SoundDecodeSettings = SoundDecodeSettings()
    evaluate: SignalEvaluateSettings = SignalEvaluateSettings()


OURS: Tree = {"fit": {"learning_rate": 5e-4, "warmup": 200}}


class AudioTask(Task[AudioConfig]):
    """Fit networks to a sound, one for each window of it; write it back at any rate."""

    name = "audio"
    suffixes = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
    cache, output, output_file = "sound.npz", "decode", "decoded.wav"
    config_type: ClassVar[type[Config]] = AudioConfig
    header_type = SoundHeader
    header: SoundHeader
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": SoundFacts,
        "inspect": SoundFacts,
        "decode": DecodedSound,
        "evaluate": SoundMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": {"fit": OURS["fit"] | {"steps": 10_000}},
        "fast": {"fit": OURS["fit"] | {"steps": 2500}},
        "fine": {"fit": OURS["fit"] | {"steps": 40_000}},
        # vsitzmann/siren, experiment_scripts/train_audio.py
        "paper": {
            "ingest": {"reach": 100.0, "window": 1e6},
            "fit": {
                "steps": 9001,
                "learning_rate": 1e-4,
                "beta2": 0.999,
                "warmup": 0,
                "decay": "none",
                "divergence": None,
                "derivatives": "autograd",
                "precision": "float32",
            },
            "batch": {"samples": None},
        },
    }

    def __init__(self, signal: Signal, config: AudioConfig, device: torch.device) -> None:
        import torch

        from ..nets.build import build_windows
        from .batches import Shuffle

        super().__init__(signal, config, device)
        count, channels = signal.arrays["values"].shape
        windows, reach = self.header.windows, self.header.reach
        half = count / self.header.rate / 2 / windows  # seconds, of a window
        overlap = min(config.net.overlap / 2, 0.5 * half) / half * reach
        self.windows = build_windows(config.net, channels, config.seed, windows, reach, overlap).to(device)
        self.net = self.windows
        self.derivatives = config.fit.derivatives
        self.native = self.derivatives == "fused" and config.net.kind == "siren"
        # what each network sees: its samples' local coordinates, and their values over the power of all of them
        position = ((np.arange(count) + 0.5) / count * 2 - 1) * reach * windows
        self.parts: list[tuple[Tensor, Tensor, float, Shuffle]] = []
        for k in range(windows):
            local = position - self.windows.centre(k)
            near = np.abs(local) <= reach + overlap
            values = signal.arrays["values"][near]
            power = float(np.square(values, dtype=np.float64).mean()) or 1.0
            x = torch.from_numpy(local[near].astype(np.float32)[:, None]).to(device)
            batches = Shuffle(len(values), config.batch.samples or len(values), config.seed + k)
            self.parts.append((x, torch.from_numpy(values).to(device), power, batches))

    @property
    def epoch_steps(self) -> int:
        return sum(batches.epoch_steps for *_, batches in self.parts)

    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        """One window a step, in turn. Relative to its power, so that losses of loud and quiet ones compare."""
        from ..nets.fused_step import fused_value_and_gradient

        k = moment.step % len(self.parts)
        x, values, power, batches = self.parts[k]
        index = batches.at(moment.step // len(self.parts)).to(self.device)
        net = self.windows.networks[k]
        if self.derivatives == "fused":
            found = fused_value_and_gradient(net, x[index], 0, moment.dtype, moment.engine)[0]
        else:
            found = net(x[index])
        return {"amplitude": (found - values[index]).square().mean() / power}

    # ---- ingest, decode, evaluate ---------------------------------------------------------------------
    @classmethod
    def ingest(cls, source: Any, config: AudioConfig, say: Say) -> Signal:
        from ..media.audio import ingest_sound

        return Signal(*ingest_sound(source, config.ingest))

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: AudioConfig, path: Path, say: Say) -> Facts:
        from ..media.audio import write_sound
        from ..media.audio_resample import decode_sound

        samples, facts = decode_sound(fitted, config.decode)
        write_sound(path, samples, facts.rate, SoundHeader.of(fitted.header).encoding)
        return facts

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..media.audio import check_sound_output

        check_sound_output(path)

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: AudioConfig, say: Say
    ) -> Facts:
        from ..metrics.audio import evaluate_sound

        return evaluate_sound(fitted, arrays, reference, config.evaluate)

    @classmethod
    def decode(cls, fitted: Field, config: AudioConfig) -> Any:
        from ..media.audio_resample import decode_sound

        return decode_sound(fitted, config.decode)[0]

    @classmethod
    def figure(cls, fitted: Field, arrays: Arrays) -> Any:
        from ..reports.figures import sound_figure

        return sound_figure(fitted, arrays)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.media import audio_sections

        return audio_sections(run)

"""Task ``audio``: amplitudes over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from ..config import Config, FitSettings, NetSettings, Settings, Tree
from ..facts import Facts
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task, compression_lines, fit_summary, plain_signal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section
    from .batches import Shuffle


class IngestSettings(Settings):
    """From file to arrays."""

    mono: bool = Setting(False, description="the mean of the channels")
    window: float = Setting(12.0, gt=0.01, description="seconds that one network holds; a longer sound gets several")
    reach: float | None = Setting(
        None, gt=0, description="a window is [-reach, reach] to its network; 100 to 300,000 samples if not given"
    )


class AudioNetSettings(NetSettings):
    """The network, and how several of them meet."""

    overlap: float = Setting(0.05, gt=0, description="seconds over which one window's network gives way to the next one's")


class BatchSettings(Settings):
    """Samples of one step."""

    samples: int | None = Setting(8192, ge=1, description="all of a window if not given")


class DecodeSettings(Settings):
    """From field to sound."""

    rate: int | None = Setting(None, ge=100, le=768_000, description="samples a second; the file's if not given")
    start: float = Setting(0.0, ge=0, description="seconds into the sound")
    seconds: float | None = Setting(None, gt=0, description="to the end if not given")


class EvaluateSettings(Settings):
    """Judging the result."""

    weights: tuple[int, ...] = Setting((32, 16, 8), description="bits of a weight, for the compression table")


class AudioConfig(Config):
    """All settings of a sound."""

    task: Literal["audio"] = "audio"
    ingest: IngestSettings = IngestSettings()
    net: AudioNetSettings = AudioNetSettings()
    fit: FitSettings = FitSettings(steps=10_000)
    batch: BatchSettings = BatchSettings()
    decode: DecodeSettings = DecodeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


OURS: Tree = {"fit": {"learning_rate": 5e-4, "warmup": 200}}


class AudioTask(Task):
    """Fit networks to a sound, one for each window of it; write it back at any rate."""

    name = "audio"
    suffixes = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
    cache, output, output_file = "sound.npz", "decode", "decoded.wav"
    config_type: ClassVar[type[Config]] = AudioConfig
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

    def __init__(self, signal: Signal, config: Config, device: torch.device) -> None:
        import torch

        from ..nets.build import build_windows
        from .batches import Shuffle

        assert isinstance(config, AudioConfig)
        super().__init__(signal, config, device)
        count, channels = signal.arrays["values"].shape
        windows, reach = signal.header["windows"], signal.header["reach"]
        half = count / signal.header["rate"] / 2 / windows  # seconds, of a window
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
    def ingest(cls, source: Any, config: Any, say: Say) -> Signal:
        from ..media.audio import ingest_sound

        return plain_signal(*ingest_sound(source, config.ingest))

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: Any, path: Path, say: Say) -> Facts:
        from ..media.audio import write_sound
        from ..media.audio_resample import decode_sound

        samples, facts = decode_sound(fitted, config.decode)
        write_sound(path, samples, facts["rate"], fitted.header["encoding"])
        return Facts.of(facts)

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, config: Any) -> None:
        from ..media.audio import write_sound
        from ..media.audio_resample import decode_sound

        samples, facts = decode_sound(fitted, config.decode)
        write_sound(path, samples, facts["rate"], fitted.header["encoding"])

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..media.audio import check_sound_output

        check_sound_output(path)

    @classmethod
    def evaluate(cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: Any, say: Say) -> Facts:
        from ..metrics.audio import evaluate_sound

        return Facts.of(evaluate_sound(fitted, arrays, reference, config.evaluate))

    @classmethod
    def decode(cls, fitted: Field, config: Any) -> Any:
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

    @classmethod
    def summary(cls, stage: str, facts: Tree) -> list[str]:
        if stage in ("ingest", "inspect"):
            cut = f", {facts['windows']} windows" if facts["windows"] > 1 else ""
            each = facts["samples"] / facts["windows"]
            lines = [
                f"{facts['seconds']:.3g} s, {facts['samples']:,} samples at {facts['rate']:,} Hz, "
                f"{facts['channels']} channel{'s' if facts['channels'] > 1 else ''}{cut}",
                f"a window of {each:,.0f} samples is [-{facts['reach']:.3g}, {facts['reach']:.3g}] to its network: the more "
                f"samples, the faster its first sines",
            ]
            return lines + list(facts["notes"])
        if stage == "fit":
            return fit_summary(facts)
        if stage == "decode":
            return [f"{facts['samples']:,} samples at {facts['rate']:,} Hz, {facts['seconds']:.1f} s"]
        lines = [
            f"SNR {facts['snr']:.2f} dB, MSE {facts['mse']:.3g} of full scale ({facts['mse_of_peak']:.3g} of the peak), "
            f"log-spectral distance {facts['spectral_distance']:.2f} dB"
        ]
        return lines + compression_lines(facts, "dB SNR")

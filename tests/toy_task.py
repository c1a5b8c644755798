"""A task in one file, as the documentation says that a task is added: a curve y(x), from a text file of two columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from shapesiren.config import Config, FitSettings, NetSettings, Settings, Tree
from shapesiren.errors import InputError
from shapesiren.facts import Facts
from shapesiren.header import Header, ValueScale
from shapesiren.similarity import Similarity
from shapesiren.tasks.base import Signal, Task


class IngestSettings(Settings):
    """From file to arrays."""

    every: int = Setting(1, ge=1, description="use every so many-th sample")


class DecodeSettings(Settings):
    """From field to a table."""

    samples: int = Setting(50, ge=2, description="rows of the table")


class CurveConfig(Config):
    """All settings of a curve."""

    task: Literal["curve"] = "curve"
    ingest: IngestSettings = IngestSettings()
    net: NetSettings = NetSettings(width=32, hidden_layers=1)
    fit: FitSettings = FitSettings(steps=300)
    decode: DecodeSettings = DecodeSettings()


class CurveFacts(Facts):
    """samples : read from the file"""

    samples: int

    def lines(self) -> list[str]:
        return [f"{self.samples} samples of a curve"]


class CurveMetrics(Facts):
    """rms : root mean square of the error, in the unit of y"""

    rms: float

    def lines(self) -> list[str]:
        return [f"off by {self.rms:.3g}"]


class CurveTask(Task):
    """Fit a network to a curve; write it back as a table."""

    name = "curve"
    suffixes = (".curve",)
    cache, output, output_file = "curve.npz", "decode", "decoded.csv"
    config_type: ClassVar[type[Config]] = CurveConfig
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {"ingest": CurveFacts, "evaluate": CurveMetrics}
    presets: ClassVar[Mapping[str, Tree]] = {"default": {"fit": {"steps": 300}}}

    def __init__(self, signal, config, device):
        import torch

        super().__init__(signal, config, device)
        self.make_net(1, 1)
        self.x, self.y = (torch.from_numpy(signal.arrays[k][:, None]).to(device) for k in ("x", "y"))

    def losses(self, generator, moment):
        value, _ = self.values_and_gradients(self.x, 0, moment)
        return {"curve": (value - self.y).square().mean()}

    @classmethod
    def ingest(cls, source, config, say):
        if not isinstance(source, Path):
            raise InputError("a curve is one file", where="curve")
        try:
            table = np.loadtxt(source, ndmin=2)[:: config.ingest.every]
        except ValueError as e:
            raise InputError(f"not a table of numbers ({e})", where=source) from None
        x, y = table.T
        frame = Similarity(((x.min() + x.max()) / 2,), float(np.ptp(x)) / 2)
        values = ValueScale(offset=float(y.mean()), scale=float(np.abs(y - y.mean()).max()))
        header = Header(frame=frame, bounds=((float(x.min()),), (float(x.max()),)), values=values)
        arrays = {"x": frame.to_box(x[:, None])[:, 0].astype(np.float32)}
        arrays["y"] = ((y - values.offset) / values.scale).astype(np.float32)
        return Signal(arrays, header, CurveFacts(samples=len(x)))

    @classmethod
    def decode(cls, fitted, config):
        low, high = fitted.header.bounds
        x = np.linspace(low, high, config.decode.samples)
        return np.hstack([x, fitted(x)])

    @classmethod
    def write(cls, fitted, arrays, config, path, say):
        table = cls.decode(fitted, config)
        np.savetxt(path, table, delimiter=",")
        return Facts.of({"samples": len(table)})

    @classmethod
    def convert(cls, written, path, fitted, arrays, config, say):
        np.savetxt(path, cls.decode(fitted, config), delimiter=",")

    @classmethod
    def evaluate(cls, fitted, arrays, output, reference, config, say):
        error = fitted.box_values(arrays["x"][:, None]) - arrays["y"]
        return CurveMetrics(rms=float(np.sqrt((error**2).mean())) * fitted.header.values.scale)

    @classmethod
    def figure(cls, fitted, arrays) -> Any:
        from shapesiren.reports.figure_file import pyplot

        figure, axes = pyplot().subplots()
        axes.plot(arrays["x"], arrays["y"], label="curve")
        axes.plot(arrays["x"], fitted.box_values(arrays["x"][:, None]), label="field")
        return figure

    @classmethod
    def report_sections(cls, run):
        from shapesiren.reports import page
        from shapesiren.reports.figure_file import encoded

        drawn = encoded(cls.figure(run.field, run.arrays), "png")
        return [page.Section("The curve and the field", [page.image(drawn, "both over x")])]

    @classmethod
    def thumbnail(cls, run):
        from shapesiren.reports.figure_file import encoded

        return encoded(cls.figure(run.field, run.arrays), "jpeg")

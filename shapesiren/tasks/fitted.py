"""Fields as the Python API returns them: each knows what it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import Config, Tree, resolve
from ..export import export_field
from ..field import Field

Arrays = dict[str, NDArray[Any]]


class Kind(Protocol):
    """What a fitted field asks of its task, a subclass of `base.Task`."""

    presets: Mapping[str, Tree]

    def decode(self, fitted: Field, config: Any) -> Any: ...

    def convert(self, written: Path, path: Path, fitted: Field, arrays: Any, config: Any, say: Any) -> None: ...

    def check_output(self, path: Path) -> None: ...

    def figure(self, fitted: Field, arrays: Arrays) -> Any: ...


class FittedField(Field):
    """A field that knows what it was fitted to.

    kind : its task; arrays : what `ingest` made; settings : all of them; run : its folder, None if it is in memory alone
    history : steps of its fit, and the weighted loss terms at each
    """

    history: Sequence[tuple[int, Mapping[str, float]]] = ()

    def __init__(self, fitted: Field, kind: Kind, arrays: Arrays, settings: Config, run: Path | None = None) -> None:
        super().__init__(fitted.net, fitted.task, fitted.header)
        self.kind, self.arrays, self.settings, self.run = kind, arrays, settings, run

    @property
    def losses(self) -> dict[str, NDArray[np.float64]]:
        """Weighted loss terms over the fit, an array (k,) each, and their ``step``; NaN where a term was not taken."""
        told = [(step, terms) for step, terms in self.history if terms]
        names = dict.fromkeys(name for _, terms in told for name in terms)
        over = {name: np.array([terms.get(name, np.nan) for _, terms in told], np.float64) for name in names}
        return {"step": np.array([step for step, _ in told], np.float64), **over}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {'; '.join(self.described())}>"

    def described(self) -> list[str]:
        """What it is, a thought an entry: task, network, box in the user's coordinates."""
        count = sum(p.numel() for p in self.net.parameters()) + sum(b.numel() for b in self.net.buffers())
        low, high = (self.frame.to_user(corner[None])[0] for corner in self.header.box_bounds())
        sides, first = (" x ".join(f"{v:.4g}" for v in high - low), ", ".join(f"{v:.10g}" for v in low))
        return [self.task, f"{self.net.spec()['kind']} network, {count:,} numbers", f"box {sides} from ({first})"]

    def with_settings(self, origin: str, section: str, changed: Mapping[str, Any]) -> Any:
        """Its settings with some of one section changed, those that are None left as they are. Raises InputError."""
        given = {k: v for k, v in changed.items() if v is not None}
        layers = [("run", self.settings.model_dump(exclude_none=True)), (origin, {section: given})]
        return resolve(type(self.settings), self.kind.presets, layers)


class SignalField(FittedField):
    """A fitted image, sound, video or solution, which can be decoded."""

    def decode(self, path: str | Path | None = None, **settings: Any) -> Any:
        """Its samples, at any size; keywords are settings of ``[decode]``. ``path`` writes a file instead.

        Returns
        -------
        image (h, w, c), [0, 1] of integer files; sound (n, channels) in full scale; video an iterator of (h, w, 3) uint8
        """
        config = self.with_settings("decode()", "decode", settings)
        if path is None:
            return self.kind.decode(self, config)
        self.kind.check_output(Path(path))
        self.kind.convert(
            Path(), Path(path), self, {}, config, lambda _: None
        )  # made from the field, not from what was written before
        return None

    def export(self, path: str | Path, gradient: bool = False) -> Tree:
        """Write it as .onnx. Returns facts. See `export`."""
        return export_field(self, Path(path), gradient=gradient).tree()

    def picture(self, path: str | Path) -> None:
        """Draw it beside its original."""
        from ..reports.figure_file import check_figure_file, write_figure

        check_figure_file(Path(path))
        write_figure(self.kind.figure(self, self.arrays), Path(path))

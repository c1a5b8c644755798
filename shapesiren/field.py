"""A field: a fitted network with its frame, callable at any point in the user's coordinates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from . import plugins
from .errors import InputError
from .header import FORMAT, Header
from .model_card import model_card
from .nets import evaluate
from .nets.build import from_spec
from .nets.network import Network


class Field:
    """A network and what decodes it.

    Parameters
    ----------
    net : maps box coordinates (n, d) to outputs (n, m)
    task : name of the task that it was fitted for
    header : of the signal that it was fitted to
    """

    def __init__(self, net: Network, task: str, header: Header) -> None:
        self.net, self.task, self.header, self.frame = net, task, header, header.frame

    # ---- In box coordinates -----------------------------------------------------------------------
    def box_values(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, d) box coordinates -> first output, (n,)."""
        return evaluate.values(self.net, x)[:, 0]

    def box_rough_values(self, x: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """`box_values` to some three digits in half the time; None where that cannot be had (see `evaluate.rough_values`)."""
        rough = evaluate.rough_values(self.net, x)
        return None if rough is None else rough[:, 0]

    def box_values_and_gradients(
        self, x: NDArray[np.floating], dtype: torch.dtype = torch.float32
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, d) box coordinates -> first output (n,), its gradient (n, d); ``dtype`` as of `evaluate.values_and_gradients`."""
        value, gradient = evaluate.values_and_gradients(self.net, x, dtype=dtype)
        return value[:, 0], gradient[:, 0]

    def bounds(self, margin: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corners (3,) and (3,) of a scan's bounding box in box coordinates, grown by ``margin`` of its longest side, inside
        [-1, 1]. Of a shape."""
        low, high = self.header.box_bounds()
        pad = margin * float((high - low).max())
        return np.maximum(low - pad, -1.0), np.minimum(high + pad, 1.0)

    # ---- In the user's coordinates ----------------------------------------------------------------
    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """The field at (n, d) points, in the user's units.

        Returns
        -------
        signed distance (n,), negative inside; of a signal its values (n, m): intensities, amplitudes
        """
        out = evaluate.values(self.net, self._box(points)).astype(np.float64)
        values = self.header.values
        return out[:, 0] * self.frame.scale if values is None else out * values.scale + values.offset

    def gradient(self, points: ArrayLike) -> NDArray[np.float64]:
        """Gradient at (n, d) points: (n, d) of a distance; (n, m, d) of a signal's values, per unit of its coordinates."""
        gradient = evaluate.values_and_gradients(self.net, self._box(points))[1].astype(np.float64)
        values = self.header.values
        return gradient[:, 0] if values is None else gradient * (values.scale / self.frame.scale)

    def normal(self, points: ArrayLike) -> NDArray[np.float64]:
        """Unit gradient at (n, 3) points, (n, 3): the outward normal of the level set through each."""
        g = self.gradient(points)
        return g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-30)

    def _box(self, points: ArrayLike) -> NDArray[np.float64]:
        x = np.asarray(points, np.float64)
        if x.ndim != 2 or x.shape[1] != self.net.in_features:
            raise InputError(f"points must have shape (n, {self.net.in_features}), not {x.shape}")
        return self.frame.to_box(x)

    # ---- To and from a file -----------------------------------------------------------------------
    def to_bytes(self) -> bytes:
        """Weights as safetensors; architecture, task, header and a model card as JSON metadata. Equal fields, equal bytes."""
        description = {"format": FORMAT, "task": self.task, "net": self.net.spec(), "header": self.header.tree()}
        if (part := plugins.part("network", str(self.net.kind))) is not None:
            description["plugin"] = part.plugin or part.file
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.net.state_dict().items()}
        # One key: safetensors writes several in an order that differs from call to call, and a field is known by its bytes.
        return save(tensors, {"shapesiren": json.dumps({**description, "card": self.card()})})

    def card(self, figures: dict[str, Any] | None = None) -> str:
        """A model card in Markdown; ``figures`` : what was measured of the field, by name."""
        return model_card(self.net, self.task, self.header, figures)

    @classmethod
    def load(cls, path: Path, device: torch.device | None = None) -> Field:
        """Read a field file. Nothing in it runs code.

        Raises
        ------
        InputError : the file is missing, damaged, or no field
        """
        if not path.is_file():
            raise InputError("no such field file", where=path, hint="run `shapesiren fit` first")
        try:
            with safe_open(path, framework="pt") as f:
                description = migrate(json.loads((f.metadata() or {})["shapesiren"]))
                tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
            kind = description["net"]["kind"]
            if "plugin" in description and plugins.part("network", kind) is None:
                name = description["plugin"]
                hint = f"--plugin {name} loads it, if you trust its code"
                raise InputError(f"its network {kind!r} comes of the plugin {name}", where=path, hint=hint)
            net = from_spec(description["net"])
            net.load_state_dict(tensors)
        except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as e:
            raise InputError(f"not a shapesiren field ({e})", where=path, hint="fit it again") from None
        return cls(net.to(device) if device else net, description["task"], Header.model_validate(description["header"]))


def migrate(description: dict[str, Any]) -> dict[str, Any]:
    """Bring an older description up to `FORMAT`; the one place where old files are understood."""
    if description["format"] > FORMAT:
        raise ValueError(f"written by a newer version (format {description['format']})")
    return description

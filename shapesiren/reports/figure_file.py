"""Figures of matplotlib, and the files that they become."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runtime.files import write_atomically


def check_figure_file(path: Path) -> None:
    """Raise InputError now if `write_figure` could not write ``path`` later."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"cannot draw as {path.suffix or 'a file without extension'!r}", where=path, hint="-o NAME.png")


def write_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG or JPEG, by extension. Raises InputError for another one."""
    check_figure_file(path)
    write_atomically(path, encoded(figure, "png" if path.suffix.lower() == ".png" else "jpeg"))


def pyplot() -> Any:
    """matplotlib.pyplot, drawing without a display; in a notebook, or where it is in use already, as it is."""
    import matplotlib

    inline = os.environ.get("MPLBACKEND", "").startswith("module://matplotlib_inline")
    if not inline and "matplotlib.pyplot" not in sys.modules:
        matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def encoded(figure: Any, kind: str) -> bytes:
    """A matplotlib figure as the bytes of a ``"png"`` or ``"jpeg"``; it is closed."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=120)
    pyplot().close(figure)
    return out.getvalue()

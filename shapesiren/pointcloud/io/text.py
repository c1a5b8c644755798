"""Text: XYZ, PTS, TXT, numbers in columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..cloud import PointCloud
from .arrays import from_table
from .dialect import read_table
from .partial import ChooseRows


def read_text(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """A point a line, in any of the dialects that `dialect` tells apart; the header says what the columns are, or ``words``, or
    what is in them (`by_value`). It is read whole."""
    table = read_table(path.read_bytes(), path)
    cloud = from_table(table.values, path, words, table.names)
    return replace(cloud, notes=(*table.notes, *cloud.notes))

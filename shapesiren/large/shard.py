"""The part of a field that one tile holds: its cells and their heads, in a safetensors file that is mapped, not read."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import InputError
from ..runtime.files import write_atomically

DAMAGED = (OSError, SafetensorError, KeyError, ValueError, TypeError)  # what `read_told` raises of files that are not whole
NOTHING, OWN, BESIDE = 0, 1, 2  # what a cell holds: no point in its support, points of its own, points beside it


@dataclass(frozen=True)
class Shard:
    """cells : (n, 4) int64 level and coordinates in the octree of the whole run, all leaves of the tile, in Morton order
    state : (n,) NOTHING, OWN or BESIDE
    heads, beside : (m, units + 4) of the cells with points of their own, (k, fewer + 4) of those beside them, in box units
    spacing : (n,) local spacing of the points of a cell, box units; 0 of others
    kept : (p,) which of the tile's stored points are no outliers
    key, facts : what it was made of, what was found
    """

    cells: NDArray[np.int64]
    state: NDArray[np.uint8]
    heads: NDArray[np.float32]
    beside: NDArray[np.float32]
    spacing: NDArray[np.float32]
    kept: NDArray[np.bool_]
    key: str
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {
            "cells": self.cells.astype(np.int32),
            "state": self.state,
            "heads": self.heads,
            "beside": self.beside,
            "spacing": self.spacing,
            "kept": np.packbits(self.kept),
        }
        write_told(path, arrays, {"key": self.key, "points": len(self.kept), "facts": self.facts})

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises InputError if it is missing or damaged."""
        try:
            a, told = read_told(path, ("cells", "state", "heads", "beside", "spacing", "kept"))
            kept = np.unpackbits(a["kept"], count=int(told["points"])).astype(bool)
            cells = a["cells"].astype(np.int64)
            return cls(cells, a["state"], a["heads"], a["beside"], a["spacing"], kept, told["key"], told["facts"])
        except DAMAGED as e:
            raise InputError(
                f"cells of a tile are missing or damaged ({e})", where=path, hint="fit it again with --force"
            ) from None


def write_told(path: Path, arrays: Mapping[str, NDArray[Any]], told: dict[str, Any]) -> None:
    """A tile's file, whole or absent: arrays, and in its header what is told of them."""
    tables = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, save(tables, {"shapesiren": json.dumps(told, sort_keys=True)}))


def read_told(path: Path, names: Collection[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of a tile's file with these names, and what is told of them. Raises one of `DAMAGED`."""
    with safe_open(path, framework="np") as file:
        told: dict[str, Any] = json.loads((file.metadata() or {})["shapesiren"])
        return {name: file.get_tensor(name) for name in names}, told


def told_of(path: Path) -> tuple[str, dict[str, Any]]:
    """Key and facts of a tile's file, of its cells or its mesh, without its arrays; an empty key if there is none."""
    try:
        _, told = read_told(path, ())
        return str(told["key"]), dict(told["facts"])
    except DAMAGED:
        return "", {}

"""The file of a prior, and its description, read without torch: ingest asks what a prior is for, before anything is fitted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from .header import PriorHeader

FIELD, CACHE = "field.safetensors", "collection.npz"  # in a run
KIND = "prior"  # of the network in its description
MAX_HEADER = 1 << 24  # bytes of a description


@dataclass(frozen=True)
class Description:
    """net : what rebuilds the network; header : what it was trained on"""

    net: dict[str, Any]
    header: PriorHeader

    def wanted(self, signal: str, where: Path) -> None:
        """Raises InputError if it is a prior of another kind of signals."""
        if self.header.signal != signal:
            hint = f"shapesiren fit COLLECTION --task prior, of {signal}s, makes one"
            raise InputError(f"this is a prior of {self.header.signal}s, not of {signal}s", where=where, hint=hint)


def file_of(path: Path) -> Path:
    """The file of a prior that is named by it or by its run."""
    return path / FIELD if path.is_dir() else path


def described(path: Path) -> Description:
    """The description in a prior's file, or in that of its run.

    Raises
    ------
    InputError : there is none, it is damaged, or no prior
    """
    file = file_of(path)
    if not file.is_file():
        raise InputError("no such prior", where=path, hint="a run of `shapesiren fit COLLECTION --task prior`, or its file")
    try:
        with open(file, "rb") as f:  # safetensors: the length of the JSON that follows
            length = int.from_bytes(f.read(8), "little")
            if not 0 < length <= MAX_HEADER:
                raise ValueError("no safetensors file")
            tree = json.loads(json.loads(f.read(length))["__metadata__"]["shapesiren"])
        net, task = tree["net"], tree["task"]
        if net["kind"] != KIND:
            hint = "shapesiren fit COLLECTION --task prior makes one"
            raise InputError(f"this is a field of task {task} and no prior", where=path, hint=hint)
        return Description(net, PriorHeader.model_validate(tree["header"]))
    except (ValueError, KeyError, TypeError, OSError, ValidationError) as e:
        reason = " ".join(str(e).split())[:80]
        raise InputError(f"not a prior, or damaged ({reason})", where=path, hint="train it again") from None

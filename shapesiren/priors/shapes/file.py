"""The file of a `ShapePrior`: weights as safetensors, and what they are as JSON metadata. Nothing in it runs code."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ...errors import InputError
from .network import ShapePrior, ShapePriorSizes

FORMAT = 1
KIND = "shape-prior"
BUILTIN = "builtin"  # the name of the one that comes with the package
HINT = f"--prior {BUILTIN}, or a file that pipelines/shape_prior.py made"


def to_bytes(prior: ShapePrior, figures: dict[str, Any]) -> bytes:
    """``figures`` : how it was trained, and what it was judged by, kept for people."""
    description = {"format": FORMAT, "kind": KIND, "sizes": asdict(prior.sizes), "figures": figures}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in prior.state_dict().items()}
    return save(tensors, {"shapesiren": json.dumps(description)})


def builtin() -> Path:
    """The file that comes with the package."""
    return Path(__file__).with_name("builtin.safetensors")


def path_of(name: str | Path) -> Path:
    """The file that is meant by `BUILTIN`, or by a path."""
    return builtin() if str(name) == BUILTIN else Path(name)


def describe(name: str | Path) -> dict[str, Any]:
    """What the file of a prior says of itself.

    Raises
    ------
    InputError : there is none, it is damaged, or it holds something else
    """
    path = path_of(name)
    if path.is_dir():
        raise InputError("this is a folder, and a prior of shapes is a file", where=path, hint=HINT)
    if not path.is_file():
        raise InputError("no such prior", where=path, hint=HINT)
    try:
        with safe_open(path, framework="pt") as opened:
            description = json.loads((opened.metadata() or {})["shapesiren"])
        kind = description.get("kind") or description["net"]["kind"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as e:
        raise InputError(f"damaged, or no prior ({e})", where=path, hint=HINT) from None
    if kind != KIND:
        what = "a prior of images" if kind == "prior" else "a fitted field"
        raise InputError(f"this is {what} and no prior of shapes", where=path, hint=HINT)
    if description.get("format", 0) > FORMAT:
        raise InputError(f"written by a newer version (format {description['format']})", where=path, hint=HINT)
    return dict(description)


def load(name: str | Path, device: torch.device | None = None) -> ShapePrior:
    """Read one. Raises InputError as `describe`."""
    description, path = describe(name), path_of(name)
    try:
        prior = ShapePrior(ShapePriorSizes.of(description["sizes"]))
        with safe_open(path, framework="pt") as opened:
            prior.load_state_dict({key: opened.get_tensor(key) for key in opened.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as e:
        told = " ".join(str(e).split())
        raise InputError(f"damaged, or no prior ({told})", where=path, hint=HINT) from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in prior.state_dict().values()):
        raise InputError("damaged: weights that are no numbers", where=path, hint=HINT)
    return prior.to(device or torch.device("cpu")).eval().requires_grad_(False)


@cache
def shared(name: str) -> ShapePrior:
    """The same, read once in a process."""
    return load(name)

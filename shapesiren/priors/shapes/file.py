"""The file of a `ShapePrior`: weights as safetensors, and what they are as JSON metadata. Nothing in it runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...header import FORMAT
from ...similarity import Similarity
from ..file import KIND, Description, described, file_of
from ..header import PriorHeader

if TYPE_CHECKING:
    import torch

    from .network import ShapePrior

VARIANT = "surroundings"
BUILTIN = "builtin"  # the name of the one that comes with the package
HINT = f"--prior {BUILTIN} names one of shapes"


def path_of(name: str | Path) -> Path:
    """The file that is meant by `BUILTIN`, by a path, or by a run."""
    return Path(__file__).with_name("builtin.safetensors") if str(name) == BUILTIN else file_of(Path(name))


def describe(name: str | Path) -> Description:
    """What the file says of itself, read without torch.

    Raises
    ------
    InputError : there is none, it is damaged, or it is no prior of shapes
    """
    path = path_of(name)
    if not path.is_file():
        raise InputError("no such prior", where=path, hint=HINT)
    held = described(path)
    if held.header.signal != "shape" or held.net.get("variant") != VARIANT:
        raise InputError(f"this is a prior of {held.header.signal}s, and no scan is completed by it", where=path, hint=HINT)
    return held


def to_bytes(prior: ShapePrior, trained: int, held: int, figures: Mapping[str, float]) -> bytes:
    """``trained``, ``held`` : solids it has learned from, and was judged by; ``figures`` : how, and what came out"""
    from safetensors.torch import save

    header = PriorHeader(
        frame=Similarity((0.0, 0.0, 0.0), 1.0), signal="shape", trained=trained, held=held, figures=dict(figures)
    )
    net = {"kind": KIND, "variant": VARIANT, "sizes": asdict(prior.sizes)}
    description = {"format": FORMAT, "task": "prior", "net": net, "header": header.tree()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in prior.state_dict().items()}
    return save(tensors, {"shapesiren": json.dumps(description)})


def load(name: str | Path, device: torch.device | None = None) -> ShapePrior:
    """Read one, to be used and not to be trained. Raises InputError as `describe`, and for weights that are no numbers."""
    import torch
    from safetensors import SafetensorError, safe_open

    from .network import ShapePrior, ShapePriorSizes

    described_as, path = describe(name), path_of(name)
    try:
        prior = ShapePrior(ShapePriorSizes.of(described_as.net["sizes"]))
        with safe_open(path, framework="pt") as opened:
            prior.load_state_dict({key: opened.get_tensor(key) for key in opened.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as e:
        reason = " ".join(str(e).split())[:80]
        raise InputError(f"not a prior, or damaged ({reason})", where=path, hint=HINT) from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in prior.state_dict().values()):
        raise InputError("damaged: it holds weights that are no numbers", where=path, hint=HINT)
    return prior.to(device or torch.device("cpu")).eval().requires_grad_(False)

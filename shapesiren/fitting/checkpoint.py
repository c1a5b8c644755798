"""Checkpoints: all that a fit needs to go on as if it had never stopped, in one safetensors file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..runtime.files import write_atomically

FORMAT = 1


@dataclass(frozen=True)
class State:
    """The numbers beside the tensors.

    key : the fit stage's key; a checkpoint of another key is not resumed
    seconds : wall time spent so far
    rate_cap : share of the peak learning rate that is not exceeded after a rollback
    average, best : moving average of the loss, and the lowest that it was
    risen : for how many looks in a row the average has been far above its best
    first : the average at the first look
    """

    key: str
    step: int
    seconds: float
    rate_cap: float
    rollbacks: int
    precision: str
    average: float = math.inf
    best: float = math.inf
    risen: int = 0
    first: float = math.inf


def save_checkpoint(
    path: Path, state: State, net: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
) -> None:
    """Write network, optimizer moments, random state and `State` atomically."""
    tensors = tensors_of(net, optimizer)
    tensors["generator"] = generator.get_state()
    tensors = {k: v.cpu().contiguous() for k, v in tensors.items()}
    header = {"format": str(FORMAT), "state": json.dumps(asdict(state))}
    write_atomically(path, save(tensors, header))


def tensors_of(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """A network's and its optimizer's tensors by the names that `restore` knows: ``net.*``, ``optimizer.<index>.*``."""
    tensors: dict[str, Tensor] = {f"net.{k}": v.detach() for k, v in net.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    return tensors


def load_checkpoint(
    path: Path, key: str, net: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
) -> State | None:
    """Restore in place and return the state; None when there is nothing of this key that can be read."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as f:
            metadata = f.metadata() or {}
            state = State(**json.loads(metadata["state"]))
            if metadata.get("format") != str(FORMAT) or state.key != key:
                return None
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None  # damaged or foreign: the fit starts anew, which is always right
    restore(tensors, net, optimizer)
    generator.set_state(tensors["generator"])
    return state


def restore(tensors: dict[str, Tensor], net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Copy ``net.*`` and ``optimizer.<index>.*`` tensors into a network and its optimizer."""
    net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for k, v in tensors.items():
        if k.startswith("optimizer."):
            _, index, name = k.split(".")
            moments.setdefault(int(index), {})[name] = v
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})

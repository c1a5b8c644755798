"""TensorBoard as a listener of the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from .events import Event, Progress, RolledBack


class TensorBoard:
    """Writes losses, learning rate and pace to ``folder``; `tensorboard --logdir` shows several runs over each other."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "the package tensorboard is missing", where="--tensorboard", hint="pip install 'shapesiren[tensorboard]'"
            ) from None
        self.folder = folder
        self.make: Any = SummaryWriter
        self.writer: Any = None

    def __call__(self, event: Event) -> None:
        if self.writer is None:
            self.writer = self.make(str(self.folder))
        if isinstance(event, Progress):
            self.writer.add_scalar("loss", sum(event.losses.values()), event.step)
            for name, value in event.losses.items():
                self.writer.add_scalar(f"losses/{name}", value, event.step)
            self.writer.add_scalar("learning rate", event.learning_rate, event.step)
            self.writer.add_scalar("steps a second", event.rate, event.step)
        elif isinstance(event, RolledBack):
            self.writer.add_text("rollback", event.reason, event.step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

"""Work for other processes, which import this file and nothing heavy with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from shapesiren.errors import InputError


def touched(item: Path) -> None:
    """Write a file; some names kill their own process, at the first try or each."""
    tries = item.with_suffix(".tries")
    with open(tries, "a") as file:
        file.write("x")
    if item.stem == "deadly" or (item.stem == "3" and len(tries.read_text()) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if item.stem == "refused":
        raise InputError("no", where=item)
    item.write_text("done")

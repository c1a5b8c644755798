"""The viewer beside a fit: a process of its own, so that whatever happens to it, the fit goes on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError

LAST_LOOK = 6.0  # seconds that the viewer stays up after the fit, to show its end


class LiveView:
    """Starts `shapesiren view` on a run folder, at the lowest priority, and lets it go when the fit ends."""

    def __init__(self, folder: Path, port: int, say: Callable[[str], None]) -> None:
        if importlib.util.find_spec("viser") is None:
            raise InputError("the package viser is missing", where="--live", hint="pip install 'shapesiren[live]'")
        command = [sys.executable, "-m", "shapesiren", "view", str(folder), "--port", str(port), "--beside"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        say(f"live: the viewer is starting; if it is closed, `shapesiren view {folder}` opens it again")

    def close(self) -> None:
        """Tell the viewer that the fit is over: its standard input ends. It shows the end and goes."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                pass  # it was closed before

"""The viewer beside a fit: a process of its own, so that whatever happens to it, the fit goes on.

`ViewerProcess` is the fit's side: ``shapesiren view RUN --beside`` at the other end of a pipe, over which nothing is said;
that it closes means that the fit is over. The viewer's own side is `serve.serve_beside_a_fit`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .. import plugins
from ..errors import InputError


class ViewerProcess:
    """The viewer of a run folder, in a process that is started now and let go when the fit ends.

    Parameters
    ----------
    folder : of the run; it need not be there yet
    port : of the viewer's page; the next free one if it is taken
    say : prints one line for the user

    Raises
    ------
    InputError : the package viser is missing
    """

    def __init__(self, folder: Path, port: int, say: Callable[[str], None]) -> None:
        if importlib.util.find_spec("viser") is None:
            raise InputError("the package viser is missing", where="--live", hint="pip install 'shapesiren[live]'")
        command = [sys.executable, "-m", "shapesiren", "view", str(folder), "--port", str(port), "--beside"]
        command += [word for name in plugins.loaded() for word in ("--plugin", name)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        say(f"live: the viewer is starting; if it is closed, `shapesiren view {folder}` opens it again")

    def close(self) -> None:
        """Tell the viewer that the fit is over: its standard input ends. It shows the end and goes."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                pass  # it was closed before

"""Serving a run's viewer: until Ctrl-C, or beside a fit until that ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from .page import Viewer

LAST_LOOK = 6.0  # seconds that the viewer stays up after a fit, to show its end
CORE_SHARE = 0.04  # of one core, the most that the viewer takes while a fit runs beside it


def serve(folder: Path, host: str, port: int, up: str, say: Callable[[str], None]) -> NoReturn:
    """Serve a run until Ctrl-C, and end this process. The parameters are those of `Viewer`; ``say`` prints a line."""
    viewer = Viewer(folder, host, port, up)
    say(f"view: {viewer.address}")
    try:
        viewer.follow()
    except KeyboardInterrupt:
        say("closed")
    finally:
        viewer.stop()
    _end_process()


def serve_beside_a_fit(folder: Path, host: str, port: int, up: str, say: Callable[[str], None]) -> NoReturn:
    """Serve a run that another process is fitting, at the lowest priority, until standard input ends, which that process
    holds; then for some seconds more, and end this process. See `beside_a_fit.ViewerProcess`."""
    _give_way()
    viewer = Viewer(folder, host, port, up)
    say(f"live: {viewer.address}")
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fit, whose end ends this
        viewer.follow(until=_end_of_input(), core_share=CORE_SHARE)
        end = time.monotonic() + LAST_LOOK
        viewer.follow(until=lambda: time.monotonic() > end)
    finally:
        viewer.stop()
    _end_process()


def _end_of_input() -> Callable[[], bool]:
    """A question: has standard input ended?"""
    over = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    return over.is_set


def _give_way() -> None:
    """Give way to everything else on this machine."""
    if hasattr(os, "nice"):
        os.nice(19)
    import torch

    torch.set_num_threads(1)


def _end_process() -> NoReturn:
    """End at once. Python would join the page's workers, and one may wait for a browser that is gone; nothing here is left to
    be saved."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
